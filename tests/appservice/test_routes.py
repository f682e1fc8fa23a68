"""The HTTP side, over a real socket: who may call, what is answered, and when."""

import asyncio
import gzip
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.appservice.border import Arrived
from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.appservice.tables import inbox_event, inbox_letter
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.appservice.fakes import BOT, Book, RememberingOutbox, handling, message, sort_letters

TOKEN = "the-homeservers-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TRANSACTION = "/_matrix/app/v1/transactions/1"

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def inbox(store: Store) -> Inbox:
    return Inbox(store, Book(), RememberingOutbox(), bot=BOT)


@pytest_asyncio.fixture
async def client(inbox: Inbox) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(appservice_routes(inbox, TOKEN, largest_body=100_000))
    async with TestClient(TestServer(app)) as made:
        yield made


async def stored(store: Store) -> int:
    """Return how many events are kept."""
    await sort_letters(store)
    async with store.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(inbox_event))).scalar_one()


async def answer(response: aiohttp.ClientResponse) -> tuple[int, str | None]:
    return response.status, (await response.json()).get("errcode")


@pytest.mark.parametrize("path", [TRANSACTION, "/transactions/2"])
async def test_200_means_stored_and_a_repeat_is_fine(client: Client, store: Store, path: str) -> None:
    for _ in range(2):
        response = await client.put(path, json={"events": [message("$a"), message("$b")]}, headers=BEARER)
        assert (response.status, await response.json()) == (200, {})
        assert await stored(store) == 2


CALLERS: Sequence[tuple[dict[str, str], dict[str, str], tuple[int, str | None]]] = [
    ({}, {}, (401, "M_MISSING_TOKEN")),
    ({"Authorization": "Bearer "}, {}, (401, "M_MISSING_TOKEN")),
    ({"Authorization": f"Basic {TOKEN}"}, {}, (401, "M_MISSING_TOKEN")),
    ({"Authorization": "Bearer wrong"}, {}, (403, "M_FORBIDDEN")),
    ({"Authorization": f"Bearer {TOKEN}x"}, {}, (403, "M_FORBIDDEN")),
    ({"Authorization": "Bearer 市役所"}, {}, (403, "M_FORBIDDEN")),
    ({}, {"access_token": "wrong"}, (403, "M_FORBIDDEN")),
    (BEARER, {"access_token": "wrong"}, (403, "M_FORBIDDEN")),
    ({"Authorization": "Bearer wrong"}, {"access_token": TOKEN}, (403, "M_FORBIDDEN")),
    ({}, {"access_token": TOKEN}, (200, None)),
    (BEARER, {"access_token": TOKEN}, (200, None)),
    ({"Authorization": "Bearer "}, {"access_token": TOKEN}, (200, None)),
    ({"Authorization": f"bearer {TOKEN}"}, {}, (200, None)),
]


async def test_only_the_homeserver_may_call(client: Client, store: Store) -> None:
    kept = 0
    for number, (headers, query, expected) in enumerate(CALLERS):
        events = {"events": [message(f"$e{number}")]}
        path = f"/_matrix/app/v1/transactions/{number}"
        response = await client.put(path, json=events, headers=headers, params=query)
        kept += expected[0] == 200
        assert (await answer(response), await stored(store)) == (expected, kept), (headers, query)


@pytest.mark.parametrize("tokens", [(TOKEN, "wrong"), ("wrong", TOKEN)])
async def test_every_token_that_is_given_has_to_be_right(client: Client, store: Store, tokens: Sequence[str]) -> None:
    headers = CIMultiDict([("Authorization", f"Bearer {token}") for token in tokens])
    response = await client.put(TRANSACTION, json={"events": [message("$a")]}, headers=headers)
    assert (await answer(response), await stored(store)) == ((403, "M_FORBIDDEN"), 0)


async def test_only_a_comparison_in_constant_time_tells_whether_a_token_is_right(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, verdict = list[bytes](), True

    def compare(given: bytes, right: bytes) -> bool:
        assert right == TOKEN.encode()
        compared.append(given)
        return verdict

    monkeypatch.setattr(hmac, "compare_digest", compare)
    ping = "/_matrix/app/v1/ping"
    assert (
        await client.post(ping, headers={"Authorization": "Bearer one"}, params={"access_token": "two"})
    ).status == 200
    verdict = False
    assert (await client.post(ping, headers=BEARER, params={"access_token": TOKEN})).status == 403
    assert compared == [b"one", b"two", TOKEN.encode(), TOKEN.encode()], "the second is looked at whatever the first is"


async def test_every_route_wants_the_token(client: Client) -> None:
    for method, path in (
        ("POST", "/_matrix/app/v1/ping"),
        ("GET", "/_matrix/app/v1/users/@_och_x:example.jp"),
        ("GET", "/_matrix/app/v1/rooms/%23cityhall:example.jp"),
        ("GET", "/_matrix/app/v1/thirdparty/protocol/x"),
        ("PUT", "/transactions/1"),
    ):
        assert (await client.request(method, path, json={})).status == 401, path
        assert (await client.request(method, path, json={}, headers={"Authorization": "Bearer no"})).status == 403, path


async def test_a_caller_without_token_is_answered_before_its_body_is_read(client: Client) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"events": ['
        asked.set()
        await never.wait()

    response = await asyncio.wait_for(client.put(TRANSACTION, data=endless()), 5)
    assert response.status == 401
    response.close()


async def test_ping_users_rooms_and_the_unknown(client: Client) -> None:
    pinged = await client.post("/_matrix/app/v1/ping", json={"transaction_id": "x"}, headers=BEARER)
    assert (pinged.status, await pinged.json()) == (200, {})
    for path in ("/_matrix/app/v1/users/@x:y", "/users/@x:y", "/_matrix/app/v1/rooms/%23a:b", "/rooms/%23a:b"):
        assert await answer(await client.get(path, headers=BEARER)) == (404, "M_NOT_FOUND")
    unknown = await client.get("/_matrix/app/v1/thirdparty/protocol/x", headers=BEARER)
    assert await answer(unknown) == (404, "M_UNRECOGNIZED")
    wrong_method = await client.delete(TRANSACTION, headers=BEARER)
    assert await answer(wrong_method) == (404, "M_UNRECOGNIZED")


async def test_one_bad_event_never_blocks_the_transaction(client: Client, store: Store, inbox: Inbox) -> None:
    events: list[Any] = [3, {"event_id": "$bad"}, message("$ok", body="\x00"), message("$typed", content="no")]
    response = await client.put(TRANSACTION, json={"events": events}, headers=BEARER)
    assert response.status == 200
    async with handling(inbox):
        await asyncio.wait_for(inbox.idle(), 10)
    assert await stored(store) == 1
    assert inbox.misfits == 3


async def test_what_is_no_transaction_is_refused(client: Client) -> None:
    for body, expected in (
        (b"", (400, "M_NOT_JSON")),
        (b"nonsense", (400, "M_NOT_JSON")),
        (b"[]", (400, "M_BAD_JSON")),
        (b'{"events": [' + b" " * 200_000 + b"]}", (413, "M_TOO_LARGE")),
    ):
        assert await answer(await client.put(TRANSACTION, data=body, headers=BEARER)) == expected, body[:20]


async def test_a_packed_body_is_bounded_by_what_it_unpacks_to(client: Client) -> None:
    bomb = gzip.compress(b'{"events": [' + b" " * 5_000_000 + b"]}")
    response = await client.put(TRANSACTION, data=bomb, headers=BEARER | {"Content-Encoding": "gzip"})
    assert await answer(response) == (413, "M_TOO_LARGE")


async def test_a_body_counts_until_what_is_in_it_is_kept(store: Store) -> None:
    keeping, go = asyncio.Event(), asyncio.Event()

    class Slow(Inbox):
        async def receive(self, txn_id: str, arrived: Arrived) -> None:
            keeping.set()
            await go.wait()
            await super().receive(txn_id, arrived)

    app = web.Application()
    app.add_routes(appservice_routes(Slow(store, Book(), RememberingOutbox(), bot=BOT), TOKEN, largest_body=100_000))
    body = {"events": [message("$a", body="x" * 60_000)]}
    async with TestClient(TestServer(app)) as client:
        first = asyncio.create_task(client.put(TRANSACTION, json=body, headers=BEARER))
        await asyncio.wait_for(keeping.wait(), 10)
        meanwhile = await asyncio.wait_for(client.put("/transactions/2", json=body, headers=BEARER), 10)
        assert await answer(meanwhile) == (503, "M_LIMIT_EXCEEDED")
        go.set()
        assert (await first).status == 200
        assert (await client.put("/transactions/2", json=body, headers=BEARER)).status == 200


async def test_a_transaction_id_may_hold_anything_but_not_without_end(client: Client, store: Store) -> None:
    odd = await client.put("/_matrix/app/v1/transactions/a%00%2Fb%E8%AA%B2", json={"events": []}, headers=BEARER)
    assert odd.status == 200
    long = await client.put("/_matrix/app/v1/transactions/" + "x" * 256, json={"events": []}, headers=BEARER)
    assert await answer(long) == (400, "M_INVALID_PARAM")


async def test_without_a_database_the_homeserver_is_asked_to_repeat(
    client: Client, store: Store, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(inbox_letter.drop)
    broken = await client.put(TRANSACTION, json={"events": [message("$a")]}, headers=BEARER)
    assert broken.status >= 500
    async with engine.begin() as connection:
        await connection.run_sync(inbox_letter.create)
    mended = await client.put(TRANSACTION, json={"events": [message("$a")]}, headers=BEARER)
    assert mended.status == 200
    assert await stored(store) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)


@given(events=st.lists(JSON | st.dictionaries(st.sampled_from(sorted(message("$"))), JSON), max_size=3), body=JSON)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_hostile_transactions_are_stored_or_left_out_never_an_error(
    client: Client, events: list[Any], body: Any
) -> None:
    sent = [*events, message("$x", content={"body": body})]
    response = await client.put(
        "/_matrix/app/v1/transactions/h", data=json.dumps({"events": sent}).encode(), headers=BEARER
    )
    assert response.status == 200
