"""The people of the demo: plainly invented, with accounts whose passwords are drawn once and kept in a private file."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import UserId, new_reference
from oshiyakusho_matrix.core.text import say

SERVER_NAME = "localhost"


class Part(Enum):
    """What somebody is in the city hall; the value is how it is called."""

    SECRETARY = say("Secretariat")
    HEAD = say("Head of a division")
    MEMBER = say("Member")
    STRANGER = say("Visitor, not admitted yet")


@dataclass(frozen=True, slots=True)
class Player:
    """One person. ``name`` is what others see of them."""

    localpart: str
    name: str
    part: Part

    @property
    def user_id(self) -> UserId:
        """Return the full id."""
        return UserId(f"@{self.localpart}:{SERVER_NAME}")


SECRETARY = Player("jimukyoku", "事務局 まこと", Part.SECRETARY)
HEAD = Player("kacho", "課長 みのる", Part.HEAD)
HANAKO = Player("hanako", "見本 はなこ", Part.MEMBER)
TARO = Player("taro", "見本 たろう", Part.MEMBER)
SAKURA = Player("sakura", "見本 さくら", Part.MEMBER)
STRANGER = Player("hajime", "来客 はじめ", Part.STRANGER)
PLAYERS = (SECRETARY, HEAD, HANAKO, TARO, SAKURA, STRANGER)
#: Has an account so that a member can try to bring them in; nobody logs in as them.
PASSER_BY = Player("tsukonin", "通行人 ゆき", Part.STRANGER)

Passwords = Mapping[Player, str]


def passwords_kept_in(path: Path) -> Passwords:
    """Read the passwords; the first time they are drawn and written (mode 0600 from the first byte on)."""
    everybody = (*PLAYERS, PASSER_BY)
    if not path.exists():
        # Two references are 78 random bits, and can be typed off a screen.
        drawn = {p.user_id: f"{new_reference()}-{new_reference()}" for p in everybody}
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(drawn, file, indent=2)
        draft.replace(path)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {p: str(kept[p.user_id]) for p in everybody}
    except (ValueError, KeyError, TypeError):
        raise Misconfigured(
            f"{path} does not hold the passwords of the demo any more: start over with --fresh."
        ) from None
