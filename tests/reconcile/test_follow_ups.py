"""A reply reports the outcome, once, however many keys it waits for and whatever becomes of them."""

import asyncio

import pytest
from sqlalchemy import func, select

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.text import Text, from_json, say, to_json
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.reconcile.leases import Counts, Lease
from oshiyakusho_matrix.reconcile.reports import because
from oshiyakusho_matrix.reconcile.tables import follow_up, follow_up_key
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.reconcile.clocks import Clock
from tests.reconcile.doubles import ASKER, House, RecordingOutbox, Scripted

MADE = say("{name} was made.", name="財政課")


class Switchboard:
    """A controller whose keys wait until the test lets them go, with a result."""

    def __init__(self) -> None:
        self.results: dict[str, asyncio.Queue[Settled | Exception]] = {}
        self.controller = Scripted(self._do)

    def let(self, name: str, result: Settled | Exception) -> None:
        self.results.setdefault(name, asyncio.Queue()).put_nowait(result)

    async def begun(self, name: str, times: int = 1) -> None:
        await self.controller.until(lambda: self.controller.runs.count(name) >= times)

    async def _do(self, name: str) -> Settled:
        result = await self.results.setdefault(name, asyncio.Queue()).get()
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def board() -> Switchboard:
    return Switchboard()


@pytest.fixture
def outbox() -> RecordingOutbox:
    return RecordingOutbox()


@pytest.fixture
def house(store: Store, board: Switchboard, outbox: RecordingOutbox) -> House:
    return House(store, board.controller, Clock(), outbox)


def texts(outbox: RecordingOutbox) -> list[str]:
    assert all(to == ASKER for to, _ in outbox.replies)
    return [text.msgid.partition(":")[0].partition(" ")[0] for _, text in outbox.replies]


async def nothing_is_left(store: Store) -> bool:
    async with store.reading() as connection:
        tables = (follow_up, follow_up_key)
        return [await connection.scalar(select(func.count()).select_from(table)) for table in tables] == [0, 0]


async def test_the_outcome_is_said_once_when_the_last_key_settles(
    store: Store, house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    async with house.running():
        await house.promise(MADE, "b", "a")
        await board.begun("a")
        board.let("a", Settled(said=[say("a is there."), say("both are there.")]))
        board.let("b", Settled(said=[say("b is there."), say("both are there.")]))
        await house.quiet()
        await house.pass_time(3600)
    parts = (say("b is there."), say("both are there."), say("a is there."))
    assert outbox.replies == [(ASKER, Text(MADE.msgid, MADE.values, parts))]
    assert await nothing_is_left(store)
    assert await house.queue.counts() == Counts()


async def test_a_run_that_began_before_the_question_does_not_answer_it(
    house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    async with house.running():
        await house.ask("a")
        await board.begun("a")
        await house.promise(MADE, "a")
        board.let("a", Settled(said=[say("the old state")]))
        await board.begun("a", 2)
        assert outbox.replies == []
        board.let("a", Settled(said=[say("the new state")]))
        await house.quiet()
    assert [text.parts for _, text in outbox.replies] == [(say("the new state"),)]


async def test_a_key_that_another_one_asks_for_anew_is_waited_for(
    store: Store, house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    async with house.running():
        await house.promise(MADE, "space", "room")
        board.let("space", Settled())
        await board.begun("room")
        await house.ask("space")  # as the birth of a room does: its space has to link it
        board.let("room", Settled())
        await board.begun("space", 2)
        await board.controller.until(lambda: board.controller.inside == {"space"})
        assert outbox.replies == []
        board.let("space", Settled())
        await house.quiet()
    assert outbox.replies == [(ASKER, MADE)]
    assert await nothing_is_left(store)


async def test_two_who_ask_for_one_key_both_hear(house: House, board: Switchboard, outbox: RecordingOutbox) -> None:
    board.let("a", Settled())
    await house.promise(MADE, "a")
    await house.promise(say("Another answer."), "a")
    async with house.running():
        await house.quiet()
    assert sorted(text.msgid for _, text in outbox.replies) == ["Another answer.", MADE.msgid]


async def test_after_five_seconds_they_hear_once_that_it_is_under_way(
    store: Store, house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    async with house.running():
        await house.promise(MADE, "a", "b")
        board.let("b", Settled())
        await board.begun("a")
        house.clock.advance(5)
        house.loop.wake()
        await outbox.until(lambda: outbox.replies)
        house.clock.advance(60)
        board.let("a", Settled())
        await house.quiet()
    assert texts(outbox) == ["I", "{name}"]
    assert await nothing_is_left(store)


async def test_trouble_is_told_once_and_then_the_outcome(
    house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    for result in [Temporary("down")] * 4 + [Settled()]:
        board.let("a", result)
    async with house.running():
        await house.promise(MADE, "a")
        for seconds in (0, 1, 2, 4, 8):
            await house.pass_time(seconds)
    assert texts(outbox) == ["It", "{name}"]


async def test_what_fails_is_told_at_once_and_the_rest_at_the_end(
    store: Store, house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    async with house.running():
        await house.promise(MADE, "a", "b")
        board.let("a", Permanent("the room says no"))
        await outbox.until(lambda: outbox.replies)
        board.let("b", Settled(said=[say("b is there.")]))
        await house.quiet()
    assert [(text.msgid[:18], text.parts) for _, text in outbox.replies] == [
        ("This could not be ", (because("the room says no"),)),
        ("The rest has been ", (say("b is there."),)),
    ]
    assert await nothing_is_left(store)


async def test_keys_that_settle_in_the_same_moment_see_each_other(
    store: Store, house: House, board: Switchboard, outbox: RecordingOutbox
) -> None:
    names = [f"s{number}" for number in range(8)]
    async with house.running():
        for times in range(1, 6):
            await house.promise(MADE, *names)
            await asyncio.gather(*(board.begun(name, times) for name in names))
            for name in names:
                board.let(name, Settled())
            await house.quiet()
    assert len(outbox.replies) == 5
    assert await nothing_is_left(store)


async def test_a_key_that_is_run_again_while_the_last_one_settles_is_not_waited_for_in_vain(
    store: Store, house: House, outbox: RecordingOutbox
) -> None:
    async def settle(tx: Transaction, lease: Lease) -> None:
        await house.queue.settle(tx, lease, Settled())
        await house.follow_ups.settled(tx, lease, [])

    async def settle_last() -> None:
        async with store.transaction() as tx:
            await settle(tx, last)

    await house.promise(MADE, "room", "space")
    last, first = sorted(await house.queue.claim(2, kinds=["space"]), key=lambda lease: lease.key)
    async with store.transaction() as tx:
        await settle(tx, first)
    await house.ask("space")
    (again,) = await house.queue.claim(1, kinds=["space"])
    async with store.transaction() as tx:
        await settle(tx, again)
        waiting = asyncio.create_task(settle_last())
        # It has to wait for the other, however long that takes: if it did not, "space" would count as still to come.
        await asyncio.wait({waiting}, timeout=0.5)
    await waiting
    assert outbox.replies == [(ASKER, MADE)]
    assert await nothing_is_left(store)


async def test_a_promise_without_keys_is_answered_at_once(house: House, outbox: RecordingOutbox) -> None:
    await house.promise(MADE)
    assert outbox.replies == [(ASKER, MADE)]


def test_a_text_survives_json() -> None:
    text = say("{a} {b}", say("part", say("of a part")), a=say("{n} rooms", n=3), b="財政課")
    assert from_json(to_json(text)) == text
