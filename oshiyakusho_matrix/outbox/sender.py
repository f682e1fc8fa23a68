"""Sends what lies in the outbox: in the order of each room, each message under the transaction id it was born with.

A repeat under the same id is the same message, so a crash or a lost answer makes no double. That holds while the
homeserver remembers the id, which is about a day: what was tried before and is older than 20 hours is not tried again
but parked, for a human to look.
"""

import secrets
from collections.abc import Awaitable, Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, delete, update

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId, new_reference
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, backoff, frames
from oshiyakusho_matrix.homeserver.interface import Forbidden, Messenger, NotDone
from oshiyakusho_matrix.outbox.tables import SECRETARIAT, lanes, outbox_message
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.store.lanes import LOOK_EVERY, MOST_FAILURES, TURN_ENDS, Backlog, RowState
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: How long a repeat is safe. Synapse forgets transaction ids after 24 hours at the earliest.
REMEMBERED = timedelta(hours=20)
#: How often to look whether a missing room is there, if nobody wakes us.
_LOOK_FOR_ROOM = timedelta(seconds=30)
_TURN = 20


class OutboxSender:
    """``run`` sends until ``stop``; ``wake`` has it look at once (also when the secretariat's room was made).

    ``office`` returns which room is 事務局室, None while there is none yet.
    """

    def __init__(
        self,
        store: Store,
        messenger: Messenger,
        office: Callable[[], Awaitable[RoomId | None]],
        outbox: DatabaseOutbox,
        *,
        hands: int = 8,
        now: Callable[[], datetime] = clock_now,
    ) -> None:
        self._store = store
        self._messenger = messenger
        self._where_is_office = office
        self._outbox = outbox
        self._now = now
        self._stopping = False
        self._holder = secrets.token_hex(8)
        self._worker = Worker("outbox", self, hands=hands, look_every=LOOK_EVERY if store.shared else None, now=now)
        self.wake = self._worker.wake
        outbox.wakes(self.wake)

    async def run(self) -> None:
        """Send until ``stop()``."""
        await self._worker.run()

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Finish what is being sent, within ``grace``; the rest goes out after the next start."""
        self._stopping = True
        await self._worker.stop(grace)

    async def idle(self) -> None:
        """Wait until everything that can be sent now has been sent."""
        await self._worker.idle()

    async def backlog(self) -> Backlog:
        """Return what is not sent, and since when."""
        async with self._store.reading() as connection:
            return await lanes.backlog(connection, outbox_message.c.created_at)

    async def retry_parked(self, tx: Transaction, reference: str | None = None) -> int:
        """Send parked messages (of one reference) after all, at somebody's risk that one doubles; return how many."""
        retried = await tx.connection.execute(
            update(outbox_message)
            .where(lanes.is_parked(reference))
            .values(state=RowState.PENDING, failures=0, first_attempt_at=None, due_at=self._now())
        )
        tx.after_commit(self.wake)
        return retried.rowcount

    async def drop_parked(self, tx: Transaction, reference: str) -> int:
        """Give the parked messages of a reference up, and forget them; return how many."""
        return (await tx.connection.execute(delete(outbox_message).where(lanes.is_parked(reference)))).rowcount

    async def forget(self, tx: Transaction, before: datetime) -> int:
        """Forget messages that were sent ``before``; return how many."""
        sent = (outbox_message.c.state == RowState.SENT, outbox_message.c.sent_at < before)
        return (await tx.connection.execute(delete(outbox_message).where(*sent))).rowcount

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Find rooms to which something is to be said. For the worker."""
        present, office = self._now(), await self._office()
        if office is None:
            busy |= {SECRETARIAT}
        taken = await lanes.take(self._store, self._holder, busy=busy, limit=limit, present=present)
        jobs = [Job(lane, partial(self._send_all, lane, self._room(lane, office))) for lane in taken.lanes]
        times = [taken.next_due, None if office else present + _LOOK_FOR_ROOM]
        return Batch(jobs, min((time for time in times if time), default=None))

    async def _office(self) -> RoomId | None:
        try:
            return await self._where_is_office()
        except Temporary as error:
            logger.info("the room of the secretariat is not known now", reason=error.reason)
            return None

    @staticmethod
    def _room(address: str, office: RoomId | None) -> RoomId:
        return office if address == SECRETARIAT and office is not None else RoomId(address)

    async def _send_all(self, address: str, room_id: RoomId) -> None:
        try:
            await self._take_turn(address, room_id)
        finally:
            await lanes.give_back(self._store, self._holder, address)

    async def _take_turn(self, address: str, room_id: RoomId) -> None:
        present = self._now()
        async with self._store.transaction() as tx:
            rows = await lanes.pending(tx.connection, address, limit=_TURN)
            untried = [row.id for row in rows if row.first_attempt_at is None]
            # Before sending, not after: a crash in between must leave a trace.
            await tx.connection.execute(
                update(outbox_message).where(outbox_message.c.id.in_(untried)).values(first_attempt_at=present)
            )
        for number, row in enumerate(rows):
            if self._stopping or self._now() > present + TURN_ENDS:
                await self._unmark(rows[number:], present)
                break
            if not await self._send(row, room_id):
                await self._unmark(rows[number + 1 :], present)
                break

    async def _unmark(self, rows: Sequence[Row[Any]], marked: datetime) -> None:
        """Those that have not been tried after all get no first attempt: their day has not begun."""
        untried = [row.id for row in rows if row.first_attempt_at is None]
        if untried:
            async with self._store.transaction() as tx:
                await tx.connection.execute(
                    update(outbox_message)
                    .where(outbox_message.c.id.in_(untried), outbox_message.c.first_attempt_at == marked)
                    .values(first_attempt_at=None)
                )

    async def _send(self, row: Row[Any], room_id: RoomId) -> bool:
        """Send one message; False if its room has to wait."""
        with following(row.reference):
            return await self._try_to_send(row, room_id)

    async def _try_to_send(self, row: Row[Any], room_id: RoomId) -> bool:
        if row.first_attempt_at is not None and self._now() - row.first_attempt_at > REMEMBERED:
            await self._park(row, "it was tried before and the homeserver may have forgotten that, so it could double")
            return True
        sender = UserId(row.sender) if row.sender else None
        try:
            event_id = await self._messenger.send_event(
                room_id, row.event_type, row.content, transaction_id=row.transaction_id, sender=sender
            )
        except Temporary as error:
            # "Not now" and "nobody there" are known outcomes: nothing was sent.
            unsent = error.retry_after is not None or isinstance(error, NotDone)
            await self._postpone(row, error, unsent=unsent, failures=row.failures)
            return False
        except Permanent as error:
            if isinstance(error, Forbidden) and row.address == SECRETARIAT:
                # Put out of 事務局室 we come back when somebody lets us in, and then it is told what it missed.
                await self._postpone(row, Temporary(error.reason), unsent=True, failures=row.failures)
                return False
            await self._park(row, error.reason)
            return True
        except Exception as error:  # noqa: BLE001 - a bug must not silence the house: tried again, then parked
            logger.error("a message failed", message=row.id, at=frames(error))  # noqa: TRY400 - see frames
            if row.failures + 1 < MOST_FAILURES:
                await self._postpone(row, Temporary(type(error).__name__), failures=row.failures + 1)
                return False
            await self._park(row, type(error).__name__)
            return True
        await self._mark_sent(row, event_id)
        logger.info("a message was sent", message=row.id, event_id=event_id)
        return True

    async def _mark_sent(self, row: Row[Any], event_id: EventId) -> None:
        async with self._store.transaction() as tx:
            sent = {"state": RowState.SENT, "event_id": event_id, "sent_at": self._now()}
            await lanes.change(tx.connection, row, **sent, last_error=None, content={})

    async def _postpone(self, row: Row[Any], error: Temporary, *, failures: int, unsent: bool = False) -> None:
        values = {
            "attempts": row.attempts + 1,
            "failures": failures,
            "due_at": self._now() + backoff(row.attempts + 1, error.retry_after),
            "last_error": error.reason,
        }
        if unsent:
            # The day of the transaction id has not begun.
            values["first_attempt_at"] = row.first_attempt_at
        async with self._store.transaction() as tx:
            await lanes.change(tx.connection, row, **values)
        logger.info("a message waits", message=row.id, reason=error.reason, until=values["due_at"].isoformat())

    async def _park(self, row: Row[Any], reason: str) -> None:
        reference = row.reference or new_reference()
        logger.warning("a message is parked", message=row.id, reference=reference, reason=reason)
        async with self._store.transaction() as tx:
            end = {"state": RowState.PARKED, "attempts": row.attempts + 1, "last_error": reason, "reference": reference}
            parked = await lanes.change(tx.connection, row, **end)
            # A message that 事務局室 refused is not answered with another one to 事務局室.
            if parked and row.address != SECRETARIAT:
                text = say(
                    "I could not deliver a message to the room {room} and have put it aside: {reason} (reference "
                    "number: {reference})",
                    reference=reference,
                    room=row.address,
                    reason=reason,
                )
                with tx.caused_by("parked message", row.transaction_id, str(row.attempts)):
                    await self._outbox.tell_secretariat(tx, text)
