"""E-mail in the outbox: written in the commit of its reason, sealed; sent at least once, or refused, or given up.

``MailOutbox`` is what writes it, ``MailSender`` the worker that has it delivered. Unlike a homeserver, a mail server
remembers nothing: killed between its answer and our note of it, we send once more, under the same Message-ID, by which
mail programs may tell. Otherwise it is once: whoever sends has moved ``due_at`` on before, so that no other process
takes the mail meanwhile. What fails is tried again until the mail expires. Nothing is ever parked: what is mailed is of
use for an hour or some days.
"""

import json
import secrets
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Row, and_, delete, or_, update

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, backoff, frames
from oshiyakusho_matrix.outbox.interface import (
    EndedMail,
    MailDelayed,
    MailEnd,
    MailRefused,
    MailTransport,
    OnMailEnd,
    Sender,
)
from oshiyakusho_matrix.outbox.letter import letter
from oshiyakusho_matrix.outbox.tables import mail_lanes, mail_message
from oshiyakusho_matrix.store.lanes import LOOK_EVERY, MOST_FAILURES, Backlog, RowState
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: By how much longer than its transport takes a mail is in the hands of whoever sends it.
_MARGIN: Final = timedelta(seconds=10)
#: The first rest is 16 s, not 1: a server that does not know us wants to be asked again after minutes (greylisting).
_RESTED_BEFORE: Final = 4
_LONGEST_REST: Final = backoff(100)


class MailOutbox:
    """Keeps e-mails in the database until they have ended; implements ``interface.Mail``."""

    def __init__(self, sealer: Sealer, sender: Sender, *, now: Callable[[], datetime] = clock_now) -> None:
        self._sealer = sealer
        self._sender = sender
        self._now = now
        self._wake: Callable[[], None] | None = None

    def wakes(self, wake: Callable[[], None]) -> None:
        """Say whom to wake when there is something to send."""
        self._wake = wake

    async def send(
        self, tx: Transaction, *, to: str, subject: str, text: str, reference: str, expires_at: datetime
    ) -> str:
        """See ``Mail.send``."""
        present = self._now()
        message_id = f"och-{tx.new_name()}@{self._sender.domain}"
        # Whoever asks for a mail that cannot be written hears of it now, and not the log in an hour.
        letter(self._sender, to=to, subject=subject, text=text, message_id=message_id, at=present)
        content = json.dumps({"to": to, "subject": subject, "text": text}, ensure_ascii=False)
        row = {
            "reference": reference,
            "sealed": self._sealer.seal(content, _context(message_id)),
            "message_id": message_id,
            "state": RowState.PENDING,
            "attempts": 0,
            "failures": 0,
            "due_at": present,
            "expires_at": expires_at,
            "created_at": present,
        }
        written = upsert(tx.connection, mail_message).values(row)
        # What is here under this id has been mailed.
        await tx.connection.execute(written.on_conflict_do_nothing(index_elements=["message_id"]))
        if self._wake is not None:
            tx.after_commit(self._wake)
        return message_id


def in_hand_for(transport: MailTransport) -> timedelta:
    """Return for how long a mail is nobody else's: after that whoever had it in hand has died."""
    return transport.longest + _MARGIN


class MailSender:
    """``run`` sends until ``stop``. ``on_end`` are told how each mail ended, in the commit in which it does."""

    def __init__(
        self,
        store: Store,
        transport: MailTransport,
        outbox: MailOutbox,
        sealer: Sealer,
        *,
        on_end: Sequence[OnMailEnd] = (),
        hands: int = 4,
        now: Callable[[], datetime] = clock_now,
    ) -> None:
        self._store = store
        self._transport = transport
        self._sealer = sealer
        self._on_end = tuple(on_end)
        self._now = now
        self._holder = secrets.token_hex(8)
        self._worker = Worker("mail", self, hands=hands, look_every=LOOK_EVERY if store.shared else None, now=now)
        self.wake = self._worker.wake
        outbox.wakes(self.wake)

    async def run(self) -> None:
        """Send until ``stop()``."""
        await self._worker.run()

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Finish what is being sent, within ``grace``; the rest goes out after the next start."""
        await self._worker.stop(grace)

    async def idle(self) -> None:
        """Wait until everything that can be sent now has been sent."""
        await self._worker.idle()

    async def hurry(self, tx: Transaction) -> None:
        """Have what waits tried at once, as after a start; but not what another process may have in hand."""
        later = self._now() + (in_hand_for(self._transport) + _LONGEST_REST if self._store.shared else timedelta())
        waiting = (mail_message.c.state == RowState.PENDING, mail_message.c.due_at > later)
        await tx.connection.execute(update(mail_message).where(*waiting).values(due_at=self._now()))
        tx.after_commit(self.wake)

    async def backlog(self) -> Backlog:
        """Return how many mails are not sent, and since when."""
        async with self._store.reading() as connection:
            return await mail_lanes.backlog(connection, mail_message.c.created_at)

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Find mails that are due. For the worker."""
        taken = await mail_lanes.take(self._store, self._holder, busy=busy, limit=limit, present=self._now())
        return Batch([Job(lane, partial(self._turn, lane)) for lane in taken.lanes], taken.next_due)

    async def _turn(self, lane: str) -> None:
        try:
            for row in await self._claim(lane):
                with following(row.reference):
                    await self._send(row)
        finally:
            await mail_lanes.give_back(self._store, self._holder, lane)

    async def _claim(self, lane: str) -> Sequence[Row[Any]]:
        """Take the mail of a lane into our hands: nothing, if another process has it."""
        present = self._now()
        async with self._store.transaction() as tx:
            mine = (
                mail_message.c.message_id == lane,
                mail_message.c.state == RowState.PENDING,
                mail_message.c.due_at <= present,
            )
            in_hand = {"due_at": present + in_hand_for(self._transport), "attempts": mail_message.c.attempts + 1}
            taken = update(mail_message).where(*mine).values(in_hand).returning(mail_message)
            rows: Sequence[Row[Any]] = (await tx.connection.execute(taken)).all()
        return rows

    async def _send(self, row: Row[Any]) -> None:
        if row.expires_at is None or row.expires_at <= self._now():
            await self._end(row, MailEnd.GIVEN_UP, row.last_error)
            return
        try:
            await self._deliver(row)
        except MailRefused as error:
            await self._end(row, MailEnd.REFUSED, str(error.code))
        except MailDelayed as error:
            await self._wait(row, error.cause)
        except Permanent as error:
            # Nothing that this product writes: the key is lost, or the row was changed.
            logger.error("an e-mail cannot be read", message=row.id, reason=error.reason)  # noqa: TRY400 - see frames
            await self._end(row, MailEnd.GIVEN_UP, "cannot be opened")
        except Exception as error:  # noqa: BLE001 - a bug must not stop the others: tried again, then given up
            logger.error("an e-mail failed", message=row.id, at=frames(error))  # noqa: TRY400 - see frames
            if row.failures + 1 < MOST_FAILURES:
                await self._wait(row, type(error).__name__, failures=row.failures + 1)
            else:
                await self._end(row, MailEnd.GIVEN_UP, type(error).__name__)
        else:
            await self._end(row, MailEnd.SENT, None)

    async def _deliver(self, row: Row[Any]) -> None:
        content = json.loads(self._sealer.open(row.sealed, _context(row.message_id)))
        message = letter(self._transport.sender, **content, message_id=row.message_id, at=row.created_at)
        await self._transport.deliver(message, content["to"])

    async def _wait(self, row: Row[Any], cause: str, **more: int) -> None:
        until = self._now() + backoff(row.attempts + _RESTED_BEFORE)
        # Given up when it expires, not at the next try after that: somebody waits to be told.
        values = {"due_at": min(until, row.expires_at), "last_error": cause[:64], **more}
        async with self._store.transaction() as tx:
            await mail_lanes.change(tx.connection, row, **values)
        logger.info("an e-mail waits", message=row.id, cause=cause, until=values["due_at"].isoformat())

    async def _end(self, row: Row[Any], end: MailEnd, cause: str | None) -> None:
        log = logger.info if end is MailEnd.SENT else logger.warning
        log("an e-mail has ended", message=row.id, outcome=end.value, cause=cause)
        try:
            await self._note_end(row, end, cause, self._on_end)
        except Temporary:
            # Not noted it would be sent again, so a second try is worth more than here elsewhere.
            await self._note_end(row, end, cause, self._on_end)
        except Exception as error:  # noqa: BLE001 - see below
            # A mail that was sent must not be sent again and again because somebody does not want to hear of it.
            where = error.reason if isinstance(error, Permanent) else frames(error)
            logger.error("the end of an e-mail was not taken note of", message=row.id, at=where)  # noqa: TRY400
            await self._note_end(row, end, cause, ())

    async def _note_end(self, row: Row[Any], end: MailEnd, cause: str | None, told: Sequence[OnMailEnd]) -> None:
        ended = {"state": RowState.DONE, "outcome": end.value, "ended_at": self._now(), "sealed": b""}
        async with self._store.transaction() as tx:
            if await mail_lanes.change(tx.connection, row, **ended, last_error=cause and cause[:64]):
                for tell in told:
                    await tell(tx, EndedMail(row.message_id, row.reference, end))


def _context(message_id: str) -> str:
    return f"mail_message.sealed:{message_id}"


async def forget_mails(tx: Transaction, before: datetime) -> int:
    """Forget mails that ended ``before``, and those that nobody could send since; return how many."""
    ended = and_(mail_message.c.state == RowState.DONE, mail_message.c.ended_at < before)
    left = and_(mail_message.c.state == RowState.PENDING, mail_message.c.expires_at < before)
    return (await tx.connection.execute(delete(mail_message).where(or_(ended, left)))).rowcount
