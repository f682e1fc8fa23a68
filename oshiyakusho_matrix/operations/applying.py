"""``rooms plan`` and ``rooms apply`` as the command line runs them: with or without a ``serve`` beside it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.commands.audit import Outcome as AuditOutcome
from oshiyakusho_matrix.commands.audit import note
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import new_reference
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.planner import HallPlan
from oshiyakusho_matrix.operations.serving import composed
from oshiyakusho_matrix.reconcile.parked import parked_keys
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Outcome:
    """What applying came to. ``left`` counts keys that did not settle in time, ``failed`` says what is parked."""

    rooms: int
    left: int
    failed: tuple[Text, ...]

    @property
    def complete(self) -> bool:
        """Return whether everything agrees."""
        return not (self.left or self.failed)


async def _enter_into_audit(tx: Transaction, app: CityHallApp) -> None:
    """Enter an operator's apply as the same command of the secretariat is; whoever runs it here is no Matrix user."""
    command = app.registry.named("rooms apply")
    if command is None:
        raise Permanent("the command `rooms apply` is not declared")
    await note(tx, command, None, at=now(), actor="command line", outcome=AuditOutcome.DONE, reference=new_reference())


async def plan_only(settings: Settings) -> HallPlan:
    """Compare files, records and homeserver; change nothing."""
    async with composed(settings) as app:
        return await app.planner.plan(await asyncio.to_thread(app.load))


async def apply_and_wait(settings: Settings, *, timeout: int, progress: Callable[[int, int], None]) -> Outcome:
    """Merge the files into the records and work until every room agrees, or ``timeout`` seconds are over."""
    async with composed(settings) as app:
        declaration = await asyncio.to_thread(app.load)
        async with app.store.transaction() as tx:
            await app.roster.bootstrap(tx, app.identity.secretariat)
            await app.hall.apply(tx, declaration, by=app.identity.bot)
            await _enter_into_audit(tx, app)
        async with app.working():
            counts = await app.loop.settle_all(timedelta(seconds=timeout), progress, kinds=("room",))
        figures = await app.status.figures()
        async with app.store.transaction() as tx:
            parked = [each for each in await parked_keys(tx.connection) if each.key.kind == "room"]
            failed = tuple([say("{what}: {why}", what=await app.describe(tx, p.key), why=p.why) for p in parked])
        return Outcome(figures.roster.rooms_made, counts.busy, failed)
