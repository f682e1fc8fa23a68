"""Keys that have failed: those that wait for a person, and those that are tried again by themselves.

``!status`` and ``doctor`` list them. What is parked ``!retry`` takes up again and ``!drop`` gives up; it is named by a
reference number, which all have in common that one event asked for.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.text import Value, from_json
from oshiyakusho_matrix.reconcile.interface import Priority, WorkKey
from oshiyakusho_matrix.reconcile.leases import FailingWork, ParkedWork
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.store.unit_of_work import Transaction


async def parked_keys(
    connection: AsyncConnection, *, reference: str | None = None, limit: int | None = None
) -> list[ParkedWork]:
    """Return the parked keys (of one reference), the latest last."""
    query = select(work).where(work.c.parked_at.is_not(None)).order_by(work.c.parked_at, work.c.kind, work.c.name)
    if reference is not None:
        query = query.where(work.c.reference == reference)
    rows = await connection.execute(query.limit(limit))
    return [ParkedWork(WorkKey(r.kind, r.name), _read(r.last_error), r.parked_at, r.reference or "") for r in rows]


async def failing_keys(connection: AsyncConnection, *, limit: int) -> tuple[int, list[FailingWork]]:
    """Return how many keys have failed and are tried again, and those that have failed for longest."""
    failing = (work.c.attempts > 0, work.c.parked_at.is_(None))
    count = await connection.scalar(select(func.count()).select_from(work).where(*failing)) or 0
    longest = select(work).where(*failing).order_by(work.c.failing_since, work.c.kind, work.c.name).limit(limit)
    return count, [
        FailingWork(WorkKey(r.kind, r.name), _read(r.last_error), r.attempts, r.failing_since or r.created_at, r.due_at)
        for r in await connection.execute(longest)
    ]


async def retry_parked(tx: Transaction, queue: WorkQueue, reference: str | None = None) -> list[WorkKey]:
    """Have every parked key tried again, or those of one reference; return them."""
    keys = [parked.key for parked in await parked_keys(tx.connection, reference=reference)]
    await queue.ask(tx, *keys, priority=Priority.ASKED)
    return keys


async def drop_parked(tx: Transaction, reference: str) -> int:
    """Forget the parked keys of a reference; return how many. Whoever asks for one anew has it tried anew."""
    # Looked for and forgotten at once: what is asked for in between is parked no more.
    parked = (work.c.parked_at.is_not(None), work.c.reference == reference)
    return (await tx.connection.execute(delete(work).where(*parked))).rowcount


async def oldest_due(connection: AsyncConnection, present: datetime) -> datetime | None:
    """Return since when the key is due that has been due longest; None if nothing is due."""
    query = select(func.min(work.c.due_at, type_=work.c.due_at.type)).where(
        work.c.due_at <= present, work.c.parked_at.is_(None)
    )
    found: datetime | None = await connection.scalar(query)
    return found


def _read(kept: Any) -> Value:
    """Read a reason back; one that cannot be read any more is told as it stands."""
    try:
        return from_json(kept) if isinstance(kept, Mapping) else str(kept)
    except (KeyError, TypeError, AttributeError):
        return str(kept)
