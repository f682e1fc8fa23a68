"""What watchdogs and Prometheus ask on ``listen``: ``/healthz`` (ready?), ``/healthz/live`` (alive?), ``/metrics``.

``serving`` makes one ``Health`` a process. A homeserver that is away is told and makes nothing unready: nobody else
could serve in our place, and a restart would bring nothing but a delay. A database that is away does: without it no
transaction is kept.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

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


def monitoring_routes(watch: Metrics, health: Health) -> list[web.RouteDef]:
    """Return the routes, for the operators' listener only."""

    async def healthz(_request: web.Request) -> web.Response:
        database = await health.database_answers()
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
            body=await watch.page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
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
