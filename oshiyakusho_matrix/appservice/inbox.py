"""The inbox: keeps what was delivered, then handles it, one event one transaction, in the order of each room.

``routes`` brings transactions, the router says what an event leads to. Correct after ``kill -9`` at any
point: an event is pending until the commit that holds all it led to. A room whose event cannot be handled yet waits;
other rooms do not notice.
"""

import secrets
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, delete

from oshiyakusho_matrix.appservice import parked
from oshiyakusho_matrix.appservice.border import Arrived
from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.appservice.letters import Letters, Sieve
from oshiyakusho_matrix.appservice.precedence import Precedence
from oshiyakusho_matrix.appservice.relations import (
    PATIENCE,
    Changes,
    as_it_is_now,
    changes_to,
    finish,
    first_held,
    hold,
    release,
    take_up,
)
from oshiyakusho_matrix.appservice.tables import inbox_event, lanes
from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, backoff, frames
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.store.lanes import LOOK_EVERY, MOST_FAILURES, TURN_ENDS, Backlog, RowState
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: The key of the job that sorts letters; no room is called so.
_SORTING = "letters"
#: A room with much to say gives way to others after this many events.
_TURN = 50
#: So many rooms are worked on while letters wait to be sorted.
_MEANWHILE = 2


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
        sieve: Sieve | None = None,
        hands: int = 8,
        now: Callable[[], datetime] = clock_now,
    ) -> None:
        self._store = store
        self._route = route
        self._outbox = outbox
        self._letters = Letters(store, outbox, bot=bot, sieve=sieve, now=now)
        self._now = now
        self._stopping = False
        self._precedence = Precedence()
        self._sorting = self._more = False
        self._holder = secrets.token_hex(8)
        self._worker = Worker("inbox", self, hands=hands, look_every=LOOK_EVERY if store.shared else None, now=now)
        self.wake = self._worker.wake

    @property
    def misfits(self) -> int:
        """How many events could not be kept since the start."""
        return self._letters.misfits

    async def receive(self, txn_id: str, arrived: Arrived) -> None:
        """Keep a transaction; once this returns, it may be acknowledged. ``Temporary`` if the database is away."""
        with self._precedence.arriving():
            if await self._letters.keep(txn_id, arrived):
                self._more = True
                if not self._sorting:
                    self._worker.wake()

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

    async def backlog(self) -> Backlog:
        """Return what is not done, and since when."""
        async with self._store.reading() as connection:
            sorted_ = await lanes.backlog(connection, inbox_event.c.received_at)
            unsorted, first = await self._letters.count(connection), await self._letters.first(connection)
            damaged = await parked.count_letters(connection)
        oldest = min((at for at in (sorted_.oldest, first) if at is not None), default=None)
        return Backlog(sorted_.pending + unsorted, sorted_.held, sorted_.parked + damaged, oldest)

    async def retry_parked(self, tx: Transaction, reference: str | None = None) -> int:
        """Handle what is parked (under one reference) once more, after its cause was mended; return how much."""
        tx.after_commit(self._worker.wake)
        return await parked.retry(tx, reference, self._now())

    async def drop_parked(self, tx: Transaction, reference: str) -> int:
        """Give up what is parked under a reference; return how much."""
        tx.after_commit(self._worker.wake)
        return await parked.drop(tx, reference)

    async def forget(self, tx: Transaction, before: datetime) -> int:
        """Forget events that came ``before`` and are done; return how many."""
        done = (inbox_event.c.state == RowState.DONE, inbox_event.c.received_at < before)
        return (await tx.connection.execute(delete(inbox_event).where(*done))).rowcount

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Find letters to sort, and rooms with something to handle. For the worker."""
        await self._precedence.give_way()
        present = self._now()
        async with self._store.reading() as connection:
            held_until, unsorted = await first_held(connection), await self._letters.any(connection)
        if held_until is not None and held_until <= present:
            held_until = await take_up(self._store, present)
        sorting = [Job(_SORTING, self._sort)] if unsorted and _SORTING not in busy else []
        if unsorted:
            # What came last is asked for in a room that may be quiet: it is known once all is sorted.
            limit = min(limit, max(1 + _MEANWHILE - len(busy), 0))
        limit -= len(sorting)
        if limit <= 0:
            return Batch(sorting)
        taken = await lanes.take(self._store, self._holder, busy=busy, limit=limit, present=present)
        times = [time for time in (taken.next_due, held_until) if time is not None]
        jobs = [Job(room_id, partial(self._handle_room, room_id)) for room_id in taken.lanes]
        return Batch([*sorting, *jobs], min(times, default=None))

    async def _sort(self) -> None:
        """Sort all letters; what comes meanwhile, too."""
        self._sorting = self._more = True
        try:
            while self._more and not self._stopping:
                self._more = False
                while not self._stopping and await self._letters.sort():
                    self._worker.wake()
                    await self._precedence.give_way()
        finally:
            self._sorting = False

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
            await self._precedence.give_way()
            present = self._now()
            if self._stopping or present > until or row.due_at > present:
                break
            with following(row.reference):
                if not await self._handle(row, changes, idle):
                    break
        if idle:
            async with self._store.transaction() as tx:
                await self._mark_done(tx, idle, changes)

    async def _handle(self, row: Row[Any], changes: Changes, idle: list[Row[Any]]) -> bool:
        """Handle one event; False if its room has to wait."""
        try:
            if row.refers_to is not None and await self._held(row):
                return True
            event = await as_it_is_now(self._store, row, changes.get(row.event_id, ()), self._now())
            write = None if event is None else await self._route(event)
            if write is None:
                idle.append(row)
                return True
            async with self._store.transaction() as tx:
                # Marked first: it locks the row, so that of two workers one writes and the other finds it done.
                if await self._mark_done(tx, [row], changes):
                    with tx.caused_by("event", row.event_id):
                        await write(tx)
            logger.info("an event was handled", transaction=row.txn_id, event_id=row.event_id, type=row.type)
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

    async def _mark_done(self, tx: Transaction, rows: Sequence[Row[Any]], changes: Changes) -> bool:
        """Mark events as done and take up what waits for them; False if another worker was faster."""
        done = await finish(tx.connection, rows, changes)
        if await release(tx.connection, about=[row.event_id for row in rows]):
            tx.after_commit(self._worker.wake)
        return done

    async def _postpone(
        self, row: Row[Any], reason: str, *, failures: int, retry_after: timedelta | None = None
    ) -> None:
        due_at = self._now() + backoff(row.attempts + 1, retry_after)
        async with self._store.transaction() as tx:
            again = {"attempts": row.attempts + 1, "failures": failures, "due_at": due_at, "last_error": reason}
            await lanes.change(tx.connection, row, **again)
        logger.info("an event waits", reference=row.reference, type=row.type, reason=reason, until=due_at.isoformat())

    async def _park(self, row: Row[Any], reason: str) -> None:
        async with self._store.transaction() as tx:
            if await lanes.change(
                tx.connection,
                row,
                state=RowState.PARKED,
                attempts=row.attempts + 1,
                failures=MOST_FAILURES,
                last_error=reason,
            ):
                with tx.caused_by("parked event", row.event_id, str(row.attempts)):
                    await parked.tell(tx, self._outbox, row, reason)
