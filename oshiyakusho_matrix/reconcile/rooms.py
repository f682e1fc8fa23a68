"""Looks at one room and carries out a plan on it. Used by every controller that keeps a room, and by ``rooms plan``."""

from collections.abc import Iterable
from typing import Protocol

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.interface import Forbidden, NewRoom, RoomReader, RoomWriter, StateEvent
from oshiyakusho_matrix.reconcile.room_plan import (
    LOCATOR,
    Absent,
    Action,
    Conflict,
    CreateRoom,
    DesiredRoom,
    Foreign,
    Observed,
    Present,
    PutState,
    TakeOut,
    Unknown,
)


#: Shown by the client of whoever is taken out.
OUTSIDE = "登録がないため入れません / not registered"


class Rooms(RoomReader, RoomWriter, Protocol):
    """What keeping a room needs of the homeserver."""


class RoomKeeper:
    """Observes rooms and makes them agree with what is desired."""

    def __init__(self, rooms: Rooms, bot: UserId) -> None:
        self._rooms = rooms
        self.bot = bot

    async def observe(self, desired: DesiredRoom, known: RoomId | None) -> Observed:
        """Look at the room: one read if its id is on record, two if it has to be found by its alias."""
        try:
            if known is not None:
                try:
                    return Present(known, tuple(await self._rooms.room_state(known)))
                except Forbidden:
                    # The bot is not in it (any more), or an administrator deleted it: the alias decides.
                    pass
            room_id = await self._rooms.resolve_alias(desired.alias)
            if room_id is None:
                return Absent()
            return await self._recognise(desired, room_id)
        except Temporary as error:
            return Unknown(error.reason)

    async def _recognise(self, desired: DesiredRoom, room_id: RoomId) -> Observed:
        """Tell a room of ours, found by its alias, from somebody else's."""
        try:
            found = Present(room_id, tuple(await self._rooms.room_state(room_id)))
        except Forbidden:
            return Foreign(room_id)
        create, locator = found.find("m.room.create"), found.find(LOCATOR)
        ours = create is not None and create.sender == self.bot
        # A crash of the homeserver within createRoom can leave a room of ours without its label: that one is completed.
        labelled = locator is None or locator.content.get("key") == desired.locator
        return found if ours and labelled else Foreign(room_id)

    async def act(self, actions: Iterable[Action]) -> RoomId | None:
        """Carry out a plan; return the id of the room if one was made. Raises what the homeserver raises."""
        made: RoomId | None = None
        for action in actions:
            match action:
                case CreateRoom(desired):
                    made = await self._rooms.create_room(new_room(desired))
                case PutState(room_id, event):
                    await self._rooms.send_state(room_id, event.type, event.state_key, event.content)
                case TakeOut(room_id, user_id):
                    await self._rooms.kick(
                        room_id, user_id, OUTSIDE
                    )
                case Conflict():
                    pass
        return made


def new_room(desired: DesiredRoom) -> NewRoom:
    """Write a desired room as one creation, so that it is never seen half made."""
    # createRoom sets these two itself, from the alias and from the power levels.
    own = ("m.room.canonical_alias", "m.room.power_levels")
    initial: list[StateEvent] = [e for e in desired.all_state() if e.type not in own]
    return NewRoom(
        version=desired.version,
        alias_localpart=desired.alias[1:].partition(":")[0],
        creation=desired.creation,
        power_levels=desired.power_levels,
        state=initial,
    )
