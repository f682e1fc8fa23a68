"""What anybody may ask without a token costs little, however often it is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.operations.monitoring import Health, Phase, monitoring_routes
from oshiyakusho_matrix.store.unit_of_work import Store

HOUR = timedelta(hours=1)


class Page:
    """Counts how often it is looked up; each time that takes until ``go`` is set, and fails if it is to."""

    def __init__(self) -> None:
        self.looks = 0
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.fails = False

    async def page(self) -> bytes:
        self.looks += 1
        self.asked.set()
        await self.go.wait()
        if self.fails:
            raise RuntimeError
        return b"%d" % self.looks


@asynccontextmanager
async def asked(page: Page, health: Health, holds: timedelta) -> AsyncIterator[Callable[[str], "asyncio.Task[int]"]]:
    """Give what asks for a path; its result is the status."""
    app = web.Application()
    app.add_routes(monitoring_routes(page, health, holds=holds))
    async with TestClient(TestServer(app)) as client:

        async def ask(path: str) -> int:
            return (await client.get(path)).status

        yield lambda path: asyncio.create_task(ask(path))


@pytest.mark.parametrize(("fails", "status"), [(False, 200), (True, 500)])
async def test_metrics_are_counted_once_for_all_who_ask_meanwhile_and_soon_after(
    store: Store, *, fails: bool, status: int
) -> None:
    page = Page()
    page.fails = fails
    async with asked(page, Health(store, FakeHomeserver()), HOUR) as ask:
        many = [ask("/metrics") for _ in range(50)]
        await asyncio.wait_for(page.asked.wait(), 10)
        page.go.set()
        assert await asyncio.gather(*many, ask("/metrics")) == [status] * 51
        assert await ask("/metrics") == status
    assert page.looks == 1


async def test_metrics_are_counted_anew_when_the_last_count_holds_no_longer(store: Store) -> None:
    page = Page()
    page.go.set()
    async with asked(page, Health(store, FakeHomeserver()), timedelta()) as ask:
        assert [await ask("/metrics"), await ask("/metrics")] == [200, 200]
    assert page.looks == 2


async def test_the_database_is_asked_once_for_many_watchdogs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    health, looks = Health(store, FakeHomeserver()), list[bool]()
    health.phase, really = Phase.READY, health.database_answers

    async def answers() -> bool:
        looks.append(await really())
        return looks[-1]

    monkeypatch.setattr(health, "database_answers", answers)
    async with asked(Page(), health, HOUR) as ask:
        assert await asyncio.gather(*(ask("/healthz") for _ in range(20))) == [200] * 20
        health.phase = Phase.STOPPING
        assert await ask("/healthz") == 503, "only what is looked up is told again"
    assert looks == [True]
