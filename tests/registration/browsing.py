"""The registration desk's pages over real HTTP on loopback: what a browser, or something that plays one, comes to."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from oshiyakusho_matrix.web.limits import Network, Rate
from oshiyakusho_matrix.web.pages import public_pages
from oshiyakusho_matrix.web.visits import Route
from tests.support.ports import ReservedPort

Client = TestClient[web.Request, web.Application]
PORCH = "#cityhall-genkan:city.example"


@dataclass
class Site:
    """The running pages and a client without a browser. ``origin`` is how people reach them."""

    client: Client
    origin: str

    async def get(self, path: str) -> "Paper":
        """Open a page."""
        response = await self.client.get(path)
        return Paper(response.status, await response.text(), response)

    async def post(
        self, path: str, fields: list[tuple[str, str]] | Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> "Paper":
        """Send a form as a browser does."""
        given = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", **(headers or {})}
        pairs = list(fields.items()) if isinstance(fields, Mapping) else fields
        response = await self.client.post(path, data=pairs, headers=given)
        return Paper(response.status, await response.text(), response)


@dataclass
class Paper(HTMLParser):
    """A page that came: its status, its text, its forms."""

    status: int
    html: str
    response: ClientResponse
    fields: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._inside: str | None = None
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a browser would send for this field as it stands."""
        found = {name: value or "" for name, value in attrs}
        if tag == "textarea":
            self._inside = found["name"]
        elif tag == "input" and (found["type"] not in ("checkbox", "radio") or "checked" in found):
            self.fields.append((found["name"], found["value"]))

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.fields.append((self._inside, data.removeprefix("\n")))
            self._inside = None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None if tag == "textarea" else self._inside

    @property
    def typed(self) -> dict[str, str]:
        """The last value of each field."""
        return dict(self.fields)

    @property
    def text(self) -> str:
        """What a reader sees, on one line."""
        body = self.html.partition("<main")[2].partition("</main>")[0]
        bare = re.sub(r"<datalist.*?</datalist>", "", body, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())

    @property
    def ticket(self) -> dict[str, str]:
        """What the forms of a status page carry."""
        return {name: self.typed[name] for name in ("token", "reference", "secret")}


@asynccontextmanager
async def pages(
    routes: tuple[Route, ...], *, rate: Rate | None = None, proxies: Sequence[Network] = ()
) -> AsyncIterator[Site]:
    """Serve the public pages with these routes."""
    port = ReservedPort()
    origin = f"http://127.0.0.1:{port.number}"
    application = public_pages(origin, porch=PORCH, routes=routes, rate=rate, proxies=proxies)
    try:
        async with TestClient(TestServer(application, port=port.open_to_listeners())) as client:
            yield Site(client, origin)
    finally:
        port.release()
