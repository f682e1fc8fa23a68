"""Runs controllers on the keys of the work queue; whatever follows from a run is written in one commit.

``app`` starts it beside the inbox and the outbox; the command line runs it for one ``rooms apply``. The worker of
``core`` gives it sleep and hands; the queue gives it keys; ``policy`` says what follows from a failure. A run that is
cut off (kill, power) leaves only a lease behind, which runs out.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from datetime import datetime, timedelta
from functools import partial
from random import Random, SystemRandom

import structlog

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import CityHallError, Temporary
from oshiyakusho_matrix.core.measures import Measures
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, frames
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile import policy
from oshiyakusho_matrix.reconcile.follow_ups import DatabaseFollowUps
from oshiyakusho_matrix.reconcile.interface import Controller, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Counts, Lease, LeaseLost
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.reports import Describe, Reports, describe_plainly
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: Other processes ask for keys and cannot wake us: look at least this often.
LOOK_EVERY = timedelta(seconds=10)
#: ... and where somebody waits for them, this often.
LOOK_EVERY_WAITING = timedelta(seconds=1)
#: A run that takes longer hangs; it is cut off and tried again.
LONGEST_RUN = timedelta(minutes=10)
#: The commit after a run is tried this often: a deadlock or a restart of the database is soon over.
COMMIT_TRIES = 4


class ControllerLoop:
    """Works off the kinds of key that ``controllers`` serve, ``concurrency`` at once, highest priority first."""

    def __init__(
        self,
        *,
        store: Store,
        queue: WorkQueue,
        controllers: Iterable[Controller],
        follow_ups: DatabaseFollowUps,
        outbox: Outbox,
        describe: Describe = describe_plainly,
        concurrency: int = 8,
        clock: Callable[[], datetime] = clock_now,
        random: Random | None = None,
        longest_run: timedelta = LONGEST_RUN,
        measures: Measures | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._controllers = {controller.kind: controller for controller in controllers}
        self._follow_ups = follow_ups
        self._reports = Reports(outbox, clock=clock, describe=describe)
        self._random = random or SystemRandom()
        self._longest_run = longest_run
        self._clock = clock
        self._measures = measures or Measures()
        self._in_hand: dict[WorkKey, Lease] = {}
        self._ended = 0
        self._turned = asyncio.Event()
        self._worker = Worker("reconcile", self, hands=concurrency, look_every=LOOK_EVERY, now=clock)
        queue.subscribe(self._worker.wake)

    async def run(self) -> None:
        """Work until ``stop()``. Cancelled without it, the keys in hand stay leased until their leases run out."""
        await self._worker.run()

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Begin nothing more, wait up to ``grace`` for the runs in hand, cut off the rest and give their keys back."""
        await self._worker.stop(grace)
        async with self._store.transaction() as tx:
            await self._queue.release(tx, self._in_hand.values())
        self._in_hand.clear()

    def wake(self) -> None:
        """Look for due keys at once (the clock of a test was moved)."""
        self._worker.wake()

    async def idle(self) -> None:
        """Wait until nothing is in hand and nothing is due; what waits for another attempt is not waited for."""
        await self._worker.idle()

    async def settle_all(
        self,
        timeout: timedelta,
        progress: Callable[[int, int], None] | None = None,
        *,
        kinds: Collection[str] | None = None,
    ) -> Counts:
        """Wait until no key (of some kinds) is due, in hand or waiting for another attempt, or until ``timeout``.

        The loop must run meanwhile.
        ``progress`` gets how many runs have ended since, and that plus those to come. ``busy`` of the result is 0 if
        all have settled. Keys that are due later by their own wish are not waited for.
        """
        before, kinds = self._ended, kinds or self._controllers.keys()
        end = asyncio.get_running_loop().time() + timeout.total_seconds()
        while True:
            self._turned.clear()
            counts = await self._queue.counts(kinds=kinds)
            if progress is not None:
                progress(self._ended - before, self._ended - before + counts.busy)
            left = end - asyncio.get_running_loop().time()
            if counts.busy == 0 or left <= 0:
                return counts
            await _within(min(left, LOOK_EVERY_WAITING.total_seconds()), self._turn_ends())

    async def _turn_ends(self) -> None:
        """Wait until a run has ended and nothing is in hand or due any more: to count after each would slow them."""
        await self._turned.wait()
        await self._worker.idle()

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Lease what is due (for the worker)."""
        kinds = self._controllers.keys()
        mine = [key for key in busy if isinstance(key, WorkKey)]
        leases = await self._queue.claim(limit, kinds=kinds, busy=mine)
        self._in_hand |= {lease.key: lease for lease in leases}
        # With every hand full, the first run to end looks again.
        full = len(leases) == limit
        next_due = None if full else await self._queue.next_due(kinds=kinds, busy=[*mine, *(x.key for x in leases)])
        return Batch([Job(lease.key, partial(self._work, lease)) for lease in leases], next_due)

    async def _work(self, lease: Lease) -> None:
        """Run one key to its commit. Cut off by ``stop``, it stays in hand, to be given back."""
        with following(lease.reference):
            await self._run(lease)
        self._in_hand.pop(lease.key, None)
        self._ended += 1
        self._turned.set()

    async def _run(self, lease: Lease) -> None:
        began = self._clock()
        try:
            settled = await self._attempt(lease)
            took = self._clock() - began
            if await self._commit(partial(self._note_settled, lease, settled)):
                self._measure(lease, took)
        except LeaseLost:
            logger.warning("a lease was lost", key=loggable(lease.key))
        except Exception as error:  # noqa: BLE001 - every failure of a run is judged: tried again, or parked and told
            await self._commit(partial(self._note_failed, lease, error))

    def _measure(self, lease: Lease, took: timedelta) -> None:
        self._measures.runs.add(lease.key.kind, took)
        self._measures.latency.add(lease.key.kind, self._clock() - (lease.due_at or self._clock()))
        # What nobody asked for is routine: a line for each room each day would hide the rest.
        level = "debug" if lease.reference is None else "info"
        getattr(logger, level)("a key has settled", key=loggable(lease.key), seconds=round(took.total_seconds(), 3))

    async def _attempt(self, lease: Lease) -> Settled:
        """Run the controller, holding the lease for as long as it takes."""
        run = asyncio.ensure_future(self._controllers[lease.key.kind].reconcile(lease.key.name))
        try:
            async with asyncio.timeout(self._longest_run.total_seconds()) as limit:
                while not (await asyncio.wait({run}, timeout=self._queue.lease_for.total_seconds() / 3))[0]:
                    if not await self._queue.renew(lease):
                        raise LeaseLost
            return await run
        except TimeoutError:
            if limit.expired():
                raise Temporary(f"it took longer than {self._longest_run}") from None
            raise
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait({run})

    async def _commit(self, write: Callable[[Transaction], Awaitable[None]]) -> bool:
        """Write; False if somebody else had the key by then."""
        for attempt in range(1, COMMIT_TRIES + 1):
            try:
                async with self._store.transaction() as tx:
                    await write(tx)
            except LeaseLost:
                logger.warning("a lease was lost before its run could be noted")
                return False
            except Temporary:
                if attempt == COMMIT_TRIES:
                    raise
                await asyncio.sleep(policy.backoff(attempt, self._random).total_seconds())
                continue
            break
        return True

    async def _note_settled(self, lease: Lease, settled: Settled, tx: Transaction) -> None:
        await self._queue.settle(tx, lease, settled)
        await self._follow_ups.settled(tx, lease, settled.said)
        await self._reports.recovered(tx, lease)

    async def _note_failed(self, lease: Lease, error: Exception, tx: Transaction) -> None:
        verdict = policy.judge(error, attempts=lease.attempts, crashes=lease.crashes, random=self._random)
        log = logger.bind(key=loggable(lease.key), reason=plain(verdict.why), attempts=lease.attempts + 1)
        if not isinstance(error, CityHallError):
            log.error("a controller failed unexpectedly", at=frames(error))
        if verdict.delay is None:
            if (reference := await self._queue.park(tx, lease, verdict.why)) is not None:
                log.error("a key was parked", reference=reference)
                if plain(verdict.why) != lease.told_parked:
                    await self._reports.parked(tx, lease.key, verdict.why, reference)
                what = await self._reports.describe(tx, lease.key)
                await self._follow_ups.failed(tx, lease, what, verdict.why)
            return
        log.info("a key is tried again", delay=verdict.delay.total_seconds())
        told = verdict.tell_secretariat and await self._reports.trouble(tx, lease, verdict.why)
        await self._queue.retry(tx, lease, why=verdict.why, delay=verdict.delay, bug=verdict.bug, told=told)
        if verdict.tell_asker:
            await self._follow_ups.trouble(tx, lease, verdict.why)


def loggable(key: WorkKey) -> str:
    """Return a name of the key for logs: people appear as a digest."""
    if "@" not in key.name:
        return str(key)
    return f"{key.kind}:#{hashlib.sha256(key.name.encode()).hexdigest()[:12]}"


async def _within(seconds: float, waiting: Awaitable[object]) -> None:
    try:
        await asyncio.wait_for(waiting, seconds)
    except TimeoutError:
        return
