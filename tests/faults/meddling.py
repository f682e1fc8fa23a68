"""What stands in a proxy and does as the plan says: between the service and the homeserver, and the other way."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.proxy import Forward, Reply

#: Longer than the service waits for an answer, which is ``PATIENCE``; both in seconds.
PATIENCE, WITHHELD = 3.0, 4.0
#: How long a transaction is held back, in seconds.
DELAY = 1.5

_Answer = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]


class Meddler:
    """Meddles with the numbers that ``kinds`` names; ``happened`` notes what it did. All else passes as it is.

    Only requests with ``part`` in their path count.
    """

    def __init__(self, kinds: Mapping[int, str], part: str = "/") -> None:
        self._part = part
        self._kinds = dict(kinds)
        self.number = 0
        self.happened: list[str] = []

    async def __call__(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        """See ``support.proxy.Meddler``."""
        counts = self._part in request.path
        self.number += counts
        kind = self._kinds.pop(self.number, None) if counts else None
        try:
            return await self._meddle(kind, request, forward)
        except aiohttp.ClientError:
            return await _page(502)(request, forward)  # nobody there: the process was killed

    async def _meddle(self, kind: str | None, request: web.Request, forward: Forward) -> web.StreamResponse:
        if kind is None:
            return (await forward()).response()
        if _is_believed(kind, request):
            # An answer, from which a lie cannot be told: the next request.
            self._kinds.setdefault(self.number + 1, kind)
            return (await forward()).response()
        self.happened.append(f"{kind}: {request.method} {request.path}")
        return await _WAYS[kind](request, forward)


def _is_believed(kind: str, request: web.Request) -> bool:
    """Whether this would say "there is no such account", "nobody of this name is in here" or "you are not in here"."""
    member = "/state/m.room.member/" in request.path
    about = {"404 M_NOT_FOUND": member or "/profile/" in request.path, "403": member}
    return request.method == "GET" and about.get(kind, False)


def _says(status: int, errcode: str, **more: Any) -> _Answer:
    async def answer(_request: web.Request, _forward: Forward) -> web.StreamResponse:
        return _error(status, errcode, **more)

    return answer


def _error(status: int, errcode: str, **more: Any) -> web.Response:
    body = {"errcode": errcode, "error": "meddled with", **more}
    return web.Response(status=status, content_type="application/json", body=json.dumps(body))


def _page(status: int, *, after: bool = False) -> _Answer:
    """Answer as a reverse proxy does that gets no answer, although (``after``) the request has arrived."""

    async def answer(_request: web.Request, forward: Forward) -> web.StreamResponse:
        if after:
            await forward()
        return web.Response(status=status, content_type="text/html", body=f"<h1>{status}</h1>")

    return answer


def _reset(*, after: bool = False) -> _Answer:
    async def answer(request: web.Request, forward: Forward) -> web.StreamResponse:
        if after:
            await forward()
        return _cut(request)

    return answer


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _withhold(*, after: bool = False) -> _Answer:
    async def answer(request: web.Request, forward: Forward) -> web.StreamResponse:
        if after:
            await forward()
        await asyncio.sleep(WITHHELD)
        return _cut(request)

    return answer


async def _truncate(request: web.Request, forward: Forward) -> web.StreamResponse:
    reply = await forward()
    response = await _begin(request, reply)
    await response.write(reply.body[: len(reply.body) // 2])
    return _cut(request)


async def _drip(request: web.Request, forward: Forward) -> web.StreamResponse:
    """Send the answer in ten pieces, within the time that the service waits."""
    reply = await forward()
    response = await _begin(request, reply)
    size = max(1, -(-len(reply.body) // 10))
    for start in range(0, len(reply.body), size):
        await response.write(reply.body[start : start + size])
        await asyncio.sleep(0.15)
    await response.write_eof()
    return response


async def _begin(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    return response


async def _replay(_request: web.Request, forward: Forward) -> web.StreamResponse:
    await forward()
    return (await forward()).response()


async def _replay_renamed(request: web.Request, forward: Forward) -> web.StreamResponse:
    """Deliver once more under another transaction id, as a homeserver does whose database was restored."""
    await forward(path=f"{request.raw_path}-again")
    return (await forward()).response()


async def _twice(_request: web.Request, forward: Forward) -> web.StreamResponse:
    replies = await asyncio.gather(forward(), forward())
    return replies[0].response()


async def _delay(_request: web.Request, forward: Forward) -> web.StreamResponse:
    await asyncio.sleep(DELAY)
    return (await forward()).response()


_WAYS: Mapping[str, _Answer] = {
    "429 with retry_after_ms": _says(429, "M_LIMIT_EXCEEDED", retry_after_ms=400),
    "429 without retry_after_ms": _says(429, "M_LIMIT_EXCEEDED"),
    "401": _says(401, "M_UNKNOWN_TOKEN"),
    "403": _says(403, "M_FORBIDDEN"),
    "404 of a proxy": _page(404),
    "404 M_UNRECOGNIZED": _says(404, "M_UNRECOGNIZED"),
    "404 M_NOT_FOUND": _says(404, "M_NOT_FOUND"),
    "502": _page(502),
    "504 before": _page(504),
    "504 after": _page(504, after=True),
    "reset before": _reset(),
    "reset after": _reset(after=True),
    "timeout before": _withhold(),
    "timeout after": _withhold(after=True),
    "truncated": _truncate,
    "slow": _drip,
    "replayed": _replay,
    "replayed under a new id": _replay_renamed,
    "twice at once": _twice,
    "delayed": _delay,
    "refused": _page(502),
    "dropped before": _reset(),
    "dropped after": _reset(after=True),
}
