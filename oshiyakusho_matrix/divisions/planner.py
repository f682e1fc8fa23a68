"""``rooms plan``: what applying the files would change, on record and on the homeserver, without changing anything.

Called by the command line and by ``!rooms plan``; uses the same merge and the same comparison as ``rooms apply``.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import Value
from oshiyakusho_matrix.divisions.comparison import compare, desire, observe
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.divisions.merge import Merged, merge
from oshiyakusho_matrix.divisions.picture import Picture, take_picture
from oshiyakusho_matrix.divisions.tables import Mandate, title
from oshiyakusho_matrix.reconcile.room_plan import Action, Unknown
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper
from oshiyakusho_matrix.roster.tables import find_member
from oshiyakusho_matrix.store.unit_of_work import Store

#: Begins what stands for the id of a space that is still to be made, so that what depends on it can be planned.
UNMADE = "!unmade:"
#: Rooms in hand at once: a homeserver gains nothing beyond 8 reads, and what was read of each room is held meanwhile.
AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What would happen to one room. ``unknown`` says why it could not be read; then nothing is planned."""

    alias_localpart: str
    title: str
    actions: Sequence[Action]
    unknown: Value | None = None


@dataclass(frozen=True, slots=True)
class HallPlan:
    """What would change. ``rooms`` holds only those with something to say.

    ``no_members`` are named as heads and cannot become it: applying refuses them.
    """

    merged: Merged
    rooms: Sequence[RoomPlan]
    no_members: Sequence[UserId] = ()

    @property
    def empty(self) -> bool:
        """Return whether files, records and homeserver agree."""
        return not (self.merged.changes or self.merged.heads or self.merged.kinds_changed or self.rooms)

    @property
    def unknown(self) -> Sequence[RoomPlan]:
        """Return the rooms that could not be read."""
        return [room for room in self.rooms if room.unknown is not None]


class Planner:
    """Computes plans. ``secretariat`` are those whom a start or an apply admits, if they have no record yet."""

    def __init__(
        self, *, store: Store, keeper: RoomKeeper, server_name: str, secretariat: Collection[UserId] = ()
    ) -> None:
        self._secretariat = secretariat
        self._store = store
        self._keeper = keeper
        self._server_name = server_name

    async def plan(self, declaration: Declaration) -> HallPlan:
        """Compare files, records and homeserver; one read a room."""
        async with self._store.reading() as connection:
            picture = await take_picture(connection, server_name=self._server_name, bot=self._keeper.bot)
            merged = merge(declaration, picture.kinds, picture.records)
            no_members = [user for user in _appointed(merged) if not await self._will_be_member(connection, user)]
        after = _as_if_applied(picture, merged)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(localpart: str) -> RoomPlan:
            async with turns:
                return await self._plan_room(after, localpart)

        plans = await asyncio.gather(*(one(localpart) for localpart in after.rooms))
        return HallPlan(merged, [p for p in plans if p.actions or p.unknown], no_members)

    async def _will_be_member(self, connection: AsyncConnection, user_id: UserId) -> bool:
        member = await find_member(connection, user_id)
        return user_id in self._secretariat if member is None else member.current

    async def _plan_room(self, picture: Picture, localpart: str) -> RoomPlan:
        row, found, desired = picture.rooms[localpart], picture.find(localpart), desire(picture, localpart)
        if row.room_id is not None and row.room_id.startswith(UNMADE):
            row = replace(row, room_id=None)
        name = title(*found) if found is not None else localpart
        observed = await observe(self._keeper, desired, row)
        if isinstance(observed, Unknown):
            return RoomPlan(localpart, name, (), observed.why)
        return RoomPlan(localpart, name, await compare(self._store, desired, row, observed, bot=self._keeper.bot))


def _appointed(merged: Merged) -> Sequence[UserId]:
    return list(dict.fromkeys(UserId(change.user_id) for change in merged.heads if change.appointed))


def _as_if_applied(picture: Picture, merged: Merged) -> Picture:
    """Return the records as they would be, with spaces that are still to be made standing in by a mark."""
    after = replace(picture, kinds=merged.kinds, records=merged.records, mandates=_mandates(picture, merged))
    rooms = dict(picture.rooms)
    for slug in after.records:
        for wanted in after.register_of(slug):
            before = picture.rooms.get(wanted.alias_localpart)
            room_id = before.room_id if before else None
            if room_id is None and not wanted.key:
                room_id = RoomId(UNMADE + wanted.alias_localpart)
            rooms[wanted.alias_localpart] = replace(wanted, room_id=room_id)
    return replace(after, rooms=rooms)


def _mandates(picture: Picture, merged: Merged) -> dict[str, list[Mandate]]:
    held = {slug: list(mandates) for slug, mandates in picture.mandates.items()}
    for change in merged.heads:
        user_id = UserId(change.user_id)
        others = [m for m in held.get(change.slug, []) if m.user_id != user_id]
        new = [Mandate(change.slug, user_id, "head", now(), None)] if change.appointed else []
        held[change.slug] = others + new
    return held
