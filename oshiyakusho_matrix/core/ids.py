"""Identifiers of Matrix and of the city hall, and how they are read from what people type.

Grammar: Matrix specification, Appendices, "Identifier grammar". A room id of room version 12 carries no
domain, so nothing here ever takes a room id apart.
"""

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
    return "".join(secrets.choice("23456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(8))
