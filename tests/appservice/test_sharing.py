"""Several processes, one inbox: each event is handled once and in its room's order, whoever dies or is slow."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, select

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.appservice.tables import inbox_letter, lanes
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.lanes import LEASE, lane_lease
from oshiyakusho_matrix.store.schema import create_all
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.appservice.fakes import BOT, Book, RememberingOutbox, deliver, handling, message, sort_letters
from tests.conftest import import_all_tables
from tests.support.postgres import Postgres


@pytest_asyncio.fixture
async def two_stores(postgres: Postgres) -> AsyncIterator[tuple[Store, Store]]:
    """One database on PostgreSQL as two processes see it."""
    with postgres.fresh_database() as url:
        import_all_tables()
        engines = create_engine(url), create_engine(url)
        await create_all(engines[0])
        try:
            yield Store(engines[0]), Store(engines[1])
        finally:
            for engine in engines:
                await engine.dispose()


class Slow(Book):
    """A listener that takes time over each event, so that two processes meet."""

    async def __call__(self, event: InboundEvent) -> Write | None:
        await asyncio.sleep(0.002)
        return await super().__call__(event)


def inbox_of(store: Store, book: Book) -> Inbox:
    return Inbox(store, book, RememberingOutbox(), bot=BOT, hands=4)


async def handled(*inboxes: Inbox) -> None:
    async with asyncio.timeout(30):
        while (await inboxes[0].backlog()).pending:
            await asyncio.gather(*(inbox.idle() for inbox in inboxes))


async def test_two_processes_share_the_rooms_and_neither_doubles_nor_overtakes(
    two_stores: tuple[Store, Store],
) -> None:
    books = Slow(), Slow()
    order: list[str] = []
    for book in books:
        book.write = lambda event: order.append(event.event_id)
    inboxes = [inbox_of(store, book) for store, book in zip(two_stores, books, strict=True)]
    rooms, each = 24, 12
    for number in range(each):
        # Either takes transactions; a repeat reaches the other one.
        events = [message(f"${room}-{number}", room=f"!{room}") for room in range(rooms)]
        await asyncio.gather(*(deliver(inbox, str(number), events) for inbox in inboxes))
    async with handling(inboxes[0]), handling(inboxes[1]):
        await handled(*inboxes)
    entries = [*books[0].entries, *books[1].entries]
    assert Counter(entries) == Counter(f"${room}-{number}" for room in range(rooms) for number in range(each))
    for room in range(rooms):
        assert [event for event in order if event.startswith(f"${room}-")] == [f"${room}-{n}" for n in range(each)]
    assert min(len(book.entries) for book in books) > each, "both had their share"
    async with two_stores[0].reading() as connection:
        assert (await connection.execute(select(lane_lease))).all() == []


async def test_what_a_dead_process_held_is_taken_over_when_its_lease_has_run_out(
    two_stores: tuple[Store, Store],
) -> None:
    book = Book()
    inbox = inbox_of(two_stores[1], book)
    await deliver(inbox, "1", [message("$held", room="!held"), message("$free", room="!free")])
    await sort_letters(two_stores[1])
    # The other process took the room, and was killed. Its clock is ahead, or a slow machine would see the lease end.
    ahead = timedelta(seconds=10)
    taken = await lanes.take(two_stores[0], "dead", busy=frozenset(["!free"]), limit=1, present=now() + ahead)
    assert taken.lanes == ["!held"]
    async with handling(inbox):
        await asyncio.wait_for(inbox.idle(), 10)
        assert book.entries == ["$free"]
        async with two_stores[0].reading() as connection:
            (lease,) = (await connection.execute(select(lane_lease))).all()
        assert lease.leased_until - now() <= LEASE + ahead
        await handled(inbox)
    assert book.entries == ["$free", "$held"]


async def test_a_start_lets_go_of_what_was_taken_while_the_clock_was_ahead(two_stores: tuple[Store, Store]) -> None:
    inbox = inbox_of(two_stores[1], Book())
    await deliver(inbox, "1", [message("$held", room="!held"), message("$now", room="!now")])
    await sort_letters(two_stores[1])
    await lanes.take(two_stores[0], "dead", busy=frozenset(["!now"]), limit=1, present=now() + timedelta(hours=1))
    await lanes.take(two_stores[0], "alive", busy=frozenset(["!held"]), limit=1, present=now())
    async with two_stores[1].transaction() as tx:
        await lanes.hurry(tx.connection, now())
        assert (await tx.connection.scalars(select(lane_lease.c.lane))).all() == ["!now"]


async def test_a_process_that_hangs_in_the_middle_of_a_write_does_not_stop_the_other(
    two_stores: tuple[Store, Store],
) -> None:
    book = Book()
    inbox = inbox_of(two_stores[1], book)
    await deliver(inbox, "1", [message("$first", room="!a")])

    async def hanging() -> None:
        async with two_stores[0].transaction() as tx:
            # Stopped, or on a machine that is gone, while it sorts what came: the server hears nothing more from it.
            await tx.connection.execute(delete(inbox_letter))
            await deliver(inbox, "2", [message("$second", room="!b")])
            async with handling(inbox):
                await handled(inbox)

    with pytest.raises(Temporary):
        await hanging()
    assert sorted(book.entries) == ["$first", "$second"]


async def test_a_process_that_was_too_slow_and_the_one_that_took_over_make_one_effect(
    two_stores: tuple[Store, Store],
) -> None:
    books = Book(), Book()
    inboxes = [inbox_of(store, book) for store, book in zip(two_stores, books, strict=True)]
    await deliver(inboxes[0], "1", [message("$a"), message("$b"), message("$c")])
    both, waiting = asyncio.Event(), 0

    async def look(book: Book, event: InboundEvent) -> Write | None:
        nonlocal waiting
        if event.event_id == "$a":
            waiting += 1
            if waiting == 1:  # the first loses its lease while it looks
                async with two_stores[0].transaction() as tx:
                    await tx.connection.execute(delete(lane_lease))
                inboxes[1]._worker.wake()
            else:
                both.set()
            await asyncio.wait_for(both.wait(), 10)
        return await Book.__call__(book, event)

    for inbox, book in zip(inboxes, books, strict=True):
        inbox._route = lambda event, book=book: look(book, event)
    async with handling(inboxes[0]), handling(inboxes[1]):
        await handled(*inboxes)
    assert waiting == 2, "both were at it"
    assert sorted([*books[0].entries, *books[1].entries]) == ["$a", "$b", "$c"]


async def test_half_of_the_hands_take_what_came_last_so_a_backlog_starves_nobody(store: Store) -> None:
    inbox = inbox_of(store, Book())
    await deliver(inbox, "1", [message(f"$old{n}", room=f"!old{n}") for n in range(50)])
    await deliver(inbox, "2", [message("$new", room="!new")])
    await sort_letters(store)
    taken = await lanes.take(store, "me", busy=frozenset(), limit=4, present=now())
    assert len(taken.lanes) == 4
    assert taken.lanes[:2] == ["!old0", "!old1"]
    assert taken.lanes[-1] == "!new"
    assert taken.next_due is None
    everything = await lanes.take(store, "me", busy=frozenset(taken.lanes), limit=100, present=now())
    assert len(everything.lanes) == 47


async def test_a_lane_is_given_back_by_who_holds_it_alone(two_stores: tuple[Store, Store]) -> None:
    store = two_stores[0]
    until = now() + timedelta(minutes=1)
    async with store.transaction() as tx:
        await tx.connection.execute(
            insert(lane_lease).values(queue="inbox", lane="!a", holder="other", leased_until=until)
        )
    await lanes.give_back(store, "me", "!a")
    async with store.reading() as connection:
        assert len((await connection.execute(select(lane_lease))).all()) == 1
