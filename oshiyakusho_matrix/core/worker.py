"""A worker that sleeps until there is something to do: shared by the inbox, the outbox and the controller loop.

They differ in where jobs come from (a ``Source``), and agree on the rest: up to N jobs at once, never two with one
key, woken by ``wake()`` (after a commit) or when the next job falls due, stopped within seconds. Nothing here
remembers work: rows do, so a killed worker loses nothing and another one takes over.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.errors import Temporary

logger = logging.getLogger(__name__)

_FIRST_REST = timedelta(seconds=1)
_LONGEST_REST = timedelta(seconds=30)


def backoff(attempts: int, retry_after: timedelta | None = None) -> timedelta:
    """Return how long to wait after the ``attempts``-th failure: 1 s, doubled to 5 min; never less than asked for."""
    wait = min(timedelta(seconds=2 ** min(max(attempts - 1, 0), 10)), timedelta(minutes=5))
    return max(wait, retry_after or timedelta())


def frames(error: BaseException) -> str:
    """Return where an unexpected error happened, for the log: its class and the path to it, never its message.

    Messages of foreign errors quote what they choked on, and that may be somebody's words or name.
    """
    path = (
        f"{Path(step.filename).name}:{step.lineno} {step.name}" for step in traceback.extract_tb(error.__traceback__)
    )
    return f"{type(error).__name__} at " + " > ".join(path)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do now. While it runs no other job with its ``key`` (a room, a work key) is started.

    ``run`` handles its own failures and notes them in its row; what it still raises is logged, and the key rests.
    """

    key: Hashable
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source found: jobs to start now, and when the first of the others falls due (None: when woken)."""

    jobs: Sequence[Job] = ()
    next_due: datetime | None = None


class Source(Protocol):
    """Where jobs come from."""

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        """Return at most ``limit`` due jobs, none with a key in ``busy``; ``next_due`` leaves ``busy`` keys out too.

        ``limit`` is at least 1. Where it was reached, ``next_due`` may be left out: the first job to end looks again.
        May raise ``Temporary`` (asked again after a rest).
        """


class Worker:
    """Runs the jobs of one source. ``run()`` is one long coroutine; ``wake()`` may be called from the same event loop.

    ``look_every`` bounds the sleep where other processes write to the same tables and cannot wake this one.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        hands: int = 8,
        look_every: timedelta | None = None,
        now: Callable[[], datetime] = clock_now,
    ) -> None:
        self._name = name
        self._source = source
        self._hands = hands
        self._look_every = look_every
        self._now = now
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._stopping = False
        self._grace = timedelta()
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self._resting: dict[Hashable, tuple[datetime, timedelta]] = {}

    def wake(self) -> None:
        """Look for jobs at once. Cheap, and harmless when there are none."""
        self._idle.clear()
        self._wanted.set()

    async def idle(self) -> None:
        """Wait until nothing is in hand and nothing is due. For the command line and for tests."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until ``stop()``. Cancelled, it cancels the jobs in hand; their rows stay due.

        An error of the source other than ``Temporary`` is a bug: it ends this coroutine.
        """
        self._ended.clear()
        try:
            while not self._stopping:
                self._wanted.clear()
                await self._sleep(await self._look())
            if self._running:
                await asyncio.wait(self._running.values(), timeout=self._grace.total_seconds())
        finally:
            await self._cancel()
            self._ended.set()

    async def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Take no more jobs, wait up to ``grace`` for those in hand, cancel the rest; ``run()`` has then returned."""
        self._grace = grace
        self._stopping = True
        self._wanted.set()
        await self._ended.wait()

    async def _look(self) -> datetime | None:
        """Start what is due; return when to look again by ourselves."""
        present = self._now()
        resting = {key: until for key, (until, _) in self._resting.items() if until > present and key is not self}
        free = self._hands - len(self._running)
        if free <= 0:
            return None  # the first job to end wakes us
        try:
            batch = await self._source.take(frozenset(self._running) | frozenset(resting), free)
        except Temporary as error:
            logger.warning("%s cannot look for work: %s", self._name, error.reason)
            return self._rest(self, error.retry_after)
        self._resting.pop(self, None)
        for job in batch.jobs:
            self._running[job.key] = asyncio.create_task(self._do(job), name=self._name)
        times = [*resting.values(), *([batch.next_due] if batch.next_due else [])]
        if not self._running and not self._wanted.is_set() and (not times or min(times) > self._now()):
            self._idle.set()
        return min(times, default=None)

    async def _do(self, job: Job) -> None:
        try:
            await job.run()
        except Temporary as error:
            logger.warning("%s could not finish a job: %s", self._name, error.reason)
            self._rest(job.key, error.retry_after)
        except Exception as error:  # noqa: BLE001 - one broken job must not stop the others; its row is due after the rest
            logger.error("%s met an unexpected error: %s", self._name, frames(error))  # noqa: TRY400 - see frames
            self._rest(job.key, None)
        else:
            self._resting.pop(job.key, None)
        finally:
            self._running.pop(job.key, None)
            self._wanted.set()

    def _rest(self, key: Hashable, wanted: timedelta | None) -> datetime:
        """Leave a key alone for a while, twice as long each time."""
        _, last = self._resting.get(key, (None, _FIRST_REST / 2))
        rest = max(min(last * 2, _LONGEST_REST), wanted or timedelta())
        self._resting[key] = (self._now() + rest, rest)
        return self._resting[key][0]

    async def _sleep(self, until: datetime | None) -> None:
        seconds = None if until is None else max(0.0, (until - self._now()).total_seconds())
        if self._look_every is not None:
            most = self._look_every.total_seconds()
            seconds = most if seconds is None else min(seconds, most)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    async def _cancel(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
