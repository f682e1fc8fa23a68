"""The inbox: keeps what was delivered, then handles it, one event one transaction, in the order of each room.

``routes`` brings transactions, the router says what an event leads to. Correct after ``kill -9`` at any
point: an event is pending until the commit that holds all it led to. A room whose event cannot be handled yet waits;
other rooms do not notice.
"""

import hashlib
import secrets
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, delete, update

from oshiyakusho_matrix.appservice.border import Arrived
from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.appservice.relations import (
    PATIENCE,
    as_it_is_now,
    changes_to,
    first_held,
    hold,
    release,
    target_of,
)
from oshiyakusho_matrix.appservice.tables import (
    inbox_event,
    inbox_transaction,
    keep_events,
    keep_transaction,
    lanes,
    mark_done,
    to_event,
)
from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, backoff, frames
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.store.lanes import LOOK_EVERY, TURN_ENDS, RowState
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: An event that fails this often for no passing reason is parked.
MOST_FAILURES = 5
#: A room with much to say gives way to others after this many events.
_TURN = 50


class Inbox:
    """``receive`` keeps, ``run`` handles. ``route`` is the router. ``misfits`` counts events that could not be kept.

    State that ``bot`` set is not kept: it is what we did ourselves, and making a city hall brings thousands of it.
    """

    def __init__(
        self,
        store: Store,
        route: Listener,
        outbox: Outbox,
        *,
        bot: UserId,
        hands: int = 8,
        now: Callable[[], datetime] = clock_now,
    ) -> None:
        self._store = store
        self._route = route
        self._outbox = outbox
        self._bot = bot
        self._now = now
        self._stopping = False
        self._holder = secrets.token_hex(8)
        self._worker = Worker("inbox", self, hands=hands, look_every=LOOK_EVERY if store.shared else None, now=now)
        self.misfits = 0

    async def receive(self, txn_id: str, arrived: Arrived) -> None:
        """Keep a transaction; once this returns, it may be acknowledged. ``Temporary`` if the database is away."""
        if arrived.misfits:
            self.misfits += len(arrived.misfits)
            logger.warning("events that do not fit were left out", events=list(arrived.misfits))
        news = [event for event in arrived.events if event.state_key is None or event.sender != self._bot]
        if not news:
            return
        digest = hashlib.sha256("\n".join(event.event_id for event in news).encode()).hexdigest()
        async with self._store.transaction() as tx:
            if await keep_transaction(tx.connection, txn_id, digest, self._now()):
                await keep_events(tx.connection, txn_id, [(each, target_of(each)) for each in news], self._now())
                tx.after_commit(self._worker.wake)

    async def run(self) -> None:
        """Handle events until ``stop()``."""
        await self._worker.run()

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Finish the events in hand, within ``grace``; what is left is handled after the next start."""
        self._stopping = True
        await self._worker.stop(grace)

    async def idle(self) -> None:
        """Wait until every event that is due has been handled."""
        await self._worker.idle()

    async def counts(self) -> dict[str, int]:
        """Return how many events are pending and parked."""
        async with self._store.reading() as connection:
            return await lanes.counts(connection)

    async def retry_parked(self, tx: Transaction) -> int:
        """Handle parked events once more, after their cause was mended; return how many."""
        retried = await tx.connection.execute(
            update(inbox_event)
            .where(inbox_event.c.state == RowState.PARKED)
            .values(state=RowState.PENDING, failures=0, due_at=self._now())
        )
        tx.after_commit(self._worker.wake)
        return retried.rowcount

    async def trim(self, before: datetime) -> int:
        """Forget events that were done and transactions that came ``before``; return how many events."""
        async with self._store.transaction() as tx:
            await tx.connection.execute(delete(inbox_transaction).where(inbox_transaction.c.received_at < before))
            gone = await tx.connection.execute(
                delete(inbox_event).where(inbox_event.c.state == RowState.DONE, inbox_event.c.received_at < before)
            )
        return gone.rowcount

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Find rooms with something to handle. For the worker."""
        present = self._now()
        held_until = await self._take_up(present)
        taken = await lanes.take(self._store, self._holder, busy=busy, limit=limit, present=present)
        times = [time for time in (taken.next_due, held_until) if time is not None]
        jobs = [Job(room_id, partial(self._handle_room, room_id)) for room_id in taken.lanes]
        return Batch(jobs, min(times, default=None))

    async def _take_up(self, present: datetime) -> datetime | None:
        """Take up again what has waited long enough for its target; return when there is more of that."""
        async with self._store.reading() as connection:
            until = await first_held(connection)
        if until is None or until > present:
            return until
        async with self._store.transaction() as tx:
            await release(tx.connection, due=present)
            return await first_held(tx.connection)

    async def _handle_room(self, room_id: str) -> None:
        try:
            await self._take_turn(room_id, self._now() + TURN_ENDS)
        finally:
            await lanes.give_back(self._store, self._holder, room_id)

    async def _take_turn(self, room_id: str, until: datetime) -> None:
        async with self._store.reading() as connection:
            rows = await lanes.pending(connection, room_id, limit=_TURN)
            changes = await changes_to(connection, rows)
        # Events that lead to nothing are marked together: most do, and each commit waits for the disk.
        idle: list[Row[Any]] = []
        for row in rows:
            present = self._now()
            over = self._stopping or present > until or row.due_at > present
            if over or not await self._handle(row, changes.get(row.event_id, ()), idle):
                break
        if idle:
            async with self._store.transaction() as tx:
                await self._mark_done(tx, idle)

    async def _handle(self, row: Row[Any], changes: Sequence[Row[Any]], idle: list[Row[Any]]) -> bool:
        """Handle one event; False if its room has to wait."""
        try:
            if row.refers_to is not None and await self._held(row):
                return True
            content = as_it_is_now(row, changes)
            write = None if content is None else await self._route(to_event(row, content, self._now()))
            if write is None:
                idle.append(row)
                return True
            async with self._store.transaction() as tx:
                # Marked first: it locks the row, so that of two workers one writes and the other finds it done.
                if await self._mark_done(tx, [row]):
                    await write(tx)
        except Temporary as error:
            await self._postpone(row, error.reason, failures=row.failures, retry_after=error.retry_after)
            return False
        except Exception as error:  # noqa: BLE001 - a bug in one listener must not stop the house: tried again, then parked
            reason = error.reason if isinstance(error, Permanent) else type(error).__name__
            logger.error("an event failed", reference=row.reference, type=row.type, at=frames(error))  # noqa: TRY400 - see frames
            if row.failures + 1 < MOST_FAILURES:
                await self._postpone(row, reason, failures=row.failures + 1)
                return False
            await self._park(row, reason)
        return True

    async def _held(self, row: Row[Any]) -> bool:
        async with self._store.transaction() as tx:
            return await hold(tx.connection, row, self._now() + PATIENCE)

    async def _mark_done(self, tx: Transaction, rows: Sequence[Row[Any]]) -> bool:
        """Mark events as done and take up what waits for them; False if another worker was faster."""
        done = await mark_done(tx.connection, [row.seq for row in rows])
        if await release(tx.connection, about=[row.event_id for row in rows]):
            tx.after_commit(self._worker.wake)
        return done

    async def _postpone(
        self, row: Row[Any], reason: str, *, failures: int, retry_after: timedelta | None = None
    ) -> None:
        due_at = self._now() + backoff(row.attempts + 1, retry_after)
        async with self._store.transaction() as tx:
            await tx.connection.execute(
                update(inbox_event)
                .where(inbox_event.c.seq == row.seq, inbox_event.c.state == RowState.PENDING)
                .values(attempts=row.attempts + 1, failures=failures, due_at=due_at, last_error=reason)
            )
        logger.info("an event waits", reference=row.reference, type=row.type, reason=reason, until=due_at.isoformat())

    async def _park(self, row: Row[Any], reason: str) -> None:
        async with self._store.transaction() as tx:
            parked = await tx.connection.execute(
                update(inbox_event)
                .where(inbox_event.c.seq == row.seq, inbox_event.c.state == RowState.PENDING)
                .values(state=RowState.PARKED, failures=MOST_FAILURES, attempts=row.attempts + 1, last_error=reason)
            )
            if parked.rowcount:
                await self._outbox.tell_secretariat(
                    tx,
                    say(
                        "I could not handle a message or change in a room and have put it aside; nothing was half "
                        "done. Please give the operators the reference {reference} (kind: {kind}, cause: {reason}).",
                        reference=row.reference,
                        kind=row.type,
                        reason=reason,
                    ),
                )
