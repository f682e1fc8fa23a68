"""The application behind ``web_listen``: documents that were made at the start, and the pages with forms."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b

from aiohttp import web

from oshiyakusho_matrix.locales import LANGUAGES
from oshiyakusho_matrix.web.dynamic import LARGEST_FORM, Forms
from oshiyakusho_matrix.web.guard import guard
from oshiyakusho_matrix.web.layout import Layout, in_language
from oshiyakusho_matrix.web.limits import Network, Rate, RateLimits
from oshiyakusho_matrix.web.site import Document, build_site
from oshiyakusho_matrix.web.tokens import FormTokens
from oshiyakusho_matrix.web.visits import Route


def public_pages(
    public_url: str,
    *,
    porch: str | None = None,
    routes: Sequence[Route] = (),
    sign: Callable[[str], str] | None = None,
    proxies: Sequence[Network] = (),
    rate: Rate | None = None,
) -> web.Application:
    """Return the application.

    ``public_url`` is how people reach it (https turns HSTS on); ``porch`` is the address at which people knock, such
    as ``#cityhall-genkan:example.jp``, and None leaves it to the reader to ask for it. ``routes`` are pages with forms.
    ``sign`` returns a keyed digest for their tokens; without one, forms that are open do not outlive a restart.
    ``proxies`` are the networks of those in front of us, and ``rate`` how much one client may send.
    """
    layout = Layout(public_url)
    site = build_site(public_url, porch, layout=layout)
    forms = Forms(
        layout=layout, tokens=FormTokens(sign or _own_digest()), limits=RateLimits(rate or Rate()), proxies=proxies
    )
    addresses = {in_language(lang, route.path): route for lang in LANGUAGES for route in routes}

    async def answer(request: web.Request) -> web.Response:
        if (target := site.moved.get(request.path)) is not None:
            raise web.HTTPPermanentRedirect(target)
        document = site.documents.get(request.path)
        if document is None:
            raise web.HTTPNotFound
        return _answer(request, document)

    application = web.Application(middlewares=[guard(site, public_url, forms=addresses)], client_max_size=LARGEST_FORM)
    for address, route in addresses.items():
        application.router.add_get(address, partial(forms.show, route))
        application.router.add_post(address, partial(forms.receive, route))
    application.router.add_get("/{path:.*}", answer)
    return application


def _own_digest() -> Callable[[str], str]:
    key = secrets.token_bytes(32)
    return lambda words: blake2b(words.encode(), key=key, digest_size=16).hexdigest()


def _answer(request: web.Request, document: Document) -> web.Response:
    """Return the document, or 304 to whoever has this very version (RFC 9110, 13.1.2)."""
    headers = {"ETag": document.etag, "Cache-Control": document.caching}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    if document.etag in known or "*" in known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=document.body, headers={**headers, "Content-Type": document.content_type})
