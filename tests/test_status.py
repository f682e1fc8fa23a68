"""What a watchdog is told: not ready before the house stands, ready then, and not while it stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import psycopg
import pytest
import time_machine
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from psycopg import sql
from sqlalchemy import make_url

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.divisions.catalogue import load_from
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.operations import monitoring, serving
from oshiyakusho_matrix.operations.monitoring import Health, Phase, monitoring_routes
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.values import Listen
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import prepare
from tests.divisions.little_town import write_town
from tests.support.fake_city import SECRETARY, SERVER
from tests.support.ports import ReservedPort
from tests.web.test_metrics_are_told import watch


@asynccontextmanager
async def asked(health: Health) -> AsyncIterator[Callable[[str], Awaitable[tuple[int, Any]]]]:
    """Give what asks for a path of the operators' listener and returns status and JSON, or text."""
    app = web.Application()
    app.add_routes(monitoring_routes(watch(health), health, holds=timedelta()))
    async with TestClient(TestServer(app)) as client:

        async def ask(path: str) -> tuple[int, Any]:
            answer = await client.get(path)
            return answer.status, await (answer.json() if answer.content_type.endswith("json") else answer.text())

        yield ask


async def test_health_is_503_until_ready_and_while_stopping_but_always_alive(store: Store) -> None:
    health = Health(store, FakeHomeserver())
    async with asked(health) as ask:
        for phase, status in ((Phase.STARTING, 503), (Phase.READY, 200), (Phase.STOPPING, 503)):
            health.phase = phase
            answer = await ask("/healthz")
            assert (answer[0], answer[1]["status"], answer[1]["database"]) == (status, phase.value, "ok")
            assert f"oshiyakusho_ready {float(status == 200)}" in (await ask("/metrics"))[1].splitlines()
            assert await ask("/healthz/live") == (200, {"status": "alive"})


async def test_a_homeserver_that_is_away_is_told_since_when_and_makes_nothing_unready(
    store: Store, monkeypatch: pytest.MonkeyPatch, time_machine: time_machine.TimeMachineFixture
) -> None:
    time_machine.move_to(datetime(2026, 11, 23, 3, 0, tzinfo=UTC), tick=False)
    hs = FakeHomeserver()
    health = Health(store, hs)
    health.phase = Phase.READY
    there = hs.versions

    async def away() -> Sequence[str]:
        raise Temporary("the homeserver cannot be reached (versions)")

    async with asked(health) as ask:

        async def told() -> list[object]:
            status, body = await ask("/healthz")
            assert (status, body["status"]) == (200, "ready")
            return list(body["homeserver"].values())

        assert await told() == [None, None, None, None]
        await health.look()
        assert await told() == [True, "2026-11-23T03:00:00Z", None, None]
        monkeypatch.setattr(hs, "versions", away)
        for minute in (10, 20):
            time_machine.move_to(datetime(2026, 11, 23, 3, minute, tzinfo=UTC), tick=False)
            await health.look()
            assert await told() == [
                False,
                "2026-11-23T03:00:00Z",
                "2026-11-23T03:10:00Z",
                "the homeserver cannot be reached (versions)",
            ]
            assert "oshiyakusho_homeserver_reachable 0.0" in (await ask("/metrics"))[1].splitlines()
        monkeypatch.setattr(hs, "versions", there)
        await health.look()
        assert await told() == [True, "2026-11-23T03:20:00Z", None, None]
        assert "oshiyakusho_homeserver_reachable 1.0" in (await ask("/metrics"))[1].splitlines()


async def test_the_homeserver_is_looked_at_again_and_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hs = FakeHomeserver()
    looks = asyncio.Queue[None]()

    async def versions() -> Sequence[str]:
        looks.put_nowait(None)
        return ["v1.11"]

    monkeypatch.setattr(hs, "versions", versions)
    async with asyncio.timeout(30), Health(store, hs, look_every=timedelta()).watching():
        for _ in range(3):
            await looks.get()


def take_away(database_url: str) -> None:
    """Have a database gone, and nothing be made in its place."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database))
        file.unlink()
        file.mkdir()
        return
    server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(str(url.database))))


async def test_without_its_database_it_is_not_ready_but_alive(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(database_url)
    store = Store(engine)
    health = Health(store, FakeHomeserver())
    health.phase = Phase.READY
    async with asked(health) as ask:
        assert (await ask("/healthz"))[0] == 200
        await engine.dispose()
        take_away(database_url)
        status, body = await ask("/healthz")
        assert (status, body["status"], body["database"]) == (503, "no database", "does not answer")

        @asynccontextmanager
        async def hangs() -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

        monkeypatch.setattr(store, "reading", hangs)
        monkeypatch.setattr(monitoring, "PATIENCE", 0.01)
        assert (await ask("/healthz"))[0] == 503
        assert (await ask("/healthz/live"))[0] == 200
    await engine.dispose()


async def test_what_serves_is_ready_from_when_the_city_hall_is_open_until_it_stops(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, hs = ReservedPort(), FakeHomeserver()
    seen = dict[str, int]()

    async def look(when: str) -> None:
        async with aiohttp.request("GET", f"http://127.0.0.1:{port.number}/healthz") as response:
            seen[when] = response.status

    class Watched(CityHallApp):
        """Has itself looked at from outside before it opens, and before it drains."""

        async def open(self) -> None:
            await look("opening")
            await super().open()

        @asynccontextmanager
        async def working(self) -> AsyncIterator[None]:
            async with super().working():
                yield
                await look("stopping")

    @asynccontextmanager
    async def composed(_settings: Settings) -> AsyncIterator[CityHallApp]:
        engine = create_engine(database_url)
        await prepare(engine)
        identity = Identity(appservice_id="test", server_name=SERVER, bot=hs.bot, secretariat=(SECRETARY,))
        yield Watched(identity=identity, homeserver=hs, engine=engine, load=load_from(write_town(tmp_path / "rooms")))
        await engine.dispose()

    monkeypatch.setattr(serving, "composed", composed)
    settings = SimpleNamespace(
        registration=SimpleNamespace(hs_token="hs"),
        listen=Listen("127.0.0.1", port.open_to_listeners()),
        web_listen=None,
        bot=hs.bot,
        database_url=database_url,
    )
    async with serving.running(cast("Settings", settings)):
        await look("open")
    port.release()
    assert seen == {"opening": 503, "open": 200, "stopping": 503}
