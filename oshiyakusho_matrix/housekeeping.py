"""What has to be done every day without anybody asking: forget what is done with, look at every room once.

The work queue is the clock: this is one key that is due again a day later.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import delete

from oshiyakusho_matrix.commands.confirmation import expire
from oshiyakusho_matrix.commands.runs import forget_runs
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.reconcile.interface import Settled, WorkKey
from oshiyakusho_matrix.roster.tables import drift
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

EVERY_DAY = WorkKey("housekeeping", "daily")
#: Handled events and sent messages are kept this long, for looking into what happened.
KEPT = timedelta(days=30)
_DAY = timedelta(days=1)


class Trimmed(Protocol):
    """The inbox and the outbox."""

    async def trim(self, before: datetime) -> int:
        """Forget what was done before."""


class Housekeeper:
    """Serves ``housekeeping:daily``. ``look_at_everything`` asks for every room: drift that no event told us of."""

    kind = EVERY_DAY.kind

    def __init__(
        self,
        *,
        store: Store,
        trimmed: Sequence[Trimmed],
        look_at_everything: Callable[[Transaction], Awaitable[None]],
    ) -> None:
        self._store = store
        self._trimmed = trimmed
        self._look_at_everything = look_at_everything

    async def reconcile(self, name: str) -> Settled:
        """Do it, and again tomorrow."""
        present = now()
        for each in self._trimmed:
            await each.trim(present - KEPT)
        async with self._store.transaction() as tx:
            await expire(tx, present, kept=KEPT)
            await forget_runs(tx, present - KEPT)
            await tx.connection.execute(delete(drift).where(drift.c.reported_at < present - KEPT))
            await self._look_at_everything(tx)
        return Settled(look_again=present + _DAY)
