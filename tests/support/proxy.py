"""A proxy on loopback between the city hall and a homeserver, in either direction: it notes what passes, may meddle.

A meddler stands between: it gets the request and a way to forward it, and returns what the caller shall get. Without
one, everything passes as it is.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

#: What belongs to one connection only (RFC 9110 section 7.6.1), and what aiohttp writes by itself.
_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length", "te", "trailer"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered, as bytes on the wire."""

    status: int
    headers: CIMultiDict[str]
    body: bytes

    def response(self) -> web.Response:
        """Return it as a response of ours."""
        return web.Response(status=self.status, headers=self.headers, body=self.body)


class Forward(Protocol):
    """Sends the request on, as often as it is called: to the proxy's target and by its path unless others are named."""

    def __call__(self, target: str | None = None, *, path: str | None = None) -> Awaitable[Reply]: ...


Meddler = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]


async def let_pass(_request: web.Request, forward: Forward) -> web.StreamResponse:
    """The meddler that does not."""
    return (await forward()).response()


@dataclass(slots=True)
class Proxy:
    """Forwards to ``target``. ``passed`` counts the requests that were forwarded, by method."""

    target: str
    meddle: Meddler = let_pass
    passed: Counter[str] = field(default_factory=Counter)
    _session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        """Listen; yields the address."""
        async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(120)) as session:
            self._session = session
            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{rest:.*}", self._handle)
            runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=1)
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", port)
                await site.start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()

        async def forward(target: str | None = None, *, path: str | None = None) -> Reply:
            return await self._forward(request, body, (target or self.target) + (path or request.raw_path))

        return await self.meddle(request, forward)

    async def _forward(self, request: web.Request, body: bytes, address: str) -> Reply:
        assert self._session is not None
        self.passed[request.method] += 1
        url = URL(address, encoded=True)
        async with self._session.request(request.method, url, headers=_end_to_end(request.headers), data=body) as got:
            return Reply(got.status, _end_to_end(got.headers), await got.read())


def _end_to_end(headers: "aiohttp.typedefs.LooseHeaders") -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in _HOP:
        kept.popall(name, None)
    return kept
