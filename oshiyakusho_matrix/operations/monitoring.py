"""What watchdogs and Prometheus ask on ``listen``: ``/healthz`` (ready?), ``/healthz/live`` (alive?), ``/metrics``.

``serving`` makes one ``Health`` a process. A homeserver that is away is told and makes nothing unready: nobody else
could serve in our place, and a restart would bring nothing but a delay. A database that is away does: without it no
transaction is kept.

Who asks need not show a token. So what has to be looked up for an answer is looked up once a second at most.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from aiohttp import web
from sqlalchemy import text

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import CityHallError, Temporary
from oshiyakusho_matrix.homeserver.interface import Operations
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)

#: Between two looks at whether the homeserver answers.
LOOK_EVERY = timedelta(seconds=30)
#: Seconds that a watchdog is kept waiting for the database; most give up after 3 or more.
PATIENCE = 2.0
#: For so long what was looked up for an answer is told again.
_HOLDS: Final = timedelta(seconds=1)
#: Seconds after which looking is given up, so that a database that hangs does not keep all who come later waiting.
_LONGEST: Final = 10.0

_Found = TypeVar("_Found")


class Phase(StrEnum):
    """Where this process is on its way from start to end."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the homeserver. ``reachable`` is None before the first look has ended."""

    reachable: bool | None = None
    last_answer: datetime | None = None
    failing_since: datetime | None = None
    reason: str | None = None


class Health:
    """How this process is, for machines. ``phase`` is set by ``serving``."""

    def __init__(self, store: Store, operations: Operations, *, look_every: timedelta = LOOK_EVERY) -> None:
        self.phase = Phase.STARTING
        self.homeserver = Seen()
        self._store = store
        self._operations = operations
        self._look_every = look_every

    async def look(self) -> None:
        """Ask the homeserver for its versions, the cheapest question that it has."""
        before = self.homeserver
        try:
            await self._operations.versions()
        except CityHallError as error:
            since = before.failing_since or now()
            self.homeserver = replace(before, reachable=False, failing_since=since, reason=str(error))
        else:
            self.homeserver = Seen(reachable=True, last_answer=now())
        if before.reachable is not None and self.homeserver.reachable != before.reachable:
            logger.warning("the homeserver came or went", reachable=self.homeserver.reachable)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the homeserver now and then while the context is open.

        No work of the queue: each process has a network of its own, and none can look for another.
        """
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._watch(), name="watch over the homeserver")
            try:
                yield
            finally:
                task.cancel()

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._look_every.total_seconds())

    async def database_answers(self) -> bool:
        """Return whether the database can be read within ``PATIENCE``."""
        try:
            async with asyncio.timeout(PATIENCE), self._store.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except (Temporary, TimeoutError):
            return False
        return True


class Metrics(Protocol):
    """What ``/metrics`` shows; ``metrics`` has it."""

    async def page(self) -> bytes:
        """Return the metrics in Prometheus' text format."""


class _Once(Generic[_Found]):
    """Looks once for all who ask meanwhile, and while it ``holds`` after it has found something or failed."""

    def __init__(self, look: Callable[[], Awaitable[_Found]], holds: timedelta) -> None:
        self._look = look
        self._holds = holds.total_seconds()
        self._task: asyncio.Task[_Found] | None = None
        self._until = 0.0

    async def found(self) -> _Found:
        """Return what was found. Raises what looking raised."""
        if self._task is None or (self._task.done() and time.monotonic() >= self._until):
            self._task = asyncio.create_task(self._find(), name="look for who asked")
        # One who gives up takes nothing away from the others.
        return await asyncio.shield(self._task)

    async def _find(self) -> _Found:
        try:
            async with asyncio.timeout(_LONGEST):
                return await self._look()
        finally:
            self._until = time.monotonic() + self._holds


def monitoring_routes(watch: Metrics, health: Health, *, holds: timedelta = _HOLDS) -> list[web.RouteDef]:
    """Return the routes, for the operators' listener only. ``holds``: for how long what was looked up is told again."""
    page, database_answers = _Once(watch.page, holds), _Once(health.database_answers, holds)

    async def healthz(_request: web.Request) -> web.Response:
        database = await database_answers.found()
        ready = database and health.phase is Phase.READY
        body = {
            "status": health.phase if database or health.phase is not Phase.READY else "no database",
            "database": "ok" if database else "does not answer",
            "homeserver": _as_json(health.homeserver),
        }
        return web.json_response(body, status=200 if ready else 503)

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=await page.found(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    return [web.get("/healthz", healthz), web.get("/healthz/live", live), web.get("/metrics", metrics)]


def _as_json(seen: Seen) -> dict[str, Any]:
    def moment(at: datetime | None) -> str | None:
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None

    return {
        "reachable": seen.reachable,
        "last_answer": moment(seen.last_answer),
        "failing_since": moment(seen.failing_since),
        "reason": seen.reason,
    }
