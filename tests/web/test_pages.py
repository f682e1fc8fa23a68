"""The public pages over a real socket: what is answered to whom, in which language, and with which headers."""

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from oshiyakusho_matrix.web.guard import guard
from oshiyakusho_matrix.web.pages import public_pages
from oshiyakusho_matrix.web.site import HANDBOOK, build_site, path_of
from tests.web.documents import LANGUAGES

Client = TestClient[web.Request, web.Application]

PORCH = "#cityhall-genkan:example.jp"
PUBLIC_URL = "https://cityhall.example.jp"
PAGES = [path_of(language, name) for language in LANGUAGES for name in ("welcome", *HANDBOOK)]
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Strict-Transport-Security": "max-age=31536000",
}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(public_pages(PUBLIC_URL, porch=PORCH))) as made:
        yield made


async def raw(client: Client, request: str) -> str:
    """Send just these bytes, which no well-behaved client would."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        async with asyncio.timeout(10):
            writer.write(request.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            return (head + await reader.readexactly(int(length[1]) if length else 0)).decode()
    finally:
        # The server may have ended it already, in the middle of what we sent.
        writer.transport.abort()


def assert_guarded(response: aiohttp.ClientResponse) -> None:
    policy = response.headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert directive in policy
    assert "unsafe" not in policy
    assert {name: response.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "Set-Cookie" not in response.headers
    assert "Python" not in response.headers["Server"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_speaks_the_language_of_its_address(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    text = await response.text()
    assert f'<html lang="{"en" if path.startswith("/en/") else "ja"}">' in text
    assert f'<link rel="canonical" href="{PUBLIC_URL}{path}">' in text
    assert_guarded(response)


async def test_the_welcome_says_who_may_come_in_and_where_to_knock(client: Client) -> None:
    japanese = await (await client.get("/")).text()
    assert "国家公務員" in japanese
    assert "地方公務員" in japanese
    assert PORCH in japanese
    english = await (await client.get("/en/")).text()
    assert "national government" in english
    assert "local governments" in english
    assert PORCH in english


async def test_the_address_of_the_hall_is_escaped_and_may_be_unknown() -> None:
    site = build_site(PUBLIC_URL, "#<script>:example.jp")
    assert b"<script" not in site.documents["/"].body
    assert "サーバー名は事務局に" in build_site(PUBLIC_URL, None).documents["/"].body.decode()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/static/style.css", "text/css"), ("/static/icon.svg", "image/svg+xml"), ("/robots.txt", "text/plain")],
)
async def test_what_pages_are_made_of_may_be_kept_for_a_while(client: Client, path: str, content_type: str) -> None:
    response = await client.get(path)
    assert (response.status, response.content_type) == (200, content_type)
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert_guarded(response)
    again = await client.get(path, headers={"If-None-Match": f'"older", W/{response.headers["ETag"]}'})
    assert (again.status, await again.read()) == (304, b"")
    assert_guarded(again)


async def test_a_page_that_changed_is_sent_again(client: Client) -> None:
    response = await client.get("/", headers={"If-None-Match": '"older"'})
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["ETag"] != (await client.get("/en/")).headers["ETag"]


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/nowhere"])
async def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    get, head = await client.get(path), await client.head(path)
    assert head.status == get.status
    assert head.headers["Content-Length"] == str(len(await get.read()))
    assert await head.read() == b""
    assert_guarded(head)


@pytest.mark.parametrize(("path", "language"), [("/nowhere", "ja"), ("/en/nowhere", "en"), ("/%E8%AA%B2", "ja")])
async def test_a_page_that_is_not_there_is_a_page(client: Client, path: str, language: str) -> None:
    response = await client.get(path)
    text = await response.text()
    assert response.status == 404
    assert f'<html lang="{language}">' in text
    assert {"ja": "ページが見つかりません", "en": "There is no such page"}[language] in text
    assert response.headers["Cache-Control"] == "no-store"
    assert_guarded(response)


async def test_nothing_of_an_address_comes_back_in_a_page(client: Client) -> None:
    response = await client.get("/<script>alert(1)</script>?a=<b>")
    assert response.status == 404
    assert "alert" not in await response.text()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages.py",
        "/static/..%2fpages.py",
        "/static/%2e%2e/%2e%2e/cli.py",
        "/static/..\\pages.py",
        "/../../../../etc/passwd",
        "//etc/passwd",
        "/static/",
        "/handbook/members.md",
        "/static/style.css%00.html",
    ],
)
async def test_no_path_leads_out_of_the_site(client: Client, path: str) -> None:
    answer = await raw(client, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in ("400", "404")
    assert "def " not in answer
    assert "root:" not in answer


@pytest.mark.parametrize("path", ["/en", "/handbook", "/en/handbook"])
async def test_a_forgotten_slash_is_forgiven(client: Client, path: str) -> None:
    response = await client.get(path, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (308, path + "/")
    assert_guarded(response)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/nowhere"])
async def test_only_reading_is_possible(client: Client, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert response.status == 405
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD"}
    assert_guarded(response)


async def test_an_invented_method_is_refused(client: Client) -> None:
    answer = await raw(client, "BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] in ("400", "405")


async def test_a_body_is_refused_unread(client: Client) -> None:
    response = await client.get("/", data=b"x" * 100_000)
    assert response.status == 413
    assert_guarded(response)
    # Announced and never sent: the answer does not wait for it.
    answer = await raw(client, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    assert answer.split()[1] == "405"


async def test_endless_headers_are_refused(client: Client) -> None:
    answer = await raw(client, f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 100_000}\r\n\r\n")
    assert answer.split()[1] in ("400", "431")


async def test_hsts_is_for_https_alone() -> None:
    async with TestClient(TestServer(public_pages("http://localhost:8020"))) as client:
        response = await client.get("/")
        assert response.status == 200
        assert "Strict-Transport-Security" not in response.headers


async def test_the_site_may_lie_under_a_path_of_the_proxy() -> None:
    async with TestClient(TestServer(public_pages("https://example.jp/cityhall/"))) as client:
        text = await (await client.get("/handbook/members")).text()
        assert 'href="/cityhall/static/style.css"' in text
        assert 'href="/cityhall/handbook/rooms"' in text
        assert 'href="https://example.jp/cityhall/en/handbook/members"' in text
        assert (await client.get("/en", allow_redirects=False)).headers["Location"] == "/cityhall/en/"


async def test_a_bug_behind_the_guard_is_a_page_that_tells_nothing() -> None:
    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("a secret")

    app = web.Application(middlewares=[guard(build_site(PUBLIC_URL, None), PUBLIC_URL)])
    app.router.add_get("/", broken)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/", headers={"Accept": "text/html"})
        assert response.status == 500
        assert "secret" not in await response.text()
        assert_guarded(response)
