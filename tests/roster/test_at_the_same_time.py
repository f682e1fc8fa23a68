"""Two of the secretariat change one person's record at the same time: what both read is never written twice."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.catalogue import load_declaration, shipped_directory
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.service import CityHall
from oshiyakusho_matrix.divisions.tables import mandates
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.reconcile.follow_ups import DatabaseFollowUps
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.roster.domain import HallState
from oshiyakusho_matrix.roster.events import Announcer
from oshiyakusho_matrix.roster.service import Roster
from oshiyakusho_matrix.roster.tables import find_member, member, members
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

BOT = UserId("@shiyakusho:example.jp")
HANAKO, TARO = UserId("@hanako:example.jp"), UserId("@taro:example.jp")

Deed = Callable[[Transaction], Coroutine[Any, Any, object]]


@pytest.fixture
def roster(store: Store) -> Roster:
    queue = WorkQueue(store, clock=now)
    follow_ups = DatabaseFollowUps(queue, DatabaseOutbox(Renderer()))
    return Roster(work=queue, follow_ups=follow_ups, announcer=Announcer([]), bot=BOT)


async def both(store: Store, first: Deed, second: Deed) -> None:
    """Do the second deed while the transaction of the first is still open, as far as the database lets it go."""

    async def late() -> None:
        async with store.transaction() as tx:
            await second(tx)

    async with store.transaction() as tx:
        await first(tx)
        waiting = asyncio.create_task(late())
        # It has to wait for the first, however long that takes: only a lost update could be done by now.
        await asyncio.wait({waiting}, timeout=0.5)
    await waiting


async def test_who_is_removed_is_not_brought_back_by_an_appointment_made_meanwhile(
    store: Store, roster: Roster
) -> None:
    async with store.transaction() as tx:
        await roster.admit(tx, TARO, by=BOT, secretariat=True)
        await roster.admit(tx, HANAKO, by=BOT)
    with pytest.raises(Refused):
        await both(
            store,
            lambda tx: roster.remove(tx, HANAKO, by=TARO),
            lambda tx: roster.join_secretariat(tx, HANAKO, by=TARO),
        )
    async with store.reading() as connection:
        hanako = await find_member(connection, HANAKO)
    assert hanako is not None
    assert not hanako.current


async def test_the_last_two_of_the_secretariat_cannot_remove_each_other(store: Store, roster: Roster) -> None:
    async with store.transaction() as tx:
        for user in (TARO, HANAKO):
            await roster.admit(tx, user, by=BOT, secretariat=True)
        await tx.connection.execute(update(member).values(office=HallState.JOINED))
    with pytest.raises(Refused):
        await both(
            store, lambda tx: roster.remove(tx, HANAKO, by=TARO), lambda tx: roster.leave_secretariat(tx, TARO, by=TARO)
        )
    async with store.reading() as connection:
        assert [m.user_id for m in await members(connection, secretariat=True)] == [TARO]


async def test_who_is_removed_while_they_are_made_head_is_head_of_nothing(store: Store) -> None:
    queue = WorkQueue(store, clock=now)
    heads = Heads(work=queue)
    hall = CityHall(work=queue, heads=heads, server_name="example.jp", bot=BOT)
    follow_ups = DatabaseFollowUps(queue, DatabaseOutbox(Renderer()))
    roster = Roster(work=queue, follow_ups=follow_ups, announcer=Announcer([hall.on_roster]), bot=BOT)
    async with store.transaction() as tx:
        await hall.apply(tx, load_declaration(shipped_directory()), by=BOT)
        await roster.admit(tx, HANAKO, by=BOT)

    async def appoint(tx: Transaction) -> None:
        picture = await hall.picture_to_change(tx)
        await heads.appoint(tx, picture, "zaisei", HANAKO, by=TARO, until=None)

    await both(store, appoint, lambda tx: roster.remove(tx, HANAKO, by=TARO))
    async with store.reading() as connection:
        # Nobody sees the mandates of who is no member; but they must not be there when somebody is admitted again.
        assert await mandates(connection, now(), user_id=HANAKO) == []
