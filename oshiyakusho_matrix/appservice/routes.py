"""The HTTP side of the application service API: what the homeserver calls. Part of the listener of ``app``.

Who calls is settled before a body is read. A transaction is answered with 200 once it is kept, and never before.
Source: https://spec.matrix.org/v1.16/application-service-api/#homeserver---application-service-api
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from oshiyakusho_matrix.appservice.border import BadTransaction, NotJson, clean, read_transaction
from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.core.errors import Temporary

#: In bytes. Synapse sends at most 100 events of 65,536 bytes at a time, but an invite carries what another homeserver
#: says of the room, up to 13 million each. What is refused comes again for ever, so this is far above what was ever
#: seen; it is bounded all the same, for JSON may take 40 times its size.
LARGEST_BODY = 64 * 1024 * 1024
#: In a request that showed the right token: the listener spares its connection.
TRUSTED: Final = web.RequestKey("trusted", bool)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def appservice_routes(
    inbox: Inbox, hs_token: str, *, largest_body: int = LARGEST_BODY
) -> Sequence[web.AbstractRouteDef]:
    """Return the routes, for ``Application.add_routes``; the old paths without a version are among them."""

    bodies = _Bodies(largest_body)

    async def transaction(request: web.Request) -> web.StreamResponse:
        txn_id = clean(request.match_info["txn_id"])
        if len(txn_id) > 255:
            return _error(400, "M_INVALID_PARAM", "The transaction id is longer than 255 characters.")
        async with bodies.read(request) as body:
            return body if isinstance(body, web.Response) else await kept(txn_id, body)

    async def kept(txn_id: str, body: bytearray) -> web.StreamResponse:
        try:
            await inbox.receive(txn_id, read_transaction(body))
        except NotJson:
            return _error(400, "M_NOT_JSON", "The body is no JSON.")
        except BadTransaction:
            return _error(400, "M_BAD_JSON", "A transaction is an object with a list of events.")
        except Temporary:
            return _error(503, "M_UNKNOWN", "The events could not be kept. Please send them again.")
        return web.json_response({})

    async def ping(_request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async def unknown_entity(_request: web.Request) -> web.StreamResponse:
        # Users and rooms of our namespaces are made by us when they are needed, never because somebody asks.
        return _error(404, "M_NOT_FOUND", "There is nothing of this name.")

    async def unrecognized(_request: web.Request) -> web.StreamResponse:
        return _error(404, "M_UNRECOGNIZED", "This part of the API is not offered.")

    def guarded(handler: _Handler) -> _Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            refusal = _refusal(request, hs_token)
            if refusal is not None:
                return refusal
            request[TRUSTED] = True
            return await handler(request)

        return guard

    return [
        *(
            route
            for prefix in ("/_matrix/app/v1", "")
            for route in (
                web.put(prefix + "/transactions/{txn_id}", guarded(transaction)),
                web.get(prefix + "/users/{user_id}", guarded(unknown_entity)),
                web.get(prefix + "/rooms/{alias}", guarded(unknown_entity)),
            )
        ),
        web.post("/_matrix/app/v1/ping", guarded(ping)),
        web.route("*", "/_matrix/app/{rest:.*}", guarded(unrecognized)),
    ]


def _refusal(request: web.Request, hs_token: str) -> web.Response | None:
    """Return what to answer to a caller who is not the homeserver. Every token that is given has to be the right one.

    The query parameter is how homeservers before version 1.4 of the specification did it.
    """
    given = [*_bearers(request), *request.query.getall("access_token", [])]
    if not given:
        return _error(401, "M_MISSING_TOKEN", "The hs_token is missing.")
    # No short cut: the time taken says nothing about which token was wrong.
    right = [hmac.compare_digest(token.encode("utf-8", "replace"), hs_token.encode()) for token in given]
    return None if all(right) else _error(403, "M_FORBIDDEN", "The hs_token is wrong.")


def _bearers(request: web.Request) -> Iterator[str]:
    for header in request.headers.getall("Authorization", []):
        scheme, _, bearer = header.partition(" ")
        if scheme.lower() == "bearer" and bearer.strip():
            yield bearer.strip()


class _Bodies:
    """Reads bodies. All that are in hand together hold no more than one may: a homeserver sends one at a time."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = 0

    @asynccontextmanager
    async def read(self, request: web.Request) -> AsyncIterator[bytearray | web.Response]:
        """Hand on the body, or what to answer if it is too large (by what it says of itself, or by what comes)."""
        body = bytearray()
        try:
            yield await self._into(body, request)
        finally:
            self._held -= len(body)

    async def _into(self, body: bytearray, request: web.Request) -> bytearray | web.Response:
        too_large = _error(413, "M_TOO_LARGE", f"A transaction may have {self._largest} bytes.")
        if (request.content_length or 0) > self._largest:
            return too_large
        try:
            async for chunk in request.content.iter_any():
                body += chunk
                self._held += len(chunk)
                if len(body) > self._largest:
                    return too_large
                if self._held > self._largest:
                    return _error(503, "M_LIMIT_EXCEEDED", "Too much is being sent at once. Please try again.")
        except (ConnectionError, aiohttp.ClientPayloadError, web.RequestPayloadError, HttpProcessingError):
            return _error(400, "M_NOT_JSON", "The body ended too early, or is not encoded as it says.")
        return body


def _error(status: int, errcode: str, error: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": error}, status=status)
