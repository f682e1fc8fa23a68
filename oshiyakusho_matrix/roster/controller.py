"""Keeps one person where the records say: a member is invited into the hall, anybody else is in no gated room."""

import asyncio
from collections.abc import Collection
from typing import Protocol

import structlog

from oshiyakusho_matrix.core.errors import CityHallError, Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.measures import Measures
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.homeserver.interface import Content, RoomReader, Whereabouts
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.reconcile.rooms import OUTSIDE, worst
from oshiyakusho_matrix.roster.domain import KNOCK_ENDED, HallState, ManagedRoom, Member, decide_invite
from oshiyakusho_matrix.roster.service import Roster
from oshiyakusho_matrix.roster.tables import find_member, managed_rooms, unreadable_among
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)

#: A room of the register that exists, with its id.
Made = tuple[ManagedRoom, RoomId]


class Doors(RoomReader, Whereabouts, Protocol):
    """What this controller needs of the homeserver."""

    async def invite(self, room_id: RoomId, user_id: UserId) -> str:
        """Invite somebody; return what they are then: ``join`` if they were inside."""

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        """Take somebody out; return what membership that ended. ``seen``: the one that they have, if it is known."""


class MemberController:
    """Serves ``member:@user:server``, whether or not there is a record of that user."""

    kind = "member"

    def __init__(self, *, store: Store, doors: Doors, roster: Roster, measures: Measures | None = None) -> None:
        self._store = store
        self._measures = measures or Measures()
        self._doors = doors
        self._roster = roster

    async def reconcile(self, name: str) -> Settled:
        """Let a member in, or take anybody else out."""
        user_id = UserId(name)
        async with self._store.reading() as connection:
            member = await find_member(connection, user_id)
            unknown = member is None and bool(await unreadable_among(connection, [user_id]))
            current = member is not None and member.current
            register = await managed_rooms(connection, in_roles=current)
            rooms = [(r, r.room_id) for r in register if r.gated and r.room_id is not None]
        if unknown:
            # Not known is not absent: they stay where they are until somebody has said what they are.
            raise Permanent(say("The record of this person cannot be read. `!member admit` writes it anew."))
        if member is not None and member.current:
            return Settled(said=await self._let_in(member, rooms))
        said = await self._take_out(user_id, rooms)
        if member is not None and HallState.PENDING in (member.hall, member.office):
            async with self._store.transaction() as tx:
                await self._roster.note_place(tx, member, hall=HallState.LEFT, office=HallState.LEFT)
        return Settled(said=[said])

    async def _let_in(self, member: Member, rooms: list[Made]) -> list[Text]:
        places: dict[str, HallState] = {"hall": member.hall, "office": member.office}
        said: list[Text] = []
        failures: list[CityHallError] = []
        porch = next((room_id for room, room_id in rooms if room.role == "porch"), None)
        knocked = False
        if porch is not None:
            try:
                knocked = await self._membership(porch, member.user_id) == "knock"
            except CityHallError as error:
                failures.append(error)  # an entrance that is broken keeps nobody out of the hall
        for room, room_id in rooms:
            try:
                if room.role == "hall" or (room.role == "office" and member.secretariat):
                    before = places[room.role]
                    places[room.role], text = await self._invite(member, room, room_id, before, knocked=knocked)
                    said.append(text)
                elif room.role == "office":
                    await self._remove_from((room, room_id), member.user_id)
                    places["office"] = HallState.LEFT
            except CityHallError as error:
                # As when 事務局室 takes nobody from another homeserver: that keeps nobody out of the hall.
                failures.append(error)
        async with self._store.transaction() as tx:
            await self._roster.note_place(tx, member, hall=places["hall"], office=places["office"])
        if failures:
            raise worst(failures)
        if porch is not None and knocked:
            # Only now: until the invitation is out, their knock says that it is still owed to them.
            await self._doors.kick(porch, member.user_id, KNOCK_ENDED, seen="knock")
        return said

    async def _invite(
        self, member: Member, room: ManagedRoom, room_id: RoomId, before: HallState, *, knocked: bool
    ) -> tuple[HallState, Text]:
        # Who is still to be invited is invited whatever a look would show, and the invitation tells who is inside.
        seen = None if before is HallState.PENDING else await self._membership(room_id, member.user_id)
        if knocked and room.role == "hall" and seen in (None, "leave"):
            seen = "knock"
        invite, after = decide_invite(seen, before)
        if invite and await self._doors.invite(room_id, member.user_id) == "join":
            after = HallState.JOINED
        where = say("the city hall") if room.role == "hall" else say("the secretariat's room")
        match after:
            case HallState.JOINED:
                return after, say("{user} is in {room}.", user=member.user_id, room=where)
            case HallState.INVITED:
                return after, say("{user} is invited to {room}.", user=member.user_id, room=where)
            case _:
                text = say(
                    "{user} is outside {room}: they left, or a server administrator took them out. "
                    "`!member admit {user}` invites them again.",
                    user=member.user_id,
                    room=where,
                )
                return after, text

    async def _take_out(self, user_id: UserId, rooms: list[Made]) -> Text:
        # The hall first: from then on no restricted room lets them in again.
        hall = [r for r in rooms if r[0].role == "hall"]
        outcomes = await asyncio.gather(*(self._try_to_remove(room, user_id) for room in hall))
        # Then where they surely are. All others are looked at: they may be invited there, or not everything was told.
        shared = await self._surely_in(user_id)
        others = sorted((r for r in rooms if r[0].role != "hall"), key=lambda r: r[1] not in shared)
        outcomes += await asyncio.gather(
            *(self._try_to_remove(r, user_id, seen="join" if r[1] in shared else None) for r in others)
        )
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            # One broken room never keeps somebody in the others; now say so, and try again if that may help.
            raise worst(failures)
        # Where they were until now is not said: after a crash nobody knows what the run before it had ended.
        return say("{user} is in no room of the members.", user=user_id)

    async def _surely_in(self, user_id: UserId) -> Collection[RoomId]:
        """Return the rooms that the homeserver says they have joined: one question saves a look at each."""
        try:
            return frozenset(await self._doors.rooms_shared_with(user_id))
        except (Temporary, Permanent) as error:
            logger.debug("the homeserver does not tell where somebody is", reason=error.reason)
            return frozenset()

    async def _try_to_remove(self, made: Made, user_id: UserId, *, seen: str | None = None) -> CityHallError | None:
        try:
            await self._remove_from(made, user_id, seen=seen)
        except CityHallError as error:
            return error
        return None

    async def _remove_from(self, made: Made, user_id: UserId, *, seen: str | None = None) -> None:
        room, room_id = made
        # In a hall that an earlier version made, somebody may still knock there.
        if room.role in ("hall", "porch") and (seen := await self._membership(room_id, user_id)) == "knock":
            return  # may wait there
        self._measures.took_out(await self._doors.kick(room_id, user_id, OUTSIDE, seen=seen))

    async def _membership(self, room_id: RoomId, user_id: UserId) -> str | None:
        content: Content | None = await self._doors.state_content(room_id, "m.room.member", user_id)
        return None if content is None else str(content.get("membership"))
