"""Members and what is to be done about their place in the hall. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from oshiyakusho_matrix.core.ids import RoomId, UserId

#: What clients show to whoever knocked, once that has ended. The same to all: others who knocked there may read it.
KNOCK_ENDED: Final = "招待、または申請の状況のページをご覧ください。 / Please see your invitations, or the status page."


class Standing(StrEnum):
    """Whether somebody is a member, by the records."""

    ADMITTED = "admitted"
    REMOVED = "removed"


class HallState(StrEnum):
    """Where a member stands in a room they are wanted in, as last seen.

    ``PENDING``: what the record says is still to be done: to invite a member, or to take out whoever was removed.
    ``LEFT`` of a member means that they went, or a server administrator took them out: they are invited
    again when they are admitted again or knock.
    """

    PENDING = "pending"
    INVITED = "invited"
    JOINED = "joined"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Member:
    """One person's record. ``secretariat`` makes them part of 事務局."""

    user_id: UserId
    standing: Standing
    secretariat: bool
    hall: HallState
    office: HallState
    changed_at: datetime
    changed_by: UserId

    @property
    def current(self) -> bool:
        """Return whether the gate is open to them."""
        return self.standing is Standing.ADMITTED


@dataclass(frozen=True, slots=True)
class ManagedRoom:
    """A room that the bot made or will make. ``alias_localpart`` names it for good; ``audience`` as in the kind.

    ``role`` is ``hall`` for the root space, ``office`` for 事務局室, ``porch`` for 玄関, where people knock, and empty
    for all others.
    """

    alias_localpart: str
    owner: str
    key: str
    audience: str
    role: str = ""
    room_id: RoomId | None = None

    @property
    def has_places(self) -> bool:
        """Return whether members are invited into it one by one: the hall and 事務局室."""
        return self.role in ("hall", "office")

    @property
    def gated(self) -> bool:
        """Return whether only members, only the secretariat, or nobody may be inside."""
        return self.audience != "anyone"

    def admits(self, somebody: Member | None) -> bool:
        """Return whether somebody, by their record, may be inside."""
        if not self.gated:
            return True
        if somebody is None or not somebody.current or self.audience == "nobody":
            return False
        return self.audience != "secretariat" or somebody.secretariat


def decide_invite(seen: str | None, before: HallState) -> tuple[bool, HallState]:
    """Decide whether to invite a current member into a room, and where they then stand.

    ``seen`` is their membership there (None for none), ``knock`` also if they wait in the porch. A knock is always
    answered; somebody who left is left in peace.
    """
    match seen:
        case "join":
            return False, HallState.JOINED
        case "invite":
            return False, HallState.INVITED
        case "knock":
            return True, HallState.INVITED
        case _ if before is HallState.PENDING:
            return True, HallState.INVITED
        case _:
            return False, HallState.LEFT
