"""What each way of failing becomes, over a real socket: nothing but M_NOT_FOUND is an absence, no token leaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.interface import Forbidden, Homeserver, NewRoom, NotDone

TOKEN = "as-token-that-nobody-may-see"
BOT = UserId("@shiyakusho:city.example")
ROOM = RoomId("!room")
ALIAS = RoomAlias("#cityhall:city.example")
HTML = "<html><body>nginx</body></html>"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def homeserver_that(handle: Handler, **options: Any) -> AsyncIterator[MatrixHomeserver]:
    """Serve one handler for everything and point a client at it."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    client = MatrixHomeserver(f"http://127.0.0.1:{port}/", bot=BOT, as_token=TOKEN, **options)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


def answering(status: int, body: str | dict[str, Any] | list[Any], **headers: str) -> Handler:
    """Answer everything alike."""

    async def handle(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html", headers=named)
        return web.json_response(body, status=status, headers=named)

    return handle


def refusal(errcode: str, error: str = "no") -> dict[str, Any]:
    return {"errcode": errcode, "error": error}


#: Every way to ask, as each must fail alike.
CALLS: dict[str, Callable[[Homeserver], Awaitable[object]]] = {
    "resolve_alias": lambda hs: hs.resolve_alias(ALIAS),
    "room_state": lambda hs: hs.room_state(ROOM),
    "state_content": lambda hs: hs.state_content(ROOM, "m.room.name"),
    "rooms_shared_with": lambda hs: hs.rooms_shared_with(BOT),
    "create_room": lambda hs: hs.create_room(NewRoom(version="12")),
    "send_state": lambda hs: hs.send_state(ROOM, "m.room.name", "", {"name": "x"}),
    "invite": lambda hs: hs.invite(ROOM, BOT),
    "kick": lambda hs: hs.kick(ROOM, BOT),
    "join": lambda hs: hs.join(ROOM),
    "leave": lambda hs: hs.leave(ROOM),
    "send_event": lambda hs: hs.send_event(ROOM, "m.room.message", {}, transaction_id="1"),
    "versions": lambda hs: hs.versions(),
    "whoami": lambda hs: hs.whoami(),
    "ensure_bot": lambda hs: hs.ensure_bot("市役所"),
    "ping": lambda hs: hs.ping("oshiyakusho", "1"),
}
every_call = pytest.mark.parametrize("call", CALLS)


async def failure_of(call: str, handle: Handler, **options: Any) -> Exception:
    """Return what a call raises."""
    async with homeserver_that(handle, **options) as homeserver:
        with pytest.raises((Temporary, Permanent)) as caught:
            await CALLS[call](homeserver)
    reason = caught.value.args[0]
    assert TOKEN not in reason
    assert str(BOT) not in reason
    return caught.value


@every_call
async def test_a_rate_limit_is_temporary_and_says_when(call: str) -> None:
    limited = answering(429, refusal("M_LIMIT_EXCEEDED") | {"retry_after_ms": 2500}, Retry_After="9")
    error = await failure_of(call, limited)
    assert isinstance(error, Temporary)
    assert error.retry_after == timedelta(seconds=2.5)


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (refusal("M_LIMIT_EXCEEDED"), {"Retry_After": "7"}, 7),
        (refusal("M_LIMIT_EXCEEDED"), {}, None),
        (refusal("M_LIMIT_EXCEEDED"), {"Retry_After": "soon"}, None),
        (HTML, {"Retry_After": "120"}, 120),
        (refusal("M_LIMIT_EXCEEDED") | {"retry_after_ms": -5}, {}, 0),
        (refusal("M_LIMIT_EXCEEDED") | {"retry_after_ms": "500"}, {"Retry_After": "3"}, 3),
        (refusal("M_LIMIT_EXCEEDED") | {"retry_after_ms": 10**18}, {}, 86_400),
    ],
)
async def test_the_delay_is_read_wherever_it_stands(body: Any, headers: dict[str, str], seconds: float | None) -> None:
    error = await failure_of("create_room", answering(429, body, **headers))
    assert isinstance(error, Temporary)
    assert error.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_the_delay_may_be_a_date() -> None:
    soon = format_datetime(now() + timedelta(seconds=60), usegmt=True)
    error = await failure_of("join", answering(503, HTML, Retry_After=soon))
    assert isinstance(error, Temporary)
    assert error.retry_after is not None
    assert timedelta(seconds=50) < error.retry_after <= timedelta(seconds=60)


@every_call
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, HTML),
        (500, refusal("M_UNKNOWN", "Internal server error")),
        (404, HTML),
        (404, {}),
        (403, HTML),
        (401, ""),
        (200, HTML),
        (200, '{"room_id": "!cut'),
        (200, "[" * 100_000),
        (204, ""),
    ],
)
async def test_what_is_no_answer_of_a_homeserver_is_temporary(call: str, status: int, body: Any) -> None:
    error = await failure_of(call, answering(status, body))
    assert isinstance(error, Temporary)
    assert str(status) in error.reason


@pytest.mark.parametrize(
    "call", sorted(CALLS.keys() - {"join", "leave", "invite", "kick", "ensure_bot", "state_content"})
)
@pytest.mark.parametrize(
    "body", [{}, [], {"room_id": 1, "event_id": None, "list": 5}, [{"type": "m.room.name"}], ["x"]]
)
async def test_a_success_that_lacks_what_it_must_say_is_temporary(call: str, body: Any) -> None:
    error = await failure_of(call, answering(200, body))
    assert isinstance(error, Temporary)


async def test_a_list_is_no_content_of_state() -> None:
    assert isinstance(await failure_of("state_content", answering(200, [])), Temporary)
    async with homeserver_that(answering(200, {})) as homeserver:
        assert await homeserver.state_content(ROOM, "m.space.child", "!gone") == {}


async def test_only_the_homeservers_own_not_found_is_an_absence() -> None:
    async with homeserver_that(answering(404, refusal("M_NOT_FOUND"))) as homeserver:
        assert await homeserver.resolve_alias(ALIAS) is None
        assert await homeserver.state_content(ROOM, "m.room.name") is None
        with pytest.raises(Forbidden):
            await homeserver.room_state(ROOM)
    async with homeserver_that(answering(404, refusal("M_UNRECOGNIZED"))) as homeserver:
        with pytest.raises(Permanent):
            await homeserver.resolve_alias(ALIAS)
    async with homeserver_that(answering(410, refusal("M_NOT_FOUND"))) as homeserver:
        with pytest.raises(Permanent):
            await homeserver.state_content(ROOM, "m.room.name")


@every_call
async def test_an_unknown_token_is_temporary_and_says_what_to_compare(call: str) -> None:
    error = await failure_of(call, answering(401, refusal("M_UNKNOWN_TOKEN", f"Bad token {TOKEN}")))
    assert isinstance(error, NotDone)
    assert "as_token" in error.reason
    assert "registration.yaml" in error.reason


@every_call
async def test_a_refusal_is_forbidden_and_names_nobody(call: str) -> None:
    error = await failure_of(call, answering(403, refusal("M_FORBIDDEN", f"{BOT} not in room, ask '@a:b.example'")))
    assert isinstance(error, Forbidden)
    assert "M_FORBIDDEN (@… not in room, ask '@…')" in error.reason


async def test_other_refusals_are_permanent() -> None:
    error = await failure_of("create_room", answering(400, refusal("M_ROOM_IN_USE", "taken")))
    assert isinstance(error, Permanent)
    assert not isinstance(error, Forbidden)
    assert error.reason == "create_room: the homeserver answered 400 M_ROOM_IN_USE (taken)"
    assert isinstance(await failure_of("send_state", answering(413, HTML)), Permanent)


@every_call
async def test_a_connection_that_breaks_is_temporary(call: str) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert isinstance(await failure_of(call, reset), Temporary)


async def test_an_answer_that_is_cut_off_is_temporary() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"room_id": "!room"}')
        assert request.transport is not None
        request.transport.close()
        return response

    assert isinstance(await failure_of("create_room", cut), Temporary)


async def test_nothing_there_is_temporary() -> None:
    async with homeserver_that(answering(200, {})) as homeserver:
        pass
    again = MatrixHomeserver(homeserver.url, bot=BOT, as_token=TOKEN)
    # Told apart from an answer that got lost: here nothing can have been done.
    with pytest.raises(NotDone, match=r"the homeserver cannot be reached \(resolve_alias\)"):
        await again.resolve_alias(ALIAS)
    await again.close()


async def test_a_slow_answer_is_temporary_and_waiting_for_a_turn_does_not_count() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        if "slow" in request.path:
            await asyncio.sleep(5)
        await asyncio.sleep(0.15)
        return web.json_response({"room_id": "!room"})

    async with homeserver_that(slow, timeout=0.4, concurrency=1) as homeserver:
        started = time.monotonic()
        with pytest.raises(Temporary, match=r"the homeserver did not answer in time \(resolve_alias\)"):
            await homeserver.resolve_alias(RoomAlias("#slow:city.example"))
        assert time.monotonic() - started < 3
        # Four in a row take 0.6 s altogether.
        assert await asyncio.gather(*(homeserver.resolve_alias(ALIAS) for _ in range(4))) == ["!room"] * 4


async def test_no_more_are_under_way_than_allowed_and_a_429_is_not_tried_again() -> None:
    under_way, most, asked = 0, 0, 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal under_way, most, asked
        asked += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        return web.json_response(refusal("M_LIMIT_EXCEEDED"), status=429)

    async with homeserver_that(count, concurrency=3) as homeserver:
        results = await asyncio.gather(*(homeserver.join(ROOM) for _ in range(12)), return_exceptions=True)
    assert {type(result) for result in results} == {Temporary}
    assert (most, asked) == (3, 12)


async def test_every_part_of_an_address_stays_in_its_place() -> None:
    seen: list[tuple[str, str, dict[str, str]]] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.rel_url.raw_path, dict(request.query)))
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return web.json_response({"event_id": "$x"})

    ghost = UserId("@_och_a+b/c=d:city.example")
    async with homeserver_that(keep) as homeserver:
        await homeserver.send_event(RoomId("!a/b"), "t?x#y", {}, transaction_id="1/2%2F", sender=ghost)
        await homeserver.send_state(RoomId("!a"), "t", "", {})
        with pytest.raises(Permanent):
            await homeserver.send_state(RoomId(".."), "t", "", {})
    # Before a ghost's first event come its account and its device.
    assert [path.rpartition("/v3/")[2] for _, path, _ in seen[:2]] == ["register", "devices/OSHIYAKUSHO"]
    method, path, query = seen[2]
    assert (method, query) == ("PUT", {"user_id": ghost, "device_id": "OSHIYAKUSHO"})
    assert path.endswith("/rooms/!a%2Fb/send/t%3Fx%23y/1%2F2%252F")
    assert seen[3][1].endswith("/rooms/!a/state/t")
    assert len(seen) == 4


async def test_a_device_is_made_by_login_where_the_homeserver_knows_no_other_way() -> None:
    bodies: list[tuple[str, dict[str, Any]]] = []

    async def older(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/v3/")[2].partition("/")[0]
        bodies.append((name, await request.json()))
        if name == "register":
            return web.json_response(refusal("M_USER_IN_USE"), status=400)
        if name == "devices":
            return web.json_response(refusal("M_NOT_FOUND", "No device found"), status=404)
        return web.json_response({"event_id": "$x", "access_token": "unused"})

    async with homeserver_that(older) as homeserver:
        assert await homeserver.send_event(ROOM, "t", {}, transaction_id="1") == "$x"
        assert await homeserver.send_event(ROOM, "t", {}, transaction_id="2") == "$x"
    assert [name for name, _ in bodies] == ["register", "devices", "login", "rooms", "rooms"]
    assert bodies[2][1]["type"] == "m.login.application_service"
    assert bodies[2][1]["device_id"] == "OSHIYAKUSHO"
    assert bodies[2][1]["identifier"] == {"type": "m.id.user", "user": BOT}
