"""Looks at one room and carries out a plan on it. Used by every controller that keeps a room, and by ``rooms plan``."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import CityHallError, Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.measures import Measures
from oshiyakusho_matrix.homeserver.interface import AliasTaken, Forbidden, NewRoom, RoomReader, RoomWriter, StateEvent
from oshiyakusho_matrix.reconcile.room_plan import (
    LOCATOR,
    Absent,
    Action,
    Conflict,
    CreateRoom,
    DesiredRoom,
    Foreign,
    HalfMade,
    Observed,
    Present,
    PutOut,
    PutState,
    ReleaseAlias,
    TakeOut,
    Unknown,
    foreign,
    plan,
)

#: How long a room that the bot is not in yet may still be in the making: a createRoom whose answer got lost.
MAKING = timedelta(minutes=1)
#: Shown by the client of whoever is taken out.
OUTSIDE = "登録がないため入れません / not registered"


class Rooms(RoomReader, RoomWriter, Protocol):
    """What keeping a room needs of the homeserver."""


class RoomKeeper:
    """Observes rooms and makes them agree with what is desired."""

    def __init__(
        self,
        rooms: Rooms,
        bot: UserId,
        *,
        making: timedelta = MAKING,
        now: Callable[[], datetime] = clock_now,
        measures: Measures | None = None,
    ) -> None:
        self._rooms = rooms
        self._measures = measures or Measures()
        self._making = making
        self._now = now
        self._seen_half_made: dict[RoomAlias, datetime] = {}
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
            if room_id == known:
                return PutOut(room_id)
            return await self._recognise(desired, room_id, recorded=known is not None)
        except Temporary as error:
            return Unknown(error.why)

    async def look(self, room_id: RoomId) -> Observed:
        """Look at a room by its id alone, as at one that is wanted no more: ``Absent`` if the bot is not in it."""
        try:
            return Present(room_id, tuple(await self._rooms.room_state(room_id)))
        except Forbidden:
            return Absent()
        except Temporary as error:
            return Unknown(error.why)

    async def come_back(self, out: PutOut) -> Observed:
        """Go into a room that the bot was put out of, if somebody has let it in again; else it stays put out."""
        try:
            await self._rooms.join(out.room_id)
            return Present(out.room_id, tuple(await self._rooms.room_state(out.room_id)))
        except Forbidden:
            return out
        except Temporary as error:
            return Unknown(error.why)

    async def _recognise(self, desired: DesiredRoom, room_id: RoomId, *, recorded: bool) -> Observed:
        """Tell a room of ours, found by its alias, from somebody else's, and from one that was never finished."""
        try:
            found = Present(room_id, tuple(await self._rooms.room_state(room_id)))
        except Forbidden:
            return Foreign(room_id) if recorded else self._half_made(desired.alias, room_id)
        self._seen_half_made.pop(desired.alias, None)
        create, locator = found.find("m.room.create"), found.find(LOCATOR)
        ours = create is not None and create.sender == self.bot
        # A crash of the homeserver within createRoom can leave a room of ours without its label: that one is completed.
        labelled = locator is None or locator.content.get("key") == desired.locator
        return found if ours and labelled else Foreign(room_id)

    def _half_made(self, alias: RoomAlias, room_id: RoomId) -> Observed:
        """Wait before giving a room up: made twice would be worse than late."""
        since = self._seen_half_made.setdefault(alias, self._now())
        if self._now() - since < self._making:
            return Unknown(f"the room at {alias} may still be in the making")
        return HalfMade(room_id)

    async def ensure(self, desired: DesiredRoom, known: RoomId | None) -> RoomId:
        """Make a room that stands by itself, or put it right; return its id. ``Permanent`` if it cannot be ours."""
        observed = await self.observe(desired, known)
        if isinstance(observed, PutOut):
            observed = await self.come_back(observed)
        if isinstance(observed, Unknown):
            raise Temporary(observed.why)
        actions = plan(desired, observed, bot=self.bot)
        conflicts = [action.text for action in actions if isinstance(action, Conflict)]
        if conflicts:
            raise Permanent(conflicts[0])
        made = await self.act(actions)
        room_id = made or (observed.room_id if isinstance(observed, Present) else None)
        if room_id is None:
            raise Temporary(f"the room at {desired.alias} was neither found nor made")
        return room_id

    async def act(self, actions: Iterable[Action]) -> RoomId | None:
        """Carry out a plan; return the id of the room if one was made.

        What mends a room does not hang together, so one part that fails keeps no other from being done; then the
        failure that may pass by itself is raised, else the first.
        """
        made: RoomId | None = None
        failures: list[CityHallError] = []
        for action in actions:
            match action:
                case ReleaseAlias(alias):
                    await self._release(alias)
                case CreateRoom(desired):
                    made = await self._create(desired)
                case _:
                    try:
                        await self._mend(action)
                    except CityHallError as error:
                        failures.append(error)
        if failures:
            raise worst(failures)
        return made

    async def _mend(self, action: Action) -> None:
        match action:
            case PutState(room_id, event):
                await self._rooms.send_state(room_id, event.type, event.state_key, event.content)
            case TakeOut(room_id, user_id):
                self._measures.took_out(await self._rooms.kick(room_id, user_id, OUTSIDE))

    async def _create(self, desired: DesiredRoom) -> RoomId:
        try:
            return await self._rooms.create_room(new_room(desired))
        except AliasTaken:
            # A createRoom whose answer got lost may have come to its end since we looked: look again, it may be ours.
            raise Temporary(f"the address {desired.alias} was given since it was looked at") from None

    async def _release(self, alias: RoomAlias) -> None:
        try:
            await self._rooms.release_alias(alias)
        except Forbidden:
            raise Permanent(foreign(alias).text) from None
        self._seen_half_made.pop(alias, None)


def worst(failures: Sequence[CityHallError]) -> CityHallError:
    """Prefer what may get better by itself: the whole key is then tried again."""
    return next((f for f in failures if isinstance(f, Temporary)), failures[0])


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
