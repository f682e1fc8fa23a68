"""What a watchdog is told: not ready before the house stands, ready then, and not while it stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from oshiyakusho_matrix.app import CityHallApp, Identity, load_from
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.operations import serving
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.values import Listen
from oshiyakusho_matrix.status import Status, status_routes
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare
from tests.divisions.little_town import write_town
from tests.support.fake_city import SECRETARY, SERVER
from tests.support.ports import ReservedPort
from tests.web.test_metrics_are_told import Quiet


async def test_health_is_503_until_ready() -> None:
    ready = False
    app = web.Application()
    app.add_routes(status_routes(cast("Status", Quiet()), lambda: ready))
    async with TestClient(TestServer(app)) as client:

        async def seen() -> tuple[int, str, bool]:
            health = await client.get("/healthz")
            metrics = await (await client.get("/metrics")).text()
            return health.status, (await health.json())["status"], "oshiyakusho_ready 1.0" in metrics.splitlines()

        assert await seen() == (503, "starting", False)
        ready = True
        assert await seen() == (200, "ready", True)


async def test_what_serves_is_ready_from_when_the_city_hall_is_open_until_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'city.db'}")
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
    )
    async with serving.running(cast("Settings", settings)):
        await look("open")
    port.release()
    assert seen == {"opening": 503, "open": 200, "stopping": 503}
