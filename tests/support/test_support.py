"""The test harness itself, by use: installations, people with clients, two servers, both databases."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import text

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.conftest import ClientOf
from tests.support.homeservers import Federation, Homeserver
from tests.support.installations import BATCH, Installation
from tests.support.users import MatrixError


async def test_a_user_of_the_second_server_joins_a_public_room_of_the_first(
    federation: Federation, client_of: ClientOf
) -> None:
    alice = await client_of("alice", on=federation.first)
    bob = await client_of("bob", on=federation.second, display_name="ボブ")
    room = await alice.create_room(preset="public_chat", room_alias_name=str(alice.user_id)[1:].split(":")[0])
    alias = f"#{str(alice.user_id)[1:]}"

    assert await bob.join(alias) == room
    hello = await bob.say(room, "こんにちは")
    seen = await alice.message(room, "こんにちは")
    assert (seen["event_id"], seen["sender"]) == (hello, bob.user_id)
    await alice.reply(room, hello, "ようこそ")
    assert (await bob.answer(room, hello))["content"]["body"] == "ようこそ"


async def test_a_knock_from_the_second_server_is_answered_by_an_invite(
    federation: Federation, client_of: ClientOf
) -> None:
    alice, bob = await client_of("alice", on=federation.first), await client_of("bob", on=federation.second)
    rule = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room = await alice.create_room(preset="private_chat", initial_state=[rule])
    with pytest.raises(MatrixError, match="M_FORBIDDEN"):
        await bob.join(room, via=[federation.first.server_name])
    await bob.knock(room, via=[federation.first.server_name], reason="入れてください")
    await alice.event(room, lambda event: event["content"].get("membership") == "knock", what="the knock")
    await alice.invite(room, bob.user_id)
    await bob.invited_to(room)
    await bob.join(room, via=[federation.first.server_name])
    assert await alice.membership(room, bob.user_id) == "join"


async def test_an_installation_gets_what_concerns_it(
    synapse: EmbeddedSynapse, installation: Installation, client_of: ClientOf
) -> None:
    came: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    async def transaction(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {installation.hs_token}"
        for event in (await request.json())["events"]:
            came.put_nowait(event)
        return web.json_response({})

    app = web.Application()
    app.router.add_put("/_matrix/app/v1/transactions/{id}", transaction)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", installation.port).start()
    try:
        alice = await client_of("alice")
        await register_bot(installation)
        await alice.direct_chat(installation.bot)
        async with asyncio.timeout(20):
            while True:
                event = await came.get()
                if event["type"] == "m.room.member" and event.get("state_key") == installation.bot:
                    break
    finally:
        await runner.cleanup()
    assert synapse.server_name == installation.server_name


async def test_no_installation_is_handed_out_twice_and_accounts_survive_the_refill(
    synapse: EmbeddedSynapse, homeserver: Homeserver, client_of: ClientOf
) -> None:
    alice = await client_of("alice", on=synapse)
    seen = [await homeserver.installation() for _ in range(BATCH + 1)]
    assert len({installation.id for installation in seen}) == BATCH + 1
    assert len({installation.as_token for installation in seen}) == BATCH + 1
    await register_bot(seen[-1])
    await alice.sync()


async def test_each_test_gets_an_empty_database(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(text("CREATE TABLE only_here (id INTEGER PRIMARY KEY)"))


async def test_and_the_next_one_too(store: Store) -> None:
    await test_each_test_gets_an_empty_database(store)


async def register_bot(installation: Installation) -> None:
    """Make the bot's account, as the application service does at its start."""
    body = {"type": "m.login.application_service", "username": installation.sender_localpart, "inhibit_login": True}
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {installation.as_token}"}) as session,
        session.post(f"{installation.homeserver_url}/_matrix/client/v3/register", json=body) as response,
    ):
        answer = await response.json()
    assert response.status == 200 or answer["errcode"] == "M_USER_IN_USE", answer
