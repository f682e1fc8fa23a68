"""Speaks HTTP for the pages with forms: reads what is sent, strictly, and answers with a page that nobody keeps.

``pages`` adds these handlers to the application; ``guard`` stands before them. A form that is too old, comes too often
or asks for what is not possible is shown again with everything that was typed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

from oshiyakusho_matrix.core.errors import Refused, Temporary
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.web.layout import Layout, language_of
from oshiyakusho_matrix.web.limits import Network, RateLimits, client_address
from oshiyakusho_matrix.web.tokens import FormTokens
from oshiyakusho_matrix.web.visits import Fields, Route, Shown, Visit

#: Bytes. The largest form has ten fields, of which one is a text of 2,000 characters, nine bytes each as they are sent.
LARGEST_FORM: Final = 32 * 1024
MOST_FIELDS: Final = 200
_FORM: Final = "application/x-www-form-urlencoded"
_RETRY: Final = timedelta(minutes=1)

#: A browser names itself as the origin of what its user sends only where the page lets it tell the referrer.
FORM_HEADERS: Final = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What all forms share. ``proxies`` are those whose word is taken for who asks."""

    layout: Layout
    tokens: FormTokens
    limits: RateLimits
    proxies: Sequence[Network] = ()

    async def show(self, route: Route, request: web.Request) -> web.Response:
        """Answer GET; it changes nothing."""
        # Never a token from the address: whoever wrote it there would know what is filed with it.
        visit = Visit(language=language_of(request.path), fields=_query(request), token=self.tokens.new())
        try:
            return self._page(route, request, await route.show(visit))
        except Temporary as error:
            after = str(_seconds(error.retry_after or _RETRY))
            raise web.HTTPServiceUnavailable(headers={hdrs.RETRY_AFTER: after}) from error

    async def receive(self, route: Route, request: web.Request) -> web.Response:
        """Answer POST."""
        self._require_own(request)
        visit = self._visit(request, await _body(request))
        peer = client_address(request.remote or "", request.headers.getall("X-Forwarded-For", []), self.proxies)
        if (wait := self.limits.wait(peer)) is not None:
            visit = replace(
                visit,
                held=True,
                notice=say(
                    "Too much came from your network at once. Nothing is lost: wait {minutes} minutes and send it "
                    "again.",
                    minutes=ceil(wait / timedelta(minutes=1)),
                ),
            )
            return self._page(route, request, await route.again(visit), status=429, after=wait)
        if visit.fields.one("token") != visit.token:
            visit = replace(visit, notice=say("This form was open for very long. Nothing is lost: send it once more."))
            return self._page(route, request, await route.again(visit), status=422)
        try:
            return self._page(route, request, await route.receive(visit))
        except Refused as refusal:
            return self._page(route, request, await route.again(replace(visit, notice=refusal.text)), status=422)
        except Temporary as error:
            notice = say("That is not possible at this moment. Nothing is lost: wait a minute and send it again.")
            after = error.retry_after or _RETRY
            visit = replace(visit, held=True, notice=notice)
            return self._page(route, request, await route.again(visit), status=503, after=after)

    def _visit(self, request: web.Request, fields: Fields) -> Visit:
        came = fields.one("token")
        token = came if self.tokens.is_valid(came) else self.tokens.new()
        return Visit(language=language_of(request.path), fields=fields, token=token)

    def _require_own(self, request: web.Request) -> None:
        """Refuse what a browser says was sent by another site's page (Fetch metadata; RFC 6454)."""
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        if site not in (None, "same-origin", "none") or origin not in (None, "null", self.layout.origin):
            raise web.HTTPForbidden

    def _page(
        self,
        route: Route,
        request: web.Request,
        shown: Shown,
        *,
        status: int | None = None,
        after: timedelta | None = None,
    ) -> web.Response:
        body = self.layout.page(shown.template, language_of(request.path), route.path, shown.values)
        headers = {} if after is None else {hdrs.RETRY_AFTER: str(_seconds(after))}
        return web.Response(
            status=status or shown.status, body=body, headers={**headers, hdrs.CONTENT_TYPE: "text/html; charset=utf-8"}
        )


def _seconds(time: timedelta) -> int:
    return max(1, ceil(time.total_seconds()))


def _query(request: web.Request) -> Fields:
    return _fields(request.rel_url.raw_query_string)


async def _body(request: web.Request) -> Fields:
    if request.content_type != _FORM or (request.charset or "utf-8").lower() != "utf-8":
        raise web.HTTPUnsupportedMediaType
    if hdrs.CONTENT_ENCODING in request.headers:
        raise web.HTTPUnsupportedMediaType
    if (request.content_length or 0) > LARGEST_FORM:
        raise web.HTTPRequestEntityTooLarge(LARGEST_FORM, request.content_length or 0)
    try:
        return _fields((await request.read()).decode("ascii"))
    except UnicodeDecodeError:
        raise web.HTTPBadRequest from None


def _fields(encoded: str) -> Fields:
    """Read what is URL-encoded; ``HTTPBadRequest`` for what is not UTF-8, or holds a zero byte."""
    try:
        pairs = parse_qsl(
            encoded, keep_blank_values=True, strict_parsing=bool(encoded), errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise web.HTTPBadRequest from None
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise web.HTTPBadRequest
    return Fields(pairs)
