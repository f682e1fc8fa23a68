"""What the house asks of a homeserver, in small roles: take the least that you need.

Every method raises ``Temporary`` (ask again later: timeouts, 429 with its delay, 5xx, connection errors),
``Forbidden`` (403: the room says no) or ``Permanent`` (any other 4xx: asking again the same way is
useless). Absence is a value (``None``), never an error and never a guess: only M_NOT_FOUND means absent.
Source: Matrix client-server API v1.16, https://spec.matrix.org/v1.16/client-server-api/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId

#: Content of an event: JSON as Python values.
Content = Mapping[str, Any]


class Forbidden(Permanent):
    """The homeserver understood and refused (403): power, membership, a server ACL or an invite block."""


class AliasTaken(Permanent):
    """The address of a room to be made leads to another one already (M_ROOM_IN_USE)."""


class NotDone(Temporary):
    """Surely nothing was done: no connection came about, or the homeserver did not know who was asking."""


@dataclass(frozen=True, slots=True)
class StateEvent:
    """One piece of room state. ``sender`` and ``event_id`` are empty in state that is still to be sent."""

    type: str
    state_key: str
    content: Content
    sender: UserId = UserId("")
    event_id: EventId = EventId("")


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to create, complete at birth. ``alias_localpart`` is reserved with it, ``state`` is its ``initial_state``.

    ``creation`` is ``creation_content`` (``type``, ``m.federate``). ``power_levels`` is the whole content of
    ``m.room.power_levels`` (it replaces the homeserver's own, but for the creator, who stands in ``users`` before
    version 12 and never from then on). Without a join rule it is by invite.
    """

    version: str
    alias_localpart: str | None = None
    creation: Content = field(default_factory=dict)
    power_levels: Content | None = None
    state: Sequence[StateEvent] = ()


class RoomReader(Protocol):
    """Looks; changes nothing."""

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        """Return the room behind an alias, or None if the homeserver says there is none."""

    async def room_state(self, room_id: RoomId) -> list[StateEvent]:
        """Return the whole current state of a room the bot is in, in one request. ``Forbidden`` if it is not in it."""

    async def state_content(self, room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        """Return one piece of state, or None where the room has none such."""


class RoomLister(Protocol):
    """Tells where the bot is; changes nothing."""

    async def joined_rooms(self) -> Sequence[RoomId]:
        """Return every room that the bot is in, in any order."""


class Whereabouts(Protocol):
    """Tells where somebody is; changes nothing."""

    async def rooms_shared_with(self, user_id: UserId) -> Sequence[RoomId]:
        """Return the rooms that somebody and the bot have both joined, in any order.

        Not every homeserver can tell: any error may mean that, so nothing may depend on an answer.
        """


class AccountReader(Protocol):
    """Looks at the accounts of this homeserver; changes nothing."""

    async def has_account(self, user_id: UserId) -> bool:
        """Tell whether somebody of this homeserver has an account, display name or not. An error: it is not known."""


class SignUp(StrEnum):
    """Who can make an account on the homeserver by themselves, as far as can be seen from outside."""

    INVITED = "invited"
    ANYBODY = "anybody"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


class AccountProvider(Protocol):
    """Lets people make accounts on this homeserver, by registration tokens that we choose.

    A token is 1 to 64 characters of ``A-Za-z0-9._~-`` (client-server API, "Token-authenticated registration"). It is a
    secret until it is used: no error repeats it.
    """

    @property
    def where(self) -> str:
        """Where people make the account: a web address, or the name of the homeserver to choose in a client."""

    async def offer(self, token: str, expires_at: datetime) -> None:
        """Make a token good for one account until then. One that is there already is left as it is."""

    async def taken(self, token: str) -> bool | None:
        """Tell whether an account was made with a token; None if the homeserver knows no such token."""

    async def withdraw(self, token: str) -> None:
        """Make a token good for nothing; fine if it is gone, or was used."""

    async def examine(self) -> SignUp:
        """See whether we may make tokens (raises if not), and who can make accounts. Changes nothing."""


class RoomWriter(Protocol):
    """Changes rooms, as the bot."""

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a room. ``AliasTaken`` if its address leads to another one."""

    async def send_state(self, room_id: RoomId, event_type: str, state_key: str, content: Content) -> EventId:
        """Replace one piece of state by the whole of ``content``."""

    async def release_alias(self, alias: RoomAlias) -> None:
        """Take an alias back that the bot gave; fine if it is gone. ``Forbidden`` if somebody else gave it."""

    async def invite(self, room_id: RoomId, user_id: UserId, *, direct: bool = False) -> str:
        """Invite; silently fine when the user is invited or joined already. Return which: ``invite`` or ``join``.

        ``direct`` says that it is a chat for two, so that their client shows it among the people.
        """

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        """Take a user out, withdraw an invite or refuse a knock; silently fine when the user is not there.

        Looks first, unless ``seen`` is the membership that the user was just seen to have.
        Return the membership that this ended, as last seen: ``join``, ``invite`` or ``knock``; None if there was none.
        """

    async def join(self, room_id: RoomId) -> None:
        """Join as the bot, on an invite."""

    async def leave(self, room_id: RoomId) -> None:
        """Leave, or decline an invite, as the bot."""


class Messenger(Protocol):
    """Sends what the outbox holds."""

    async def send_event(
        self, room_id: RoomId, event_type: str, content: Content, *, transaction_id: str, sender: UserId | None = None
    ) -> EventId:
        """Send once per ``transaction_id``, ever: a repeat returns the first event id (from the sender's fixed device).

        ``sender`` is a ghost of ours; None is the bot. A redaction names its event as ``redacts`` in the content.
        """


class Operations(Protocol):
    """What starting, health and ``doctor`` ask."""

    async def versions(self) -> Sequence[str]:
        """Return the versions of the specification that the homeserver speaks; needs no token."""

    async def whoami(self) -> UserId:
        """Return whom the homeserver takes our token for. ``Permanent`` if it takes it for nobody."""

    async def ensure_bot(self, display_name: str) -> None:
        """Register the bot's account and its fixed device if they are missing, and set its display name."""

    async def ping(self, appservice_id: str, transaction_id: str) -> int:
        """Have the homeserver call us back; milliseconds taken. Also makes it deliver its backlog at once (MSC2659)."""


class Watched(Protocol):
    """Tells how it goes, for whoever watches."""

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """How many calls were refused or got no answer since the start, by call and HTTP status, or by what happened.

        That something is not there is no failure.
        """


class DoctorHomeserver(Protocol):
    """What only ``doctor`` asks. Changes nothing."""

    async def server_time(self) -> datetime | None:
        """Return the homeserver's clock, to the second; None if its answers carry no date."""

    async def room_versions(self) -> frozenset[str]:
        """Return the room versions that the homeserver can make rooms of."""

    async def is_rate_limited(self) -> bool:
        """Tell whether our token is held back, by a burst of harmless reads. False: not as far as could be seen."""


class Homeserver(
    RoomReader, RoomLister, Whereabouts, AccountReader, RoomWriter, Messenger, Operations, Watched, Protocol
):
    """Everything; only ``app.py`` and test doubles say this much."""
