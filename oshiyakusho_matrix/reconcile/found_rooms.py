"""What the homeserver knows of the bot's rooms without any records: read when the database is lost.

``find_rooms`` reads every room that the bot is in, once; ``operations.rebuild`` hands what it finds to the three
``recollection`` modules, which write it down as records. ``knows_a_hall`` tells whether there is anything to find.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.homeserver.creation import CREATOR_POWER
from oshiyakusho_matrix.homeserver.interface import Forbidden, RoomLister, RoomReader
from oshiyakusho_matrix.reconcile.room_plan import LOCATOR, Present

#: What the locator of a space or of a room in one begins with.
SPACE: Final = "space:"
#: So many rooms are read at once; the homeserver's client asks for fewer at a time than that.
_AT_ONCE: Final = 32


class Eyes(RoomReader, RoomLister, Protocol):
    """What looking takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRoom:
    """A room that the bot is in. ``key`` is what its locator says, empty if it has none that the bot set.

    ``memberships`` is empty for rooms whose people were not asked for. ``powers`` is who is listed in the power levels,
    ``archived`` whether nothing may be sent there, not even a reaction. ``children`` are those that a space links.
    """

    room_id: RoomId
    key: str
    by_bot: bool
    alias: str
    name: str
    topic: str
    archived: bool
    encrypted: bool
    powers: Mapping[UserId, int]
    children: frozenset[RoomId]
    memberships: Mapping[UserId, str]

    def people(self, *memberships: str) -> list[UserId]:
        """Return who has one of these memberships, sorted."""
        return sorted(user_id for user_id, membership in self.memberships.items() if membership in memberships)


async def knows_a_hall(eyes: Eyes) -> bool:
    """Tell whether the bot is in any room that was made for a city hall."""
    for room_id in await eyes.joined_rooms():
        with suppress(Forbidden):
            locator = await eyes.state_content(room_id, LOCATOR)
            if locator is not None and str(locator.get("key")).startswith(SPACE):
                return True
    return False


async def find_rooms(eyes: Eyes, bot: UserId, *, people_of: Collection[str]) -> Sequence[FoundRoom]:
    """Read every room that the bot is in; people only where ``people_of`` holds the key, and in rooms without one.

    Of several rooms with one key the one counts to which the address leads; the others lose theirs. Any failure to
    read is raised, because what is missing would be taken for absent.
    """
    ids = sorted(await eyes.joined_rooms())
    found: list[FoundRoom] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        read = await asyncio.gather(*(_read(eyes, room_id, bot, people_of) for room_id in some))
        found += [room for room in read if room is not None]
    return found


async def _read(eyes: Eyes, room_id: RoomId, bot: UserId, people_of: Collection[str]) -> FoundRoom | None:
    try:
        room = Present(room_id, tuple(await eyes.room_state(room_id)))
    except Forbidden:
        return None  # it was put out since the list was made
    create, locator = room.find("m.room.create"), room.find(LOCATOR)
    by_bot = create is not None and create.sender == bot
    alias = _text(room, "m.room.canonical_alias", "alias")
    key = str(locator.content.get("key", "")) if by_bot and locator is not None and locator.sender == bot else ""
    if key and alias and await eyes.resolve_alias(RoomAlias(alias)) not in (None, room_id):
        key = ""
    levels = room.find("m.room.power_levels")
    powers = levels.content if levels is not None else {}
    events = powers.get("events", {})
    members = [e for e in room.state if e.type == "m.room.member"] if not key or key in people_of else []
    return FoundRoom(
        room_id=room_id,
        key=key,
        by_bot=by_bot,
        alias=alias,
        name=_text(room, "m.room.name", "name"),
        topic=_text(room, "m.room.topic", "topic"),
        archived=bool(events) and all(power == CREATOR_POWER for power in events.values()),
        encrypted=room.find("m.room.encryption") is not None,
        powers={UserId(user): power for user, power in powers.get("users", {}).items() if user != bot},
        children=frozenset(
            RoomId(e.state_key) for e in room.state if e.type == "m.space.child" and e.content.get("via")
        ),
        memberships={UserId(e.state_key): str(e.content.get("membership")) for e in members if e.state_key != bot},
    )


def _text(room: Present, event_type: str, field: str) -> str:
    event = room.find(event_type)
    value = event.content.get(field) if event is not None else None
    return value if isinstance(value, str) else ""
