"""What differs between a room as it should be and as it is, and the fewest actions that close the difference.

Pure: ``plan`` compares, ``rooms.RoomKeeper`` looks and acts, ``rooms plan`` prints the same actions. Absent,
present and unknown are three answers: what could not be read is never created, and a room that the bot did not make is
never touched.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.homeserver.creation import CREATOR_POWER, creator_is_listed
from oshiyakusho_matrix.homeserver.interface import Content, StateEvent

#: Born with each managed room; says which record it belongs to, so that a lost database can be rebuilt. Version 1.
LOCATOR = "jp.oshiyakusho.locator"


@dataclass(frozen=True, slots=True)
class DesiredRoom:
    """A room as the records want it. ``children`` is None for a room that is no space.

    ``archived``: nobody writes there any more, so that its version does not matter.
    """

    alias: RoomAlias
    locator: str
    version: str
    power_levels: Content
    state: tuple[StateEvent, ...]
    creation: Content = field(default_factory=dict)
    children: Mapping[RoomId, Content] | None = None
    archived: bool = False

    def all_state(self) -> Iterator[StateEvent]:
        """Yield every event that is kept as desired, power levels and child links included."""
        yield StateEvent(LOCATOR, "", {"version": 1, "key": self.locator})
        yield StateEvent("m.room.canonical_alias", "", {"alias": self.alias})
        yield StateEvent("m.room.power_levels", "", self.power_levels)
        yield from self.state
        for child, content in (self.children or {}).items():
            yield StateEvent("m.space.child", child, content)


@dataclass(frozen=True, slots=True)
class Absent:
    """The homeserver says that there is no such room."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be read; nothing follows from that."""

    why: Value


@dataclass(frozen=True, slots=True)
class Foreign:
    """The alias leads to a room that the bot did not make for this record."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class PutOut:
    """The alias leads to the room on record, but somebody put the bot out of it."""

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class HalfMade:
    """The alias leads to a room that the bot is not in, and whose id was never recorded.

    Synapse gives the alias before the creator joins: a homeserver that dies within createRoom leaves this behind.
    """

    room_id: RoomId


@dataclass(frozen=True, slots=True)
class Present:
    """The room and its whole current state."""

    room_id: RoomId
    state: tuple[StateEvent, ...]

    def find(self, event_type: str, state_key: str = "") -> StateEvent | None:
        """Return one piece of its state."""
        return next((e for e in self.state if e.type == event_type and e.state_key == state_key), None)

    def inside(self) -> dict[UserId, StateEvent]:
        """Return the membership of all who are joined or invited. Whoever knocks waits outside: that is no trespass."""
        return {
            UserId(e.state_key): e
            for e in self.state
            if e.type == "m.room.member" and e.content.get("membership") in ("join", "invite")
        }


Observed = Absent | Unknown | Foreign | PutOut | HalfMade | Present


@dataclass(frozen=True, slots=True)
class CreateRoom:
    """Make the room, complete."""

    desired: DesiredRoom


@dataclass(frozen=True, slots=True)
class ReleaseAlias:
    """Take the alias back from a room that was never finished; the homeserver refuses if somebody else gave it."""

    alias: RoomAlias


@dataclass(frozen=True, slots=True)
class PutState:
    """Replace one piece of state. ``undone`` is the event it replaces if somebody else than the bot sent that."""

    room_id: RoomId
    event: StateEvent
    undone: StateEvent | None = None


@dataclass(frozen=True, slots=True)
class TakeOut:
    """Take out or uninvite somebody who does not belong here.

    ``undone`` is their membership, unless it was the bot that invited them.
    """

    room_id: RoomId
    user_id: UserId
    undone: StateEvent | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that only people can mend; acting on it does nothing."""

    text: Text


#: What says nothing where Synapse refuses empty content: an ACL that lets every server in, a tombstone without a room.
NOTHING: Mapping[str, Content] = {
    "m.room.server_acl": {"allow": ["*"]},
    "m.room.tombstone": {"replacement_room": ""},
}

Action = CreateRoom | ReleaseAlias | PutState | TakeOut | Conflict


def plan(
    desired: DesiredRoom, observed: Observed, *, bot: UserId, strangers: Set[UserId] = frozenset()
) -> list[Action]:
    """Compare and return what to do, in the order to do it. ``strangers`` are those inside who do not belong."""
    match observed:
        case Unknown():
            return []
        case Absent():
            return [CreateRoom(desired)]
        case HalfMade():
            return [ReleaseAlias(desired.alias), CreateRoom(desired)]
        case Foreign():
            return [foreign(desired.alias)]
        case PutOut():
            return [put_out(desired.alias)]
        case Present():
            changes = list(_state_changes(desired, observed, bot))
            # Before anybody is taken out: where all were raised to the bot's own power, it can take out nobody.
            powers = [change for change in changes if change.event.type == "m.room.power_levels"]
            return [
                *powers,
                *take_outs(observed, strangers, bot=bot),
                *(change for change in changes if change not in powers),
                *_unlinks(desired, observed, bot),
                *_additions(desired, observed, bot),
                *_immutable(desired, observed),
            ]


def foreign(alias: RoomAlias) -> Conflict:
    """Return the conflict over an alias that leads to somebody else's room."""
    return Conflict(
        say(
            "The address {alias} leads to a room that this city hall did not make. It is left alone. "
            "Remove the address from that room, then apply again.",
            alias=alias,
        )
    )


def put_out(alias: RoomAlias) -> Conflict:
    """Return the conflict over a room of ours that the bot is not in any more."""
    return Conflict(
        say(
            "I was put out of the room {alias} and cannot keep it: whoever is inside stays inside. "
            "A server administrator has to let me in again; then apply again.",
            alias=alias,
        )
    )


def _undone(event: StateEvent | None, bot: UserId) -> StateEvent | None:
    return event if event is not None and event.sender != bot else None


def take_outs(observed: Present, strangers: Set[UserId], *, bot: UserId) -> Iterator[TakeOut]:
    """Yield who has to leave."""
    for user_id, event in observed.inside().items():
        if user_id in strangers:
            yield TakeOut(observed.room_id, user_id, _undone(event, bot))


def _state_changes(desired: DesiredRoom, observed: Present, bot: UserId) -> Iterator[PutState]:
    have = {(e.type, e.state_key): e for e in observed.state}
    for event in desired.all_state():
        if event.type == "m.room.power_levels":
            event = StateEvent(event.type, "", _as_its_version_wants(event.content, observed, bot))
        current = have.get((event.type, event.state_key))
        if current is None or current.content != event.content:
            yield PutState(observed.room_id, event, _undone(current, bot))


def _as_its_version_wants(levels: Content, observed: Present, bot: UserId) -> Content:
    """List the bot in the power levels or not, by the version that the room has, not by the one that is wanted.

    Left out of the list where the version wants it there, it would have lost the room for good.
    """
    users = levels.get("users", {})
    if creator_is_listed(_version_of(observed)) == (bot in users):
        return levels
    others = {user: power for user, power in users.items() if user != bot}
    return {**levels, "users": others if bot in users else {**others, bot: CREATOR_POWER}}


def _additions(desired: DesiredRoom, observed: Present, bot: UserId) -> Iterator[Action]:
    """Empty what others added and nobody wants, as a tombstone or a picture. Encryption cannot be undone: say so."""
    wanted = {event.type for event in desired.all_state()} | {"m.space.child", "m.room.member", "m.room.create"}
    free = {kind for kind, power in desired.power_levels.get("events", {}).items() if power < CREATOR_POWER}
    for event in observed.state:
        if event.type in wanted | free or not event.content:
            continue
        if event.type == "m.room.encryption":
            # Whoever acts with the bot's token is an administrator, too. Where nobody writes, it does no harm.
            if not desired.archived:
                yield Conflict(
                    say(
                        "Somebody turned on encryption in {alias}. That cannot be undone in Matrix, and I cannot read "
                        "what is written there any more: the room has to be replaced.",
                        alias=desired.alias,
                    )
                )
        elif event.sender != bot:
            nothing = NOTHING.get(event.type, {})
            yield PutState(observed.room_id, StateEvent(event.type, event.state_key, nothing), _undone(event, bot))


def _version_of(observed: Present) -> str:
    create = observed.find("m.room.create")
    return str(create.content.get("room_version", "1")) if create else "1"


def _unlinks(desired: DesiredRoom, observed: Present, bot: UserId) -> Iterator[Action]:
    if desired.children is None:
        return
    for event in observed.state:
        if event.type == "m.space.child" and event.content.get("via") and event.state_key not in desired.children:
            gone = StateEvent("m.space.child", event.state_key, {})
            yield PutState(observed.room_id, gone, _undone(event, bot))


def _immutable(desired: DesiredRoom, observed: Present) -> Iterator[Action]:
    create = observed.find("m.room.create")
    have = dict(create.content) if create else {}
    same_version = desired.archived or _version_of(observed) == desired.version
    same_federate = have.get("m.federate", True) == desired.creation.get("m.federate", True)
    if not (same_version and same_federate):
        yield Conflict(
            say(
                "{alias} was made with room version {have}; {want} is wanted. A room keeps its version and its "
                "federation setting for life: that change needs a new room, and nothing was done.",
                alias=desired.alias,
                have=str(have.get("room_version", "1")),
                want=desired.version,
            )
        )


def drifted(actions: Sequence[Action]) -> list[StateEvent]:
    """Return the events of others that these actions undo."""
    return [a.undone for a in actions if isinstance(a, PutState | TakeOut) and a.undone is not None]
