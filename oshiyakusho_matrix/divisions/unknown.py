"""Spaces whose records cannot be read: what they should be is not known, and not known is not absent.

Their own rooms are left as they are, behind the gate; here the rooms that link them are kept from dropping the links.
"""

from collections.abc import Sequence

from oshiyakusho_matrix.core.ids import RoomId
from oshiyakusho_matrix.divisions.tables import unreadable_spaces
from oshiyakusho_matrix.homeserver.interface import StateEvent
from oshiyakusho_matrix.reconcile.room_plan import Action, PutState
from oshiyakusho_matrix.roster.tables import rooms_by_id
from oshiyakusho_matrix.store.unit_of_work import Store


async def leave_unknown(store: Store, actions: Sequence[Action]) -> Sequence[Action]:
    """Return a plan without what would unlink such a space. Looks only where something is unlinked at all."""
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
