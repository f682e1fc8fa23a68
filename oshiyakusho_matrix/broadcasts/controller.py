"""The clock of a talk: opens the doors, starts it, takes questions, ends it, reminds those who come.

All of it is records and words in one commit; the power levels that follow are made by the rooms' controller.
"""

from oshiyakusho_matrix.broadcasts.service import KIND, Programme
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.store.unit_of_work import Store


class TalkController:
    """Serves ``talk:12``."""

    kind = KIND

    def __init__(self, *, store: Store, programme: Programme) -> None:
        self._store, self._programme = store, programme

    async def reconcile(self, name: str) -> Settled:
        """Do what is due by now, and come back when the next is."""
        async with self._store.transaction() as tx:
            return Settled(look_again=await self._programme.catch_up(tx, int(name)))
