"""The work queue, method by method, on both databases. ``test_queue_model`` holds it to a model."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.reconcile.interface import Priority, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Counts, Lease, LeaseLost, ParkedWork
from oshiyakusho_matrix.reconcile.parked import drop_parked, oldest_due, parked_keys, retry_parked
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.reconcile.clocks import Clock

ZAISEI, SOMU, KOHO = (WorkKey("space", name) for name in ("zaisei", "somu", "koho"))
KINDS = ("space",)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(store: Store, clock: Clock) -> WorkQueue:
    return WorkQueue(store, clock=clock, lease_for=timedelta(minutes=2))


async def ask(
    store: Store, queue: WorkQueue, key: WorkKey, due: datetime | None = None, priority: Priority = Priority.ROUTINE
) -> None:
    async with store.transaction() as tx:
        await queue.ask(tx, key, due=due, priority=priority)


async def claim(queue: WorkQueue, limit: int = 8) -> list[Lease]:
    return await queue.claim(limit, kinds=KINDS)


async def settle(store: Store, queue: WorkQueue, lease: Lease, look_again: datetime | None = None) -> None:
    async with store.transaction() as tx:
        await queue.settle(tx, lease, Settled(look_again))


async def park(store: Store, queue: WorkQueue, lease: Lease, reason: str) -> str | None:
    async with store.transaction() as tx:
        return await queue.park(tx, lease, reason)


async def test_what_is_due_is_claimed_by_priority_then_by_time(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    clock.advance(1)
    await ask(store, queue, SOMU)
    await ask(store, queue, KOHO, priority=Priority.GATE)
    await ask(store, queue, WorkKey("space", "later"), due=clock() + timedelta(seconds=1))
    await ask(store, queue, WorkKey("talk", "7"))
    assert [lease.key for lease in await claim(queue, 2)] == [KOHO, ZAISEI]
    assert [lease.key for lease in await claim(queue, 2)] == [SOMU]


async def test_asking_again_keeps_the_earlier_time_and_the_higher_priority(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    await ask(store, queue, ZAISEI, due=clock() + timedelta(hours=1), priority=Priority.SWEEP)
    await ask(store, queue, ZAISEI, due=clock() + timedelta(hours=2), priority=Priority.GATE)
    await ask(store, queue, SOMU, due=clock() + timedelta(hours=1), priority=Priority.ASKED)
    assert await queue.next_due(kinds=KINDS) == clock() + timedelta(hours=1)
    clock.advance(3600)
    assert [lease.key for lease in await claim(queue)] == [ZAISEI, SOMU]


async def test_a_settled_key_is_gone_or_due_when_it_said(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    await ask(store, queue, SOMU)
    first, second = await claim(queue)
    await settle(store, queue, first)
    await settle(store, queue, second, clock() + timedelta(days=1))
    assert await queue.counts() == Counts(later=1)
    assert await queue.next_due(kinds=KINDS) == clock() + timedelta(days=1)


async def test_asked_while_being_worked_on_it_runs_once_more(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    await ask(store, queue, ZAISEI)
    await ask(store, queue, ZAISEI)
    assert await claim(queue) == []
    await settle(store, queue, lease, clock() + timedelta(days=1))
    (again,) = await claim(queue)
    assert (again.asked, again.attempts) == (3, 0)
    await settle(store, queue, again)
    assert await queue.counts() == Counts()


async def test_asked_for_later_while_being_worked_on_it_waits_until_then(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    await ask(store, queue, ZAISEI, due=clock() + timedelta(hours=2))
    await ask(store, queue, ZAISEI, due=clock() + timedelta(hours=1))
    await settle(store, queue, lease, clock() + timedelta(hours=3))
    assert await queue.next_due(kinds=KINDS) == clock() + timedelta(hours=1)


async def test_a_retry_waits_and_counts_and_a_good_run_forgets_it(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    for attempts in range(3):
        (lease,) = await claim(queue)
        assert (lease.attempts, lease.crashes, lease.told) == (attempts, attempts, attempts > 0)
        async with store.transaction() as tx:
            await queue.retry(tx, lease, why="down", delay=timedelta(seconds=10), bug=True, told=attempts == 0)
        assert await queue.counts() == Counts(retrying=1)
        clock.advance(10)
    (lease,) = await claim(queue)
    await settle(store, queue, lease, clock())
    (lease,) = await claim(queue)
    assert (lease.attempts, lease.crashes, lease.told) == (0, 0, False)


async def test_a_parked_key_rests_until_it_is_asked_for(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    assert await park(store, queue, lease, "forbidden")
    clock.advance(3600)
    assert await claim(queue) == []
    assert await queue.next_due(kinds=KINDS) is None
    async with store.transaction() as tx:
        (parked,) = await parked_keys(tx.connection)
        assert parked == ParkedWork(ZAISEI, "forbidden", clock() - timedelta(hours=1), parked.reference)
        assert await retry_parked(tx, queue, "SOMEELSE") == []
        assert await retry_parked(tx, queue, parked.reference) == [ZAISEI]
        assert await retry_parked(tx, queue) == []
        assert await parked_keys(tx.connection) == []
    (lease,) = await claim(queue)
    assert lease.attempts == 0


async def test_a_key_asked_for_meanwhile_is_not_parked(store: Store, queue: WorkQueue) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    await ask(store, queue, ZAISEI)
    assert not await park(store, queue, lease, "forbidden")
    assert [lease.key for lease in await claim(queue)] == [ZAISEI]


async def test_a_lease_runs_out_unless_it_is_renewed(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    (first,) = await claim(queue)
    clock.advance(100)
    assert await queue.renew(first)
    clock.advance(100)
    assert await claim(queue) == []
    assert await queue.next_due(kinds=KINDS) == clock() + timedelta(seconds=20)
    clock.advance(20)
    (second,) = await claim(queue)
    assert second.key == first.key
    assert not await queue.renew(first)
    with pytest.raises(LeaseLost):
        await settle(store, queue, first)
    with pytest.raises(LeaseLost):
        await park(store, queue, first, "too late")
    await settle(store, queue, second)
    assert await queue.counts() == Counts()


async def test_whoever_takes_over_answers_what_was_asked_before(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    await claim(queue)
    await ask(store, queue, ZAISEI)
    clock.advance(120)
    (second,) = await claim(queue)
    assert second.asked == 2
    await settle(store, queue, second)
    assert await queue.counts() == Counts()


async def test_what_was_claimed_while_the_clock_was_ahead_is_taken_over_once_it_is_asked_for(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    clock.advance(3600)
    await ask(store, queue, ZAISEI)
    await claim(queue)  # and killed
    clock.advance(-3600)
    async with store.transaction() as tx:
        await queue.hurry(tx)
    await ask(store, queue, ZAISEI)
    assert [lease.key for lease in await claim(queue)] == [ZAISEI]


async def test_asking_for_what_a_dead_process_holds_moves_it_to_the_earlier_time(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    clock.advance(3600)
    await ask(store, queue, ZAISEI)
    await queue.claim(1, kinds=KINDS)
    clock.advance(-3600)
    await ask(store, queue, ZAISEI)
    async with store.reading() as connection:
        assert await connection.scalar(select(work.c.due_at)) == clock()


async def test_a_start_puts_right_what_was_asked_for_while_the_clock_was_ahead(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    clock.advance(3600)
    await ask(store, queue, ZAISEI)
    clock.advance(-3600)
    await ask(store, queue, SOMU, due=clock() + timedelta(minutes=1))
    assert await claim(queue) == []
    async with store.transaction() as tx:
        await queue.hurry(tx)
    assert [lease.key for lease in await claim(queue)] == [ZAISEI]
    assert await queue.next_due(kinds=KINDS, busy=[ZAISEI]) == clock() + timedelta(minutes=1)


async def test_a_start_tries_at_once_what_waits_for_another_try(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    async with store.transaction() as tx:
        await queue.retry(tx, lease, why="down", delay=timedelta(hours=1))
    await ask(store, queue, SOMU, due=clock() + timedelta(hours=2))
    assert await claim(queue) == []
    async with store.transaction() as tx:
        await queue.hurry(tx)
    assert [lease.key for lease in await claim(queue)] == [ZAISEI]


async def test_what_is_released_is_due_at_once(store: Store, queue: WorkQueue) -> None:
    await ask(store, queue, ZAISEI)
    leases = await claim(queue)
    async with store.transaction() as tx:
        await queue.release(tx, leases)
    assert [lease.key for lease in await claim(queue)] == [ZAISEI]


async def test_a_busy_key_is_neither_claimed_nor_waited_for(store: Store, queue: WorkQueue, clock: Clock) -> None:
    await ask(store, queue, ZAISEI)
    await ask(store, queue, SOMU, due=clock() + timedelta(hours=1))
    assert await queue.claim(8, kinds=KINDS, busy=[ZAISEI]) == []
    assert await queue.next_due(kinds=KINDS, busy=[ZAISEI]) == clock() + timedelta(hours=1)


async def test_what_is_dropped_is_gone_unless_somebody_works_on_it(store: Store, queue: WorkQueue) -> None:
    await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    await ask(store, queue, SOMU)
    async with store.transaction() as tx:
        await queue.drop(tx, ZAISEI)
        await queue.drop(tx, SOMU)
    assert await queue.counts() == Counts(leased=1)
    await settle(store, queue, lease)


async def test_sleepers_are_woken_by_the_commit_alone(store: Store, queue: WorkQueue) -> None:
    woken: list[None] = []
    queue.subscribe(lambda: woken.append(None))
    with pytest.raises(ZeroDivisionError):
        await _ask_and_fail(store, queue)
    assert woken == []
    await ask(store, queue, ZAISEI)
    assert len(woken) == 1


async def _ask_and_fail(store: Store, queue: WorkQueue) -> None:
    async with store.transaction() as tx:
        await queue.ask(tx, ZAISEI)
        raise ZeroDivisionError


async def test_many_claim_at_once_and_no_key_goes_to_two(store: Store, queue: WorkQueue) -> None:
    keys = [WorkKey("space", f"s{number:02}") for number in range(40)]
    async with store.transaction() as tx:
        for key in keys:
            await queue.ask(tx, key)
    batches = await asyncio.gather(*(claim(queue, 5) for _ in range(12)))
    claimed = [lease.key for batch in batches for lease in batch] + [lease.key for lease in await claim(queue, 40)]
    assert sorted(claimed) == keys


async def test_what_is_given_up_is_gone_and_the_rest_stays(store: Store, queue: WorkQueue, clock: Clock) -> None:
    for name in (ZAISEI, SOMU):
        with following(f"REF-{name.name}"):
            await ask(store, queue, name)
    for lease in await claim(queue):
        await park(store, queue, lease, "forbidden")
    async with store.transaction() as tx:
        assert await drop_parked(tx, f"REF-{ZAISEI.name}") == 1
        assert [(p.key, p.reference) for p in await parked_keys(tx.connection)] == [(SOMU, f"REF-{SOMU.name}")]


async def test_what_is_asked_for_again_meanwhile_is_not_given_up(store: Store, queue: WorkQueue) -> None:
    with following("GIVENUP1"):
        await ask(store, queue, ZAISEI)
    (lease,) = await claim(queue)
    await park(store, queue, lease, "forbidden")

    async def give_up() -> int:
        async with store.transaction() as tx:
            return await drop_parked(tx, "GIVENUP1")

    async with store.transaction() as tx:
        await queue.ask(tx, ZAISEI)
        waiting = asyncio.create_task(give_up())
        # It cannot be done before the other one is: with the key taken away, who asked would never be answered.
        await asyncio.wait({waiting}, timeout=0.5)
    assert await waiting == 0
    assert await queue.counts() == Counts(due=1)


async def test_a_key_keeps_the_reference_of_whoever_asked_last_until_it_has_settled(
    store: Store, queue: WorkQueue, clock: Clock
) -> None:
    with following("FIRST"):
        await ask(store, queue, ZAISEI)
    with following("SECOND"):
        await ask(store, queue, ZAISEI)
    await ask(store, queue, ZAISEI)  # routine
    (lease,) = await claim(queue)
    assert (lease.reference, lease.due_at) == ("SECOND", clock())
    with following("THIRD"):
        await ask(store, queue, ZAISEI)
    await settle(store, queue, lease)
    (lease,) = await claim(queue)
    assert lease.reference == "THIRD"
    await settle(store, queue, lease, clock())
    (lease,) = await claim(queue)
    assert lease.reference is None


async def test_since_when_work_is_due_is_told(store: Store, queue: WorkQueue, clock: Clock) -> None:
    began = clock()
    await ask(store, queue, ZAISEI)
    clock.advance(60)
    await ask(store, queue, SOMU)
    async with store.reading() as connection:
        assert await oldest_due(connection, clock()) == began
        assert await oldest_due(connection, began - timedelta(seconds=1)) is None
