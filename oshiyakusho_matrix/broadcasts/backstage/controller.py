"""Keeps the backstage of one talk: the room, who is in it, and when it closes.

Serves ``backstage:12``. ``TalkController`` asks for it whenever the clock or somebody did something to the talk.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlalchemy import update

from oshiyakusho_matrix.broadcasts.backstage import words
from oshiyakusho_matrix.broadcasts.backstage.checkin import check_in
from oshiyakusho_matrix.broadcasts.backstage.tables import (
    Backstage,
    find_backstage,
    guests_of,
    talk_backstage,
    talk_guest,
)
from oshiyakusho_matrix.broadcasts.domain import PUBLIC, State, Talk
from oshiyakusho_matrix.broadcasts.questions.board import board_key
from oshiyakusho_matrix.broadcasts.tables import find_talk
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Settled, Work, WorkKey
from oshiyakusho_matrix.reconcile.private_rooms import private_room
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper, Rooms, worst
from oshiyakusho_matrix.roster.tables import current_among, room_in_role
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store

KIND: Final = "backstage"
#: How long people can say good-bye.
STAYS_OPEN: Final = timedelta(minutes=15)
_INSIDE: Final = ("join", "invite", "knock")


def backstage_key(number: int) -> WorkKey:
    """Return the key of a talk's backstage."""
    return WorkKey(KIND, str(number))


class BackstageController:
    """Makes the room, invites and takes out by the records, closes it."""

    kind = KIND

    def __init__(
        self, *, store: Store, work: Work, outbox: Outbox, keeper: RoomKeeper, rooms: Rooms, server_name: str
    ) -> None:
        self._store, self._work, self._outbox = store, work, outbox
        self._keeper, self._rooms, self._server_name = keeper, rooms, server_name

    async def reconcile(self, name: str) -> Settled:
        """Close the difference for one talk."""
        number = int(name)
        async with self._store.reading() as connection:
            one = await find_talk(connection, number)
            known = await find_backstage(connection, number)
            guests = await guests_of(connection, number)
            hall = await room_in_role(connection, "hall")
            host = () if one is None else tuple(await current_among(connection, [one.host]))
        if one is None or hall is None:
            return Settled()
        if one.state in PUBLIC:
            room_id = await self._make(one, known, f"{hall.alias_localpart}-talk-{number}")
            people = {*host, *(guest.user_id for guest in guests)}
            owed = {guest.user_id for guest in guests if guest.owed}
            await self._admit(room_id, people, owed=owed)
            async with self._store.transaction() as tx:
                paid = (talk_guest.c.talk == number, talk_guest.c.user_id.in_(sorted(owed)))
                await tx.connection.execute(update(talk_guest).where(*paid).values(owed=False))
                look_again = await check_in(tx, self._outbox, one, room_id, people)
            return Settled(look_again=look_again, said=[words.stands(one)])
        if known is None or known.closed or known.room_id is None:
            return Settled()
        return await self._close(one, known, known.room_id)

    async def _make(self, one: Talk, known: Backstage | None, localpart: str) -> RoomId:
        locator = f"talk:{one.number}"
        desired = private_room(localpart, server_name=self._server_name, locator=locator, name=words.name(one))
        room_id = await self._keeper.ensure(desired, known.room_id if known is not None else None)
        if known is None or known.room_id != room_id:
            async with self._store.transaction() as tx:
                row = upsert(tx.connection, talk_backstage).values(talk=one.number, room_id=room_id, closed=False)
                made = {"room_id": room_id, "closed": False}
                await tx.connection.execute(row.on_conflict_do_update(index_elements=["talk"], set_=made))
                with tx.caused_by("backstage", str(one.number), room_id):
                    await self._outbox.post(tx, room_id, words.welcome(one))
                await self._work.ask(tx, board_key(one.number))
        return room_id

    async def _admit(self, room_id: RoomId, wanted: Collection[UserId], *, owed: Collection[UserId] = ()) -> None:
        """Invite whoever is wanted and never was there, was taken out by us, or is owed it; take out all others."""
        members = {
            UserId(event.state_key): event
            for event in await self._rooms.room_state(room_id)
            if event.type == "m.room.member" and event.state_key != self._keeper.bot
        }
        failures: list[CityHallError] = []
        for user_id in sorted({*wanted, *members}):
            event = members.get(user_id)
            membership = None if event is None else event.content.get("membership")
            try:
                if user_id not in wanted:
                    if membership in _INSIDE:
                        await self._rooms.kick(room_id, user_id, words.CLOSED, seen=str(membership))
                elif membership not in _INSIDE and (
                    event is None or event.sender == self._keeper.bot or user_id in owed
                ):
                    await self._rooms.invite(room_id, user_id)
            except CityHallError as error:
                failures.append(error)  # one whose homeserver is away keeps nobody else out
        if failures:
            raise worst(failures)

    async def _close(self, one: Talk, known: Backstage, room_id: RoomId) -> Settled:
        """Say that it closes, and later close it."""
        present = now()
        if known.closes_at is None:
            closes_at = present + STAYS_OPEN
            async with self._store.transaction() as tx:
                await tx.connection.execute(
                    update(talk_backstage).where(talk_backstage.c.talk == one.number).values(closes_at=closes_at)
                )
                with tx.caused_by("backstage", str(one.number), "closing"):
                    text = words.farewell(one, cancelled=one.state is State.CANCELLED, at=closes_at)
                    await self._outbox.post(tx, room_id, text)
            return Settled(look_again=closes_at)
        if present < known.closes_at:
            return Settled(look_again=known.closes_at)
        await self._admit(room_id, ())
        async with self._store.transaction() as tx:
            await tx.connection.execute(
                update(talk_backstage).where(talk_backstage.c.talk == one.number).values(closed=True)
            )
        return Settled()
