"""What has to be done every day without anybody asking: forget what is done with, look at every room once.

The work queue is the clock: this is one key that is due again a day later. ``app`` says who has something to forget.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.reconcile.interface import Settled, WorkKey
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

EVERY_DAY = WorkKey("housekeeping", "daily")
#: What was done is kept this long, for looking into what happened.
KEPT = timedelta(days=30)
_DAY = timedelta(days=1)

#: Forgets what was done before a moment; may say how much.
Forget = Callable[[Transaction, datetime], Awaitable[int | None]]


class Housekeeper:
    """Serves ``housekeeping:daily``. ``look_at_everything`` asks for every room: drift that no event told us of."""

    kind = EVERY_DAY.kind

    def __init__(
        self, *, store: Store, forget: Sequence[Forget], look_at_everything: Callable[[Transaction], Awaitable[None]]
    ) -> None:
        self._store = store
        self._forget = forget
        self._look_at_everything = look_at_everything

    async def reconcile(self, name: str) -> Settled:
        """Do it, and again tomorrow."""
        present = now()
        for forget in self._forget:
            async with self._store.transaction() as tx:
                await forget(tx, present - KEPT)
        async with self._store.transaction() as tx:
            await self._look_at_everything(tx)
        return Settled(look_again=present + _DAY)
