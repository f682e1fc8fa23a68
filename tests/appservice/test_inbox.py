"""The inbox: nothing is lost, nothing is handled twice, rooms keep their order and do not wait for each other."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Row, select, update

from oshiyakusho_matrix.appservice import letters
from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.store.lanes import MOST_FAILURES, Backlog
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.appservice.fakes import BOT, Book, RememberingOutbox, deliver, handling, message


class Clock:
    """A clock that tests move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


def inbox_of(store: Store, book: Book, *, outbox: RememberingOutbox | None = None, clock: Clock | None = None) -> Inbox:
    return Inbox(store, book, outbox or RememberingOutbox(), bot=BOT, now=clock or now)


async def row_of(store: Store, event_id: str) -> Row[tuple[object, ...]]:
    async with store.reading() as connection:
        return (await connection.execute(select(inbox_event).where(inbox_event.c.event_id == event_id))).one()


async def settled(inbox: Inbox) -> None:
    await asyncio.wait_for(inbox.idle(), 10)


async def test_hands_on_what_was_delivered_in_the_order_of_the_room(store: Store) -> None:
    book = Book()
    seen: list[InboundEvent] = []
    book.look = seen.append
    inbox = inbox_of(store, book)
    await deliver(inbox, "1", [message(f"$e{number}", body="課 一覧 🏯") for number in range(120)])
    async with handling(inbox):
        await settled(inbox)
    assert book.entries == [f"$e{number}" for number in range(120)]
    assert seen[0].content == {"msgtype": "m.text", "body": "課 一覧 🏯"}
    assert seen[0].unsigned == {"age": 5}
    assert seen[0].state_key is None
    assert len(seen[0].reference) == 8
    assert await inbox.backlog() == Backlog()


async def test_a_repeated_transaction_and_a_repeated_event_are_handled_once(store: Store) -> None:
    book = Book()
    inbox = inbox_of(store, book)
    async with handling(inbox):
        for _ in range(3):
            await deliver(inbox, "1", [message("$a"), message("$a"), message("$b")])
        await settled(inbox)
        await deliver(inbox, "2", [message("$b"), message("$c")])
        await settled(inbox)
    assert book.entries == ["$a", "$b", "$c"]


async def test_state_that_the_bot_set_is_not_kept_and_whatever_else_it_or_others_did_is(store: Store) -> None:
    book = Book()
    inbox = inbox_of(store, book)
    async with handling(inbox):
        mine = {"type": "m.room.name", "state_key": "", "sender": BOT}
        await deliver(inbox, "1", [message("$a") | mine])
        await deliver(inbox, "2", [message("$b") | mine, message("$c") | {"sender": BOT}])
        await deliver(inbox, "3", [message("$d") | mine | {"sender": "@hanako:example.jp"}])
        await settled(inbox)
    assert book.entries == ["$c", "$d"]
    async with store.reading() as connection:
        kept = await connection.scalars(select(inbox_event.c.event_id).order_by(inbox_event.c.seq))
        assert list(kept) == ["$c", "$d"]


async def test_a_homeserver_that_counts_from_one_again_loses_nothing(store: Store) -> None:
    book = Book()
    inbox = inbox_of(store, book)
    async with handling(inbox):
        await deliver(inbox, "1", [message("$old")])
        await deliver(inbox, "1", [message("$new")])
        await settled(inbox)
    assert book.entries == ["$old", "$new"]


async def test_what_was_stored_before_a_crash_is_handled_by_the_next_process(store: Store) -> None:
    first = Book()
    stuck = asyncio.Event()

    async def hang(event: InboundEvent) -> Write | None:
        stuck.set()
        await asyncio.Event().wait()
        return None

    inbox = Inbox(store, hang, RememberingOutbox(), bot=BOT)
    await deliver(inbox, "1", [message("$a"), message("$b")])
    task = asyncio.create_task(inbox.run())
    await asyncio.wait_for(stuck.wait(), 10)
    task.cancel()  # killed while it looked
    with pytest.raises(asyncio.CancelledError):
        await task
    inbox = inbox_of(store, first)
    async with handling(inbox):
        await settled(inbox)
    assert first.entries == ["$a", "$b"]


async def test_a_crash_inside_the_transaction_leaves_the_event_to_the_next_process(store: Store) -> None:
    book = Book()
    inside = asyncio.Event()

    async def hang_inside(event: InboundEvent) -> Write:
        async def write(_tx: Transaction) -> None:
            inside.set()
            await asyncio.Event().wait()

        return write

    inbox = Inbox(store, hang_inside, RememberingOutbox(), bot=BOT)
    await deliver(inbox, "1", [message("$a")])
    task = asyncio.create_task(inbox.run())
    await asyncio.wait_for(inside.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    inbox = inbox_of(store, book)
    async with handling(inbox):
        await settled(inbox)
    assert book.entries == ["$a"]


async def test_two_workers_on_one_database_write_each_event_once(store: Store) -> None:
    book = Book()
    one, other = inbox_of(store, book), inbox_of(store, book)
    await deliver(one, "1", [message(f"$e{number}", room=f"!{number % 7}") for number in range(60)])
    async with handling(one), handling(other):
        await settled(one)
        await settled(other)
    assert sorted(book.entries) == sorted(f"$e{number}" for number in range(60))


async def test_of_large_transactions_few_are_sorted_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "_CHARACTERS", 100)
    inbox = Inbox(store, Book(), RememberingOutbox(), bot=BOT)
    for number in range(5):
        await deliver(inbox, str(number), [message(f"${number}", body="x" * 20_000)])
    sorting = letters.Letters(store, RememberingOutbox(), bot=BOT, sieve=None, now=now)
    sorted_ = list[int]()
    while await sorting.sort():
        async with store.reading() as connection:
            sorted_.append(len((await connection.execute(select(inbox_event.c.seq))).all()))
    assert sorted_ == [2, 4, 5]


async def test_a_room_waits_for_its_event_while_others_go_on(store: Store) -> None:
    book, clock = Book(), Clock()
    away = True

    def look(event: InboundEvent) -> None:
        if away and event.event_id == "$stuck":
            raise Temporary("the homeserver did not answer", timedelta(seconds=120))

    book.look = look
    inbox = inbox_of(store, book, clock=clock)
    await deliver(
        inbox, "1", [message("$a1"), message("$stuck"), message("$a2"), message("$b1", room="!b"), message("$b2")]
    )
    async with handling(inbox):
        await settled(inbox)
        assert sorted(book.entries) == ["$a1", "$b1"]
        stuck = await row_of(store, "$stuck")
        assert (stuck.state, stuck.last_error) == ("pending", "the homeserver did not answer")
        assert stuck.due_at - now() > timedelta(seconds=100)
        away = False
        clock.ahead = timedelta(seconds=121)
        await deliver(inbox, "2", [])  # a new transaction wakes it
        await deliver(inbox, "3", [message("$c1", room="!c")])
        await settled(inbox)
    assert sorted(book.entries[2:]) == ["$a2", "$b2", "$c1", "$stuck"]
    assert [entry for entry in book.entries if entry[:2] in {"$a", "$s"}] == ["$a1", "$stuck", "$a2"]


async def test_waiting_is_never_given_up(store: Store) -> None:
    book, clock, outbox = Book(), Clock(), RememberingOutbox()

    def look(_event: InboundEvent) -> None:
        raise Temporary("away")

    book.look = look
    inbox = inbox_of(store, book, outbox=outbox, clock=clock)
    await deliver(inbox, "1", [message("$a")])
    for _ in range(MOST_FAILURES * 2):
        inbox = inbox_of(store, book, outbox=outbox, clock=clock)
        async with handling(inbox):
            await settled(inbox)
        clock.ahead += timedelta(minutes=6)
    row = await row_of(store, "$a")
    assert (row.state, row.attempts, row.failures) == ("pending", MOST_FAILURES * 2, 0)
    assert outbox.told == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [(KeyError("@hanako:example.jp"), "KeyError"), (Permanent("the room is gone"), "the room is gone")],
)
@pytest.mark.parametrize("where", ["look", "write"])
async def test_what_keeps_failing_is_parked_with_its_reason_and_the_room_goes_on(
    store: Store, error: Exception, reason: str, where: str
) -> None:
    book, clock, outbox = Book(), Clock(), RememberingOutbox()

    def fail(event: InboundEvent) -> None:
        if event.event_id == "$bad":
            raise error

    setattr(book, where, fail)
    inbox = inbox_of(store, book, outbox=outbox, clock=clock)
    await deliver(inbox, "1", [message("$a"), message("$bad"), message("$b")])
    for _ in range(MOST_FAILURES):
        inbox = inbox_of(store, book, outbox=outbox, clock=clock)
        async with handling(inbox):
            await settled(inbox)
        clock.ahead += timedelta(minutes=1)
    assert book.entries == ["$a", "$b"]
    row = await row_of(store, "$bad")
    assert (row.state, row.last_error, row.failures) == ("parked", reason, MOST_FAILURES)
    assert [text.values["reference"] for text in outbox.told] == [row.reference]
    assert [(event, text.values["reference"]) for event, text in outbox.answered] == [("$bad", row.reference)]
    assert await inbox.backlog() == Backlog(parked=1)

    setattr(book, where, lambda _event: None)
    async with handling(inbox := inbox_of(store, book, clock=clock)):
        async with store.transaction() as tx:
            assert await inbox.retry_parked(tx) == 1
        await settled(inbox)
    assert book.entries == ["$a", "$b", "$bad"]


async def test_what_is_done_keeps_no_content_and_is_trimmed_later(store: Store) -> None:
    book = Book()
    inbox = inbox_of(store, book)
    async with handling(inbox):
        await deliver(inbox, "1", [message("$a"), message("$old")])
        book.silent = True
        await settled(inbox)
        await deliver(inbox, "2", [message("$quiet")])
        await settled(inbox)
    for event_id in ("$a", "$quiet"):
        row = await row_of(store, event_id)
        assert (row.state, row.content, row.unsigned) == ("done", {}, {})
    async with store.transaction() as tx:
        await tx.connection.execute(
            update(inbox_event).where(inbox_event.c.event_id == "$old").values(received_at=now() - timedelta(days=31))
        )
    async with store.transaction() as tx:
        assert await inbox.forget(tx, now() - timedelta(days=30)) == 1
        assert await inbox.forget(tx, now() - timedelta(days=30)) == 0


async def test_stopping_finishes_the_event_in_hand_and_leaves_the_rest(store: Store) -> None:
    begun, release, done = asyncio.Event(), asyncio.Event(), list[str]()

    async def slow(event: InboundEvent) -> Write:
        begun.set()
        await release.wait()

        async def write(_tx: Transaction) -> None:
            done.append(event.event_id)

        return write

    inbox = Inbox(store, slow, RememberingOutbox(), bot=BOT)
    await deliver(inbox, "1", [message("$a"), message("$b")])
    task = asyncio.create_task(inbox.run())
    await asyncio.wait_for(begun.wait(), 10)
    asyncio.get_running_loop().call_later(0.05, release.set)
    await inbox.stop()
    await task
    assert done == ["$a"]
    assert (await row_of(store, "$b")).state == "pending"
