"""How a homeserver is asked which rooms somebody shares with the bot: with a login of its own, page by page."""

from typing import Any

import pytest
from aiohttp import web

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from tests.homeserver.test_errors import BOT, TOKEN, answering, homeserver_that, refusal

HANAKO = UserId("@hanako:city.example")
OWN = "token-of-the-bot-that-nobody-may-see"
PAGES: dict[str | None, dict[str, Any]] = {
    None: {"joined": ["!a", "!b"], "next_batch": "after b", "count": 3},
    "after b": {"joined": ["!c"], "count": 3},
}


async def homeserver(request: web.Request) -> web.StreamResponse:
    """Answer as Synapse 1.163 does, with two rooms a page."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    if request.path == "/_matrix/client/v3/login":
        assert token == TOKEN
        body = await request.json()
        assert (body["type"], body["identifier"]["user"]) == ("m.login.application_service", BOT)
        return web.json_response({"access_token": OWN})
    assert (request.path, token) == ("/_matrix/client/v1/mutual_rooms", OWN)
    assert request.query.getall("user_id") == [HANAKO]
    return web.json_response(PAGES[request.query.get("from")])


async def test_all_pages_are_asked_for_with_a_token_of_the_bots_own() -> None:
    async with homeserver_that(homeserver) as client:
        assert await client.rooms_shared_with(HANAKO) == ["!a", "!b", "!c"]


async def test_it_logs_in_once_and_anew_when_the_token_is_not_known_any_more() -> None:
    logins = 0

    async def forgetful(request: web.Request) -> web.StreamResponse:
        nonlocal logins
        if request.path.endswith("/login"):
            logins += 1
            return web.json_response({"access_token": f"{OWN}-{logins}"})
        if request.headers["Authorization"] == f"Bearer {OWN}-1" and logins == 1 and request.query["user_id"] != HANAKO:
            return web.json_response(refusal("M_UNKNOWN_TOKEN"), status=401)
        return web.json_response({"joined": ["!a"]})

    async with homeserver_that(forgetful) as client:
        for _ in range(2):
            assert await client.rooms_shared_with(HANAKO) == ["!a"]
        assert logins == 1
        with pytest.raises(Temporary):
            await client.rooms_shared_with(UserId("@taro:city.example"))
        assert await client.rooms_shared_with(HANAKO) == ["!a"]
        assert logins == 2


@pytest.mark.parametrize(
    "page",
    [{}, {"joined": "!a"}, {"joined": [], "next_batch": "for ever"}, {"joined": ["!a"], "next_batch": "for ever"}],
)
async def test_an_answer_without_rooms_is_none(page: dict[str, Any]) -> None:
    async with homeserver_that(answering(200, {"access_token": OWN} | page)) as client:
        with pytest.raises(Temporary):
            await client.rooms_shared_with(HANAKO)


async def test_a_refusal_tells_neither_token_nor_person() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/login"):
            return web.json_response({"access_token": OWN})
        return web.json_response(refusal("M_UNRECOGNIZED", f"no {OWN} for {HANAKO}"), status=404)

    async with homeserver_that(refuse) as client:
        with pytest.raises(Permanent) as caught:
            await client.rooms_shared_with(HANAKO)
    assert "M_UNRECOGNIZED" in caught.value.reason
    assert OWN not in caught.value.reason
    assert HANAKO not in caught.value.reason
