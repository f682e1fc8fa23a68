"""Tables whose rows are handled one after another within a lane (a room), and lanes side by side.

The inbox and the outbox both are such tables. The head of a lane is its first pending row: while that one waits, the
whole lane waits, so the order within a room is kept whatever fails.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Row, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection


class RowState(StrEnum):
    """Where a row stands. Its end is ``DONE`` in the inbox and ``SENT`` in the outbox; parked rows wait for a human."""

    PENDING = "pending"
    DONE = "done"
    SENT = "sent"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Lanes:
    """How to find the lanes of a table: its columns ``state`` and ``due_at``, the order, and what names the lane."""

    table: Table
    order: Column[Any]
    lane: Column[Any]

    async def heads(
        self, connection: AsyncConnection, *, busy: frozenset[Hashable], limit: int
    ) -> list[tuple[str, datetime]]:
        """Return the lanes that have pending rows, with when their heads are due, the earliest first."""
        first = (
            select(func.min(self.order).label("first"))
            .where(self.table.c.state == RowState.PENDING, self.lane.not_in(sorted(map(str, busy))))
            .group_by(self.lane)
            .subquery()
        )
        query = (
            select(self.lane, self.table.c.due_at)
            .join(first, first.c.first == self.order)
            .order_by(self.table.c.due_at, self.order)
            .limit(limit)
        )
        return [(lane, due_at) for lane, due_at in await connection.execute(query)]

    async def pending(self, connection: AsyncConnection, lane: str, *, limit: int) -> Sequence[Row[Any]]:
        """Return the pending rows of a lane from its head on, in order."""
        query = (
            select(self.table)
            .where(self.table.c.state == RowState.PENDING, self.lane == lane)
            .order_by(self.order)
            .limit(limit)
        )
        return (await connection.execute(query)).all()

    async def counts(self, connection: AsyncConnection) -> dict[str, int]:
        """Return how many rows wait and how many are parked, for health and metrics."""
        waiting = (RowState.PENDING, RowState.PARKED)
        query = (
            select(self.table.c.state, func.count()).where(self.table.c.state.in_(waiting)).group_by(self.table.c.state)
        )
        found = {row[0]: row[1] for row in await connection.execute(query)}
        return {state.value: found.get(state, 0) for state in waiting}
