"""The service in numbers, counted by the database: what it costs does not grow with the size of the community."""

from dataclasses import dataclass
from datetime import datetime

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.outbox.mail import MailSender
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.reconcile.leases import Counts
from oshiyakusho_matrix.reconcile.parked import oldest_due
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.roster.figures import RosterFigures, roster_figures
from oshiyakusho_matrix.store.lanes import Backlog
from oshiyakusho_matrix.store.unit_of_work import Store


@dataclass(frozen=True, slots=True)
class Figures:
    """The service as of ``at``. ``work_oldest`` is since when the key is due that has been due longest."""

    at: datetime
    roster: RosterFigures
    inbox: Backlog
    outbox: Backlog
    work: Counts
    work_oldest: datetime | None
    misfits: int
    mail: Backlog = Backlog()

    @property
    def parked(self) -> int:
        """Return how much waits for a person."""
        return self.inbox.parked + self.outbox.parked + self.work.parked


class Status:
    """Counts; changes nothing."""

    def __init__(
        self, *, store: Store, inbox: Inbox, sender: OutboxSender, queue: WorkQueue, mailer: MailSender | None = None
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._sender = sender
        self._queue = queue
        self._mailer = mailer

    async def figures(self) -> Figures:
        """Return the numbers."""
        present = now()
        async with self._store.reading() as connection:
            roster = await roster_figures(connection)
            work_oldest = await oldest_due(connection, present)
        return Figures(
            at=present,
            roster=roster,
            inbox=await self._inbox.backlog(),
            outbox=await self._sender.backlog(),
            work=await self._queue.counts(),
            work_oldest=work_oldest,
            misfits=self._inbox.misfits,
            mail=await self._mailer.backlog() if self._mailer else Backlog(),
        )
