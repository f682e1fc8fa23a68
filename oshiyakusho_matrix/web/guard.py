"""Stands before every public page: methods, bodies, errors as pages, and the security headers on each answer.

Sources of the headers: the OWASP cheat sheet on HTTP headers; CSP Level 3; RFC 6797 (HSTS).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from oshiyakusho_matrix.core.worker import frames
from oshiyakusho_matrix.web.dynamic import FORM_HEADERS
from oshiyakusho_matrix.web.site import Site

logger = structlog.get_logger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: What an error says in its headers that a page cannot say.
_KEPT = ("Allow", "Location", "Retry-After")
METHODS = (hdrs.METH_GET, hdrs.METH_HEAD)
FORM_METHODS = (*METHODS, hdrs.METH_POST)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # aiohttp would tell its version and Python's.
    "Server": "oshiyakusho-matrix",
}
#: A year, as browsers want it. Only ever sent where people come by https.
HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def guard(site: Site, public_url: str, *, forms: Collection[str] = ()) -> Middleware:
    """Return the middleware. Whatever happens behind it, the answer is a page and carries the headers.

    ``forms`` are the addresses to which something may be sent.
    """
    headers: Mapping[str, str] = HEADERS | (HSTS if public_url.startswith("https://") else {})

    @web.middleware
    async def guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
        is_form = request.path in forms
        response = await _answer(site, request, handler, FORM_METHODS if is_form else METHODS)
        response.headers.update({**headers, **FORM_HEADERS} if is_form else headers)
        return response

    return guarded


async def _answer(site: Site, request: web.Request, handler: _Handler, methods: tuple[str, ...]) -> web.StreamResponse:
    if request.method not in methods:
        return _error(site, request, web.HTTPMethodNotAllowed(request.method, methods))
    if request.can_read_body and request.method != hdrs.METH_POST:
        return _error(site, request, web.HTTPRequestEntityTooLarge(0, 1))
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(site, request, error)
    except Exception as error:  # noqa: BLE001 - the border: aiohttp's own answer would lack the headers
        logger.error("a public page failed", at=frames(error))  # noqa: TRY400 - see frames
        return _error(site, request, web.HTTPInternalServerError())


def _error(site: Site, request: web.Request, error: web.HTTPException) -> web.Response:
    """Return an error (or a redirect) as a page in the language of the address."""
    kept: dict[str, str] = {name: error.headers[name] for name in _KEPT if name in error.headers}
    response = web.Response(
        status=error.status,
        body=site.error(error.status, request.path),
        headers={**kept, "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"},
    )
    if request.can_read_body:
        # What is left of the body is not waited for.
        response.force_close()
    return response
