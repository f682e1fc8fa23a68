"""The application behind ``web_listen``: GET and HEAD on documents that were made at the start, nothing else."""

from aiohttp import web

from oshiyakusho_matrix.web.guard import guard
from oshiyakusho_matrix.web.site import Document, build_site

#: Bytes. Nothing that is read here takes a body, and ``guard`` refuses one before anybody reads it.
LARGEST_BODY = 1024


def public_pages(public_url: str, *, hall: str | None = None) -> web.Application:
    """Return the application.

    ``public_url`` is how people reach it (https turns HSTS on); ``hall`` is the address of the city hall's space, such
    as ``#cityhall:example.jp``, and None leaves it to the reader to ask for it.
    """
    site = build_site(public_url, hall)

    async def answer(request: web.Request) -> web.Response:
        if (target := site.moved.get(request.path)) is not None:
            raise web.HTTPPermanentRedirect(target)
        document = site.documents.get(request.path)
        if document is None:
            raise web.HTTPNotFound
        return _answer(request, document)

    application = web.Application(middlewares=[guard(site, public_url)], client_max_size=LARGEST_BODY)
    application.router.add_get("/{path:.*}", answer)
    return application


def _answer(request: web.Request, document: Document) -> web.Response:
    """Return the document, or 304 to whoever has this very version (RFC 9110, 13.1.2)."""
    headers = {"ETag": document.etag, "Cache-Control": document.caching}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if document.etag in known or "*" in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=document.body, headers={**headers, "Content-Type": document.content_type})
