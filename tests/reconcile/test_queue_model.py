"""The queue against a model of it, over any order of asking, claiming, settling, failing and passing time.

No key is lost, none is held by two leases, one asked for while it is worked on runs again, and the order is right.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from oshiyakusho_matrix.reconcile.interface import Priority, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Lease, LeaseLost
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.reconcile.clocks import Clock

LEASE = timedelta(seconds=60)
NAMES = ("a", "b", "c")


@dataclass
class Row:
    """What the model knows of one key."""

    priority: int
    due: datetime
    asked_due: datetime | None = None
    token: str | None = None
    until: datetime | None = None
    parked: bool = False


@dataclass(frozen=True)
class Ask:
    name: str
    delay: int
    priority: Priority


@dataclass(frozen=True)
class Claim:
    limit: int


@dataclass(frozen=True)
class End:
    """How the holder of the ``which``-th lease ever given ends, or goes on."""

    which: int
    how: str
    delay: int | None


@dataclass(frozen=True)
class Pass:
    seconds: int


delays = st.sampled_from([0, 5, 100])
steps = st.one_of(
    st.builds(Ask, st.sampled_from(NAMES), delays, st.sampled_from([Priority.GATE, Priority.ROUTINE])),
    st.builds(Claim, st.integers(1, 3)),
    st.builds(
        End,
        st.integers(0, 20),
        st.sampled_from(["settle", "settle", "retry", "park", "release", "renew"]),
        st.none() | delays,
    ),
    st.builds(Pass, st.sampled_from([1, 10, 61])),
)


class Model:
    """The queue as plain Python."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: dict[str, Row] = {}

    def ask(self, step: Ask) -> None:
        due, row = self.clock() + timedelta(seconds=step.delay), self.rows.get(step.name)
        if row is None or row.parked:
            self.rows[step.name] = Row(step.priority, due)
            return
        row.priority = min(row.priority, step.priority)
        if row.token is None:
            row.due = min(row.due, due)
        else:
            row.asked_due = min(row.asked_due or due, due)

    def claimable(self) -> list[str]:
        free = [
            (row.priority, row.due, name)
            for name, row in self.rows.items()
            if not row.parked and row.due <= self.clock() and (row.until is None or row.until <= self.clock())
        ]
        return [name for _, _, name in sorted(free)]

    def next_due(self) -> datetime | None:
        return min((row.until or row.due for row in self.rows.values() if not row.parked), default=None)

    def claim(self, leases: list[Lease]) -> None:
        for lease in leases:
            row = self.rows[lease.key.name]
            row.token, row.until, row.asked_due = lease.token, self.clock() + LEASE, None

    def holds(self, lease: Lease) -> bool:
        row = self.rows.get(lease.key.name)
        return row is not None and row.token == lease.token

    def end(self, lease: Lease, step: End) -> None:
        row, delay = self.rows[lease.key.name], timedelta(seconds=step.delay or 0)
        if step.how == "renew":
            row.until = self.clock() + LEASE
            return
        asked, row = row.asked_due, replace(row, token=None, until=None, asked_due=None)
        self.rows[lease.key.name] = row
        match step.how:
            case "settle":
                times = [t for t in (asked, None if step.delay is None else self.clock() + delay) if t is not None]
                if not times:
                    del self.rows[lease.key.name]
                    return
                row.due = min(times)
                row.priority = row.priority if asked else Priority.ROUTINE
            case "retry":
                row.due = self.clock() + delay
            case "park" if asked:
                row.due = asked
            case "park":
                row.parked = True


async def end(store: Store, queue: WorkQueue, lease: Lease, step: End) -> bool:
    """Do ``step`` for real; False if the lease was lost."""
    delay = timedelta(seconds=step.delay or 0)
    if step.how == "renew":
        return await queue.renew(lease)
    try:
        async with store.transaction() as tx:
            match step.how:
                case "settle":
                    again = None if step.delay is None else queue._clock() + delay
                    await queue.settle(tx, lease, Settled(again))
                case "retry":
                    await queue.retry(tx, lease, why="down", delay=delay)
                case "park":
                    await queue.park(tx, lease, "forbidden")
                case _:
                    await queue.release(tx, [lease])
    except LeaseLost:
        return False
    return True


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=8, max_size=45))
async def test_the_queue_is_what_the_model_says(store: Store, sequence: list[object]) -> None:
    clock = Clock()
    queue, model, leases = WorkQueue(store, clock=clock, lease_for=LEASE), Model(clock), list[Lease]()
    async with store.transaction() as tx:
        await tx.connection.execute(delete(work))
    for step in [*sequence, Pass(1000), Claim(3)]:
        match step:
            case Ask():
                async with store.transaction() as tx:
                    due = clock() + timedelta(seconds=step.delay)
                    await queue.ask(tx, WorkKey("space", step.name), due=due, priority=step.priority)
                model.ask(step)
            case Claim():
                expected = model.claimable()[: step.limit]
                given_out = await queue.claim(step.limit, kinds=["space"])
                assert [lease.key.name for lease in given_out] == expected
                model.claim(given_out)
                leases += given_out
            case End() if leases:
                lease = leases[-1 - step.which % min(len(leases), 4)]
                held = model.holds(lease)
                assert await end(store, queue, lease, step) == (held or step.how == "release")
                if held:
                    model.end(lease, step)
            case Pass():
                clock.advance(step.seconds)
        assert await queue.next_due(kinds=["space"]) == model.next_due()
    counts = await queue.counts()
    assert counts.parked == sum(row.parked for row in model.rows.values())
    # After a long time and a claim of everything, each key that is not parked is in somebody's hands: none is lost.
    assert counts.leased == sum(not row.parked for row in model.rows.values())


@pytest.mark.parametrize("name", ["", "@a_b:example.jp", "財政課", "a" * 400, "x'; DROP TABLE work; --"])
async def test_any_name_comes_back_as_it_was(store: Store, name: str) -> None:
    queue = WorkQueue(store)
    async with store.transaction() as tx:
        await queue.ask(tx, WorkKey("space", name))
    (lease,) = await queue.claim(1, kinds=["space"])
    assert lease.key == WorkKey("space", name)
