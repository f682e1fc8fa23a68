"""Identifiers of Matrix and of the city hall, and how they are read from what people type.

Grammar: Matrix specification, Appendices, "Identifier grammar". A room id of room version 12 carries no
domain, so nothing here ever takes a room id apart.
"""

import hashlib
import re
import secrets
from typing import NewType

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
RoomAlias = NewType("RoomAlias", str)
EventId = NewType("EventId", str)
#: ``zaisei``: ASCII, fixed at creation, never used again for something else.
Slug = NewType("Slug", str)

#: Localparts of ghosts (guests whom the bot relays) begin with this.
GHOST_PREFIX = "_och_"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$"
SERVER_PATTERN = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_USER = re.compile(rf"@[a-z0-9._=/+-]+:{SERVER_PATTERN}")
#: Characters that are not taken for one another.
TELEPHONE = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_MATRIX_TO = re.compile(r"^(?:https://matrix\.to/#/|matrix:u/)")


def parse_user_id(text: str) -> UserId:
    """Read ``@user:server`` (also as a matrix.to link); ValueError if it is none."""
    bare = _MATRIX_TO.sub("", text.strip())
    if not bare.startswith("@") and text != bare:
        bare = "@" + bare
    bare = bare.replace("%40", "@").replace("%3A", ":")
    if not _USER.fullmatch(bare) or len(bare.encode()) > 255:
        raise ValueError("not a Matrix user id of the form @user:server")
    return UserId(bare)


def server_of(user_id: UserId) -> str:
    """Return the server name of a user id: what follows its first colon."""
    return user_id.partition(":")[2]


def new_reference() -> str:
    """Return a reference number that can be read out on a telephone: no 0/O, 1/I/L, U."""
    return _read_out(secrets.randbelow(len(TELEPHONE) ** 8))


def reference_of(*cause: str) -> str:
    """Return the reference number that follows from a cause: whoever comes to it again finds the same one."""
    number = int.from_bytes(hashlib.sha256("\0".join(cause).encode()).digest())
    return _read_out(number)


def spelt(number: int, length: int) -> str:
    """Spell a number in characters that can be read out on a telephone; what ``length`` does not hold is left out."""
    return "".join(TELEPHONE[number // len(TELEPHONE) ** place % len(TELEPHONE)] for place in range(length))


def _read_out(number: int) -> str:
    return spelt(number, 8)
