"""A listener that hostile clients cannot fill: ``serving`` puts the routes and the public pages behind one each.

aiohttp bounds heads, not time or the number of connections. So each connection gets a time for its next request to come
and a time for it to be answered, and there are only so many connections. One too many is no reason to turn a new one
away, for that may be the homeserver: the one that has been open longest is closed instead, even while it is being
answered. Who has shown the homeserver's token is spared.

A stranger gets one answer a connection, and few connections are taken up at once. So whoever asks without end has to
line up again each time, behind whoever came meanwhile, and what else is to be done here gets its turn in between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

import structlog
from aiohttp import web

from oshiyakusho_matrix.appservice.routes import TRUSTED
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.worker import frames
from oshiyakusho_matrix.settings.values import Listen

logger = structlog.get_logger(__name__)

#: aiohttp would log each malformed request with what was in it: strangers could fill the log, and write in it.
_UNHEARD: Final = logging.getLogger("oshiyakusho_matrix.unheard")
_UNHEARD.setLevel(logging.CRITICAL + 1)

#: So many connections are taken up in one turn of the loop: so the homeserver's has shown its token, which takes some
#: five turns, long before it is the one that is open longest.
_AT_ONCE: Final = 4
#: So many may stand in line for that, in the kernel, which passes them on in their order.
_LINE: Final = 1024

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections a listener has at once, and how long each may take for what.

    ``connections``: two listeners, the database and our own calls stay below 1,024 open files, the usual bound of a
    process. ``head``: until a request has come whole but for its body, from the opening or the answer before.
    ``trusted``: the same for the homeserver, which keeps connections for later (Synapse: two minutes) and must not
    find them closed just when it sends. ``request``: from there until it is answered, its body included.
    ``lingering``: for what is left of a body that was refused, so that its sender sees the answer.
    """

    connections: int = 256
    head: timedelta = timedelta(seconds=10)
    trusted: timedelta = timedelta(minutes=10)
    request: timedelta = timedelta(seconds=60)
    lingering: timedelta = timedelta(seconds=1)


@asynccontextmanager
async def listening(
    application: web.Application, where: Listen, *, limits: Limits | None = None
) -> AsyncIterator[None]:
    """Serve ``application`` while the context is open. ``Misconfigured`` if the address cannot be had."""
    door = _Door(limits or Limits())
    application.middlewares.insert(0, door.watch)
    # No access log: it would hold whatever strangers put into a path.
    lingering = door.limits.lingering.total_seconds()
    runner = web.AppRunner(
        application, access_log=None, logger=_UNHEARD, shutdown_timeout=2.0, lingering_time=lingering
    )
    await runner.setup()
    try:
        server = await _server(door, runner, where)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _server(door: "_Door", runner: web.AppRunner, where: Listen) -> asyncio.Server:
    def connection() -> asyncio.Protocol:
        return _Connection(door, runner)

    try:
        # To asyncio the backlog is both: how many stand in line, and how many of them it takes up at once.
        loop = asyncio.get_running_loop()
        server = await loop.create_server(connection, where.host, where.port, backlog=_AT_ONCE)
        for each in server.sockets:
            with each.dup() as same:
                same.listen(_LINE)
        return server
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {where} ({error.strerror}): choose another address, or end what holds it."
        ) from error


class _Door:
    """The connections that are open, by transport, in the order in which they were opened."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open: dict[asyncio.BaseTransport, _Connection] = {}

    def make_room(self) -> bool:
        """Close the stranger's connection that is open longest, if there are too many; False if there is none."""
        if len(self.open) < self.limits.connections:
            return True
        longest = next((each for each in self.open.values() if not each.trusted), None)
        if longest is not None:
            longest.end()
        return longest is not None

    @web.middleware
    async def watch(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Tell the connection of a request when it is being answered, and when it waits for the next one."""
        connection = self.open.get(request.transport) if request.transport is not None else None
        if connection is None:
            return await _answer(request, handler)  # it is gone already; aiohttp will notice
        connection.answer(request)
        try:
            answer = await _answer(request, handler)
        except web.HTTPException as refusal:
            connection.answered(refusal)
            raise
        connection.answered(answer)
        return answer


async def _answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - the border: aiohttp would log what the error says, and that may be anything
        logger.error("a request failed", at=frames(error))  # noqa: TRY400 - see frames
        return web.json_response({"errcode": "M_UNKNOWN", "error": "Something went wrong here."}, status=500)


class _Connection(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol, and passes everything on; what it adds is the time."""

    def __init__(self, door: _Door, runner: web.AppRunner) -> None:
        self._door = door
        self._runner = runner
        self._inner: web.RequestHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._trusted = False
        self._request: web.Request | None = None

    @property
    def trusted(self) -> bool:
        """Whether the homeserver's token was shown here, be it by the request that is being answered."""
        return self._trusted or (self._request is not None and TRUSTED in self._request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._runner.server is None or not self._door.make_room():
            self._transport.abort()
            return
        self._door.open[transport] = self
        self._inner = self._runner.server()
        self._inner.connection_made(transport)
        self._allow(self._door.limits.head)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._door.open.pop(self._transport, None)
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connection_lost(exc)

    def answer(self, request: web.Request) -> None:
        """A request has come and is being answered."""
        self._request = request
        self._allow(self._door.limits.request)

    def answered(self, answer: web.StreamResponse) -> None:
        """``answer`` is ready to be sent: the last one here for a stranger, and the homeserver may ask again."""
        self._trusted, self._request = self.trusted, None
        if not self._trusted:
            answer.force_close()
        if self._inner is not None:
            self._allow(self._door.limits.trusted if self._trusted else self._door.limits.head)

    def end(self) -> None:
        """Close without a word: who is too slow for a request would not wait for an answer to it."""
        transport = self._transport
        self.connection_lost(None)
        if transport is not None:
            transport.abort()

    def _allow(self, time: timedelta) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(time.total_seconds(), self.end)
