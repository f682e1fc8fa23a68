"""One room: what the records want of it beside what the homeserver has, and the actions that close the difference.

``controller`` carries them out, ``planner`` shows them, so both come here. What cannot be read is not known, and not
known is not absent: such people stay where they are, and such spaces stay linked.
"""

from collections.abc import Sequence

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.desired import NotYet
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import unreadable_spaces
from oshiyakusho_matrix.homeserver.interface import StateEvent
from oshiyakusho_matrix.reconcile.room_plan import (
    Absent,
    Action,
    DesiredRoom,
    Observed,
    Present,
    PutState,
    plan,
    take_outs,
)
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper
from oshiyakusho_matrix.roster.domain import ManagedRoom
from oshiyakusho_matrix.roster.tables import admitted_among, rooms_by_id, unreadable_among
from oshiyakusho_matrix.store.unit_of_work import Store


def desire(picture: Picture, localpart: str) -> DesiredRoom | None:
    """Return a room as it should be; None if there is nothing to keep, or it has to wait for the hall."""
    found = picture.find(localpart)
    if found is None:
        return None
    try:
        return picture.desired(*found)
    except NotYet:
        # Whoever makes what it waits for asks for this key again.
        return None


async def observe(keeper: RoomKeeper, desired: DesiredRoom | None, row: ManagedRoom) -> Observed:
    """Look at a room, wanted or not."""
    if desired is not None:
        return await keeper.observe(desired, row.room_id)
    return Absent() if row.room_id is None else await keeper.look(row.room_id)


async def compare(
    store: Store, desired: DesiredRoom | None, row: ManagedRoom, observed: Observed, *, bot: UserId
) -> Sequence[Action]:
    """Return what is to be done about a room; one that no kind wants any more only stays behind the gate."""
    strangers = await find_strangers(store, row, observed, bot=bot)
    if desired is not None:
        return await _leave_unknown(store, plan(desired, observed, bot=bot, strangers=strangers))
    return list(take_outs(observed, strangers, bot=bot)) if isinstance(observed, Present) else []


async def find_strangers(store: Store, row: ManagedRoom, observed: Observed, *, bot: UserId) -> set[UserId]:
    """Return those inside a gated room who do not belong there, by the records as they are now."""
    if not isinstance(observed, Present) or not row.gated:
        return set()
    inside = set(observed.inside()) - {bot}
    if row.audience == "nobody":
        return inside
    async with store.reading() as connection:
        # By the rule of ``ManagedRoom.admits``, but by ids alone: everybody is in the hall.
        strangers = inside - await admitted_among(connection, inside, secretariat=row.audience == "secretariat")
        # Not known is not absent: whoever's record cannot be read is left where they are.
        return strangers - await unreadable_among(connection, strangers) if strangers else strangers


async def _leave_unknown(store: Store, actions: Sequence[Action]) -> Sequence[Action]:
    """Return a plan without what would unlink a space that cannot be read. Looks only where something is unlinked."""
    unlinked = {room_id for action in actions if (room_id := _unlinks(action)) is not None}
    if not unlinked:
        return actions
    async with store.reading() as connection:
        owners = {r.room_id: r.owner.removeprefix("space:") for r in await rooms_by_id(connection, unlinked)}
        unknown = await unreadable_spaces(connection, sorted(set(owners.values())))
    return [a for a in actions if (room_id := _unlinks(a)) is None or owners.get(room_id) not in unknown]


def _unlinks(action: Action) -> RoomId | None:
    """Return which room an action takes out of a space."""
    match action:
        case PutState(_, StateEvent("m.space.child", room_id, content)) if not content:
            return RoomId(room_id)
    return None
