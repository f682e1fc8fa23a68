"""The work queue, which is also the clock: one row a key, due at a time, leased to whoever works on it.

Services ask (``Work``), the controller loop claims and settles. A key is gone from the table when it has been worked on
and is not due again. Rows and leases outlive the process: after a kill the lease runs out and another one takes over.
Times are those of the clock given here, so processes that share a database need clocks that agree within seconds.
"""

import secrets
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, null, or_, select, tuple_, update

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.ids import new_reference
from oshiyakusho_matrix.core.text import Text, Value, plain, to_json
from oshiyakusho_matrix.core.trail import current_reference
from oshiyakusho_matrix.reconcile.interface import Priority, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Counts, Lease, LeaseLost, lease_of
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


class WorkQueue:
    """The rows of ``work``. Methods with ``tx`` are part of the caller's commit, the others make their own."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime] = clock_now,
        lease_for: timedelta = timedelta(seconds=20),
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleepers: list[Callable[[], None]] = []
        self.lease_for = lease_for

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` after each commit that asked for work."""
        self._sleepers.append(wake)

    async def ask(
        self, tx: Transaction, *keys: WorkKey, due: datetime | None = None, priority: Priority = Priority.ROUTINE
    ) -> None:
        """See ``reconcile.interface.Work``. A parked key is taken up again as if it were new."""
        if not keys:
            return
        present = self._clock()
        fresh = {"due_at": due or present, "asked": 1, "attempts": 0, "crashes": 0, "created_at": present}
        fresh["reference"] = current_reference()
        rows = [{"kind": key.kind, "name": key.name, "priority": int(priority)} | fresh for key in sorted(keys)]
        row = upsert(tx.connection, work)
        new, old, parked = row.excluded, work.c, work.c.parked_at.is_not(None)
        await tx.connection.execute(
            row.on_conflict_do_update(
                index_elements=[old.kind, old.name],
                set_={
                    "asked": old.asked + 1,
                    "priority": case((or_(parked, new.priority < old.priority), new.priority), else_=old.priority),
                    "due_at": case(
                        (parked, new.due_at),
                        (new.due_at < old.due_at, new.due_at),
                        else_=old.due_at,
                    ),
                    "asked_due": case(
                        (work.c.lease.is_(None), null()),
                        (or_(old.asked_due.is_(None), new.due_at < old.asked_due), new.due_at),
                        else_=old.asked_due,
                    ),
                    "attempts": case((parked, 0), else_=old.attempts),
                    "crashes": case((parked, 0), else_=old.crashes),
                    "failing_since": case((parked, null()), else_=old.failing_since),
                    "parked_at": null(),
                    "reference": func.coalesce(new.reference, old.reference),
                },
            ),
            rows,
        )
        for wake in self._sleepers:
            tx.after_commit(wake)

    async def claim(self, limit: int, *, kinds: Collection[str], busy: Collection[WorkKey] = ()) -> list[Lease]:
        """Lease up to ``limit`` keys that are due: highest priority first, then those due longest; none of ``busy``."""
        present = self._clock()
        async with self._store.transaction() as tx:
            due = (
                select(work)
                .where(_of_kinds(kinds), work.c.due_at <= present, _free(present), ~_is_one_of(busy))
                .order_by(work.c.priority, work.c.due_at, work.c.kind, work.c.name)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            leases = [lease_of(row, secrets.token_hex(8)) for row in await tx.connection.execute(due)]
            for lease in leases:
                # The run begins now, so it answers whatever was asked before.
                values = {"lease": lease.token, "leased_until": present + self.lease_for, "asked_due": None}
                await tx.connection.execute(update(work).where(_is(lease.key)).values(values))
        return leases

    async def renew(self, lease: Lease) -> bool:
        """Hold a key for longer; False if it is somebody else's by now."""
        until = self._clock() + self.lease_for
        async with self._store.transaction() as tx:
            result = await tx.connection.execute(update(work).where(_held(lease)).values(leased_until=until))
            return result.rowcount == 1

    async def settle(self, tx: Transaction, lease: Lease, settled: Settled) -> None:
        """Note a good run: the key is gone, or due when it wants to be looked at again or was asked for meanwhile."""
        row = await self._lock(tx, lease)
        times = [moment for moment in (row.asked_due, settled.look_again) if moment is not None]
        if not times:
            await tx.connection.execute(delete(work).where(_held(lease)))
            return
        priority = row.priority if row.asked_due is not None else int(Priority.ROUTINE)
        await self._give_back(
            tx,
            lease,
            due_at=min(times),
            priority=priority,
            attempts=0,
            crashes=0,
            failing_since=None,
            last_error=None,
            told_at=None,
            told_parked=None,
            reference=row.reference if row.asked_due is not None else None,
        )

    async def retry(
        self, tx: Transaction, lease: Lease, *, why: Value, delay: timedelta, bug: bool = False, told: bool = False
    ) -> None:
        """Note a failed run: the key is due again after ``delay``. ``told``: 事務局室 is told of it in this commit."""
        row = await self._lock(tx, lease)
        present = self._clock()
        await self._give_back(
            tx,
            lease,
            due_at=present + delay,
            attempts=lease.attempts + 1,
            crashes=lease.crashes + bug,
            failing_since=row.failing_since or present,
            last_error=_kept(why),
            told_at=present if told else row.told_at,
        )

    async def park(self, tx: Transaction, lease: Lease, why: Value) -> str | None:
        """Note that trying again is useless, and return the reference by which people name the key.

        None (and due once more) if it was asked for since the run began.
        """
        row = await self._lock(tx, lease)
        if row.asked_due is not None:
            fresh = {"attempts": 0, "crashes": 0, "failing_since": None}
            await self._give_back(tx, lease, due_at=row.asked_due, last_error=_kept(why), **fresh)
            return None
        reference: str = row.reference or new_reference()
        await self._give_back(
            tx,
            lease,
            parked_at=self._clock(),
            last_error=_kept(why),
            told_at=None,
            told_parked=plain(why),
            reference=reference,
        )
        return reference

    async def release(self, tx: Transaction, leases: Iterable[Lease]) -> None:
        """Give keys back untouched: they are due at once."""
        for lease in leases:
            await self._give_back(tx, lease)

    async def hurry(self, tx: Transaction) -> None:
        """Try at a start what waits for another try, and put right what was written while the clock was ahead.

        That would wait until its time comes.
        """
        present = self._clock()
        waits = (work.c.due_at > present, work.c.parked_at.is_(None))
        ahead = or_(work.c.created_at > present, work.c.attempts > 0)
        await tx.connection.execute(update(work).where(*waits, ahead).values(due_at=present))
        beyond = work.c.leased_until > present + 2 * self.lease_for
        await tx.connection.execute(update(work).where(beyond).values(leased_until=present))

    async def drop(self, tx: Transaction, key: WorkKey) -> None:
        """Forget a key that nobody is working on: what it was to look at is gone."""
        await tx.connection.execute(delete(work).where(_is(key), work.c.lease.is_(None)))

    async def next_due(self, *, kinds: Collection[str], busy: Collection[WorkKey] = ()) -> datetime | None:
        """Return when the next key falls due, or its lease runs out; it may be in the past."""
        ours = (_of_kinds(kinds), work.c.parked_at.is_(None), ~_is_one_of(busy))
        # Each begins an index at its earliest: most keys are due some day, and none of those is looked at.
        waiting = select(work.c.due_at).where(*ours, work.c.lease.is_(None)).order_by(work.c.due_at)
        held = select(work.c.leased_until).where(*ours, work.c.leased_until.is_not(None)).order_by(work.c.leased_until)
        async with self._store.reading() as connection:
            found = [await connection.scalar(query.limit(1)) for query in (waiting, held)]
        return min(filter(None, found), default=None)

    async def counts(self, *, kinds: Collection[str] | None = None) -> Counts:
        """Count the keys (of some kinds)."""
        present = self._clock()
        state = case(
            (work.c.parked_at.is_not(None), "parked"),
            (work.c.leased_until > present, "leased"),
            (work.c.due_at <= present, "due"),
            (work.c.attempts > 0, "retrying"),
            else_="later",
        ).label("state")
        query = select(state, func.count().label("number")).group_by("state")
        if kinds is not None:
            query = query.where(work.c.kind.in_(kinds))
        async with self._store.reading() as connection:
            return Counts(**{row.state: row.number for row in await connection.execute(query)})

    async def _lock(self, tx: Transaction, lease: Lease) -> Row[Any]:
        row = (await tx.connection.execute(select(work).where(_held(lease)).with_for_update())).one_or_none()
        if row is None:
            raise LeaseLost(f"the lease on a key of kind {lease.key.kind} is lost")
        return row

    async def _give_back(self, tx: Transaction, lease: Lease, **values: Any) -> None:
        free = {"lease": None, "leased_until": None, "asked_due": None}
        await tx.connection.execute(update(work).where(_held(lease)).values(free | values))


def _kept(why: Value) -> Any:
    return to_json(why) if isinstance(why, Text) else why


def _is(key: WorkKey) -> ColumnElement[bool]:
    return and_(work.c.kind == key.kind, work.c.name == key.name)


def _of_kinds(kinds: Collection[str]) -> ColumnElement[bool]:
    """Most keys are of one kind: an index on it would find them all. Added to, the column is looked up by none."""
    return (work.c.kind + "").in_(kinds)


def _is_one_of(keys: Collection[WorkKey]) -> ColumnElement[bool]:
    return tuple_(work.c.kind, work.c.name).in_([(key.kind, key.name) for key in keys])


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(_is(lease.key), work.c.lease == lease.token)


def _free(present: datetime) -> ColumnElement[bool]:
    return and_(work.c.parked_at.is_(None), or_(work.c.lease.is_(None), work.c.leased_until <= present))
