"""The clock of a talk: opens the doors, starts it, takes questions, ends it, reminds those who come.

All of it is records and words in one commit; the power levels that follow are made by the rooms' controller.
"""

from oshiyakusho_matrix.broadcasts.backstage.controller import backstage_key
from oshiyakusho_matrix.broadcasts.service import KIND, Programme
from oshiyakusho_matrix.reconcile.interface import Settled, Work
from oshiyakusho_matrix.store.unit_of_work import Store


class TalkController:
    """Serves ``talk:12``."""

    kind = KIND

    def __init__(self, *, store: Store, work: Work, programme: Programme) -> None:
        self._store, self._work, self._programme = store, work, programme

    async def reconcile(self, name: str) -> Settled:
        """Do what is due by now, and come back when the next is."""
        async with self._store.transaction() as tx:
            look_again = await self._programme.catch_up(tx, int(name))
            # Its room follows, whatever was done: under a key of its own, so that it never holds up the clock.
            await self._work.ask(tx, backstage_key(int(name)))
            return Settled(look_again=look_again)
