"""The public pages' application; grows with registration and the handbook."""

from collections.abc import Awaitable, Callable

from aiohttp import web

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def secured(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Put the security headers on every answer, errors included."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    response.headers.update(_HEADERS)
    return response


def public_pages(public_url: str) -> web.Application:
    """Return the application behind ``web_listen``."""
    del public_url
    return web.Application(middlewares=[secured])
