"""The least that a homeserver can deliver to: takes transactions and pings, and keeps the events."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Event = dict[str, Any]


class Received:
    """Events in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Event()

    async def take(self, events: list[Event]) -> None:
        """Keep the events of one transaction."""
        self.events += events
        self._came.set()

    async def until(self, matches: Callable[[Event], bool]) -> Event:
        """Return the first event that matches, waiting up to 20 s for it."""
        async with asyncio.timeout(20):
            while True:
                self._came.clear()
                for event in self.events:
                    if matches(event):
                        return event
                await self._came.wait()


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Received]:
    """Listen as an application service on loopback."""
    received = Received()

    async def transaction(request: web.Request) -> web.Response:
        await received.take((await request.json())["events"])
        return web.json_response({})

    async def ping(request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_put("/_matrix/app/v1/transactions/{id}", transaction)
    app.router.add_post("/_matrix/app/v1/ping", ping)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield received
    finally:
        await runner.cleanup()
