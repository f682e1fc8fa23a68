"""Tables whose rows are handled one after another within a lane (a room), and lanes side by side.

The inbox and the outbox both are such tables. The head of a lane is its first pending row: while that one waits, the
whole lane waits, so the order within a room is kept whatever fails.

Where several processes share a database (PostgreSQL), whoever works on a lane holds a lease on it. Leases only save
work: should two processes have the same lane after all (one was slow), each row still ends once, because its state
changes once, and in order, because nobody goes on to a row before the one ahead of it has ended.
"""

import secrets
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BindParameter,
    Column,
    ColumnElement,
    PrimaryKeyConstraint,
    Row,
    Select,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store

#: A process that was killed keeps its lanes for so long. Turns are kept shorter (``TURN_ENDS``), so nothing is renewed.
LEASE: Final = timedelta(seconds=10)
#: After so long a lane is given back, although there may be more to do in it.
TURN_ENDS: Final = timedelta(seconds=5)
#: A row that fails this often for no passing reason is parked.
MOST_FAILURES: Final = 5
#: How often to look for rows that other processes wrote, or left behind.
LOOK_EVERY: Final = timedelta(seconds=2)

#: Who works on which lane now; empty whenever nothing is under way.
lane_lease = Table(
    "lane_lease",
    metadata,
    Column("queue", String(16)),
    Column("lane", String(255)),
    Column("holder", String(16), nullable=False),
    Column("leased_until", Moment, nullable=False),
    PrimaryKeyConstraint("queue", "lane"),
)


class RowState(StrEnum):
    """Where a row stands. Its end is ``DONE`` in the inbox and ``SENT`` in the outbox; parked rows wait for a human.

    ``HELD`` is an event of the inbox that came before the one that it is about; its lane goes on without it.
    """

    PENDING = "pending"
    HELD = "held"
    DONE = "done"
    SENT = "sent"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Taken:
    """Lanes to work on now, and when the head of another one falls due."""

    lanes: Sequence[str]
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many rows wait, are held, are parked, and since when the oldest waits (None if none does)."""

    pending: int = 0
    held: int = 0
    parked: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lanes:
    """How to find the lanes of a table: its columns ``state`` and ``due_at``, the order, and what names the lane."""

    queue: str
    table: Table
    order: Column[Any]
    lane: Column[Any]

    async def take(
        self, store: Store, holder: str, *, busy: frozenset[Hashable], limit: int, present: datetime
    ) -> Taken:
        """Return up to ``limit`` lanes whose heads are due, none of ``busy`` and none that another process holds.

        Half of them are those that have waited longest, half are those that came last: behind a long backlog, what is
        asked in a quiet room is answered at once all the same.
        """
        if not store.shared:
            async with store.reading() as connection:
                return await self._look(connection, holder, busy, limit, present)
        async with store.transaction() as tx:
            found = await self._look(tx.connection, holder, busy, limit, present)
            if not found.lanes:
                return found
            claim = upsert(tx.connection, lane_lease)
            until = {"holder": holder, "leased_until": present + LEASE}
            # Sorted, so that two processes that want the same lanes wait for each other in one direction only.
            rows = [{"queue": self.queue, "lane": lane} | until for lane in sorted(found.lanes)]
            claimed = await tx.connection.scalars(
                claim.values(rows)
                .on_conflict_do_update(
                    index_elements=[lane_lease.c.queue, lane_lease.c.lane],
                    set_=until,
                    where=or_(lane_lease.c.leased_until <= present, lane_lease.c.holder == holder),
                )
                .returning(lane_lease.c.lane)
            )
            mine = set(claimed)
        # Whoever was slower looks again at once: there may be others.
        next_due = found.next_due if len(mine) == len(found.lanes) else present
        return Taken([lane for lane in found.lanes if lane in mine], next_due)

    async def give_back(self, store: Store, holder: str, lane: str) -> None:
        """Let others have a lane again."""
        if not store.shared:
            return
        async with store.transaction() as tx:
            await tx.connection.execute(
                delete(lane_lease).where(
                    lane_lease.c.queue == self.queue, lane_lease.c.lane == lane, lane_lease.c.holder == holder
                )
            )

    async def pending(self, connection: AsyncConnection, lane: str, *, limit: int) -> Sequence[Row[Any]]:
        """Return the pending rows of a lane from its head on, in order."""
        query = (
            select(self.table)
            .where(self.table.c.state == RowState.PENDING, self.lane == lane)
            .order_by(self.order)
            .limit(limit)
        )
        return (await connection.execute(query)).all()

    async def change(self, connection: AsyncConnection, row: Row[Any], **values: Any) -> bool:
        """Change a row that is pending; False (and nothing is changed) if another worker was faster and it is not."""
        still = (self.order == row._mapping[self.order.name], self.table.c.state == RowState.PENDING)
        return bool((await connection.execute(update(self.table).where(*still).values(values))).rowcount)

    async def hurry(self, connection: AsyncConnection, present: datetime) -> None:
        """Have what waits tried at once, as after a start: the clock by which it waits may have been wrong."""
        waiting = (self.table.c.state == RowState.PENDING, self.table.c.due_at > present)
        await connection.execute(update(self.table).where(*waiting).values(due_at=present))
        beyond = (lane_lease.c.queue == self.queue, lane_lease.c.leased_until > present + 2 * LEASE)
        await connection.execute(delete(lane_lease).where(*beyond))

    async def backlog(self, connection: AsyncConnection, since: Column[Any]) -> Backlog:
        """Count what is not done; ``since`` is the column that says when a row came."""
        state = self.table.c.state
        waiting = (RowState.PENDING, RowState.HELD, RowState.PARKED)
        query = select(state, func.count(), func.min(since, type_=since.type)).where(state.in_(waiting)).group_by(state)
        found = {row[0]: (row[1], row[2]) for row in await connection.execute(query)}
        pending, held, parked = (found.get(each, (0, None)) for each in waiting)
        return Backlog(pending[0], held[0], parked[0], oldest=pending[1])

    async def parked(
        self, connection: AsyncConnection, *, reference: str | None = None, limit: int | None = None
    ) -> Sequence[Row[Any]]:
        """Return parked rows (of one reference), in order."""
        query = select(self.table).where(self.is_parked(reference)).order_by(self.order).limit(limit)
        return (await connection.execute(query)).all()

    async def failing(
        self, connection: AsyncConnection, *, limit: int, but: str | None = None
    ) -> tuple[int, Sequence[Row[Any]]]:
        """Return how many rows have failed and are tried again, and the first of them; none of the reference ``but``.

        What waits behind one of them in its lane has not failed.
        """
        failing = [self.table.c.state == RowState.PENDING, self.table.c.attempts > 0]
        if but is not None:
            failing.append(self.table.c.reference.is_distinct_from(but))
        count = await connection.scalar(select(func.count()).select_from(self.table).where(*failing)) or 0
        rows = await connection.execute(select(self.table).where(*failing).order_by(self.order).limit(limit))
        return count, rows.all()

    def is_parked(self, reference: str | None = None) -> ColumnElement[bool]:
        """Return the condition that a row is parked (and of one reference)."""
        parked = self.table.c.state == RowState.PARKED
        return parked if reference is None else and_(parked, self.table.c.reference == reference)

    async def _look(
        self, connection: AsyncConnection, holder: str, busy: frozenset[Hashable], limit: int, present: datetime
    ) -> Taken:
        newest = limit // 2 if limit > 1 else secrets.randbelow(2)
        share = {"oldest": limit - newest, "newest": newest}
        values = {"holder": holder, "busy": sorted(map(str, busy)), "present": present} | share
        rows = (await connection.execute(_to_take(self), values)).all()
        return Taken([row.lane for row in rows if row.lane is not None], rows[0].next_due)


@cache
def _to_take(lanes: Lanes) -> Select[Any]:
    """Return the query for lanes to take, beside each of them (or alone) when the head of another one falls due.

    Built once: it is asked whenever anything happens, and building it takes longer than asking.
    """
    time = lanes.table.c.due_at.type
    present: BindParameter[Any] = bindparam("present", type_=time)
    heads = _heads(lanes, present)
    ranked = (
        select(
            heads.c.lane,
            func.row_number().over(order_by=[heads.c.due_at, heads.c.first]).label("oldest"),
            func.row_number().over(order_by=[heads.c.due_at.desc(), heads.c.first.desc()]).label("newest"),
        )
        .where(heads.c.due_at <= present)
        .subquery()
    )
    chosen = (
        select(ranked.c.lane, ranked.c.oldest)
        .where(or_(ranked.c.oldest <= bindparam("oldest"), ranked.c.newest <= bindparam("newest")))
        .subquery()
    )
    later = select(func.min(heads.c.due_at, type_=time).label("next_due")).where(heads.c.due_at > present).subquery()
    return (
        select(chosen.c.lane, later.c.next_due).select_from(later.outerjoin(chosen, true())).order_by(chosen.c.oldest)
    )


def _heads(lanes: Lanes, present: BindParameter[Any]) -> CTE:
    """The head of each lane that is free."""
    held = select(lane_lease.c.lane).where(
        lane_lease.c.queue == lanes.queue,
        lane_lease.c.leased_until > present,
        lane_lease.c.holder != bindparam("holder"),
    )
    first = (
        select(func.min(lanes.order).label("first"))
        .where(
            lanes.table.c.state == RowState.PENDING,
            lanes.lane.not_in(bindparam("busy", expanding=True)),
            lanes.lane.not_in(held),
        )
        .group_by(lanes.lane)
        .subquery()
    )
    return (
        select(lanes.lane.label("lane"), lanes.table.c.due_at, first.c.first)
        .join(first, first.c.first == lanes.order)
        .cte("heads")
    )
