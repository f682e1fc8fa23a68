"""In and out on a real homeserver, with the registration that we write: what is said reaches us, our answer them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.appservice.registration import registration, registration_yaml
from oshiyakusho_matrix.appservice.router import Router
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.interface import NewRoom, StateEvent
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.store.lanes import Backlog
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.conftest import ClientOf
from tests.support.ports import ReservedPort
from tests.support.users import MatrixError

AS_TOKEN, HS_TOKEN = "as-secret", "hs-secret"
BOT = UserId("@shiyakusho:localhost")


class Counter:
    """The smallest city hall: answers each message with what it said, and keeps what it heard."""

    def __init__(self, store: Store, homeserver: MatrixHomeserver) -> None:
        self.heard: list[InboundEvent] = []
        self.outbox = DatabaseOutbox(Renderer())
        self.sender = OutboxSender(store, homeserver, self._nowhere, self.outbox)
        self.inbox = Inbox(store, Router({"m.room.message": [self]}), self.outbox, bot=BOT)

    async def __call__(self, event: InboundEvent) -> Write | None:
        if event.sender == BOT:
            return None

        async def write(tx: Transaction) -> None:
            tx.after_commit(lambda: self.heard.append(event))
            to = ReplyTo(event.room_id, event.event_id, "en")
            await self.outbox.reply(tx, to, say("You said **{words}**.", words=str(event.content["body"])))

        return write

    async def _nowhere(self) -> RoomId | None:
        return None

    @asynccontextmanager
    async def open(self, port: int) -> AsyncIterator[None]:
        """Listen, handle and send, as the service does."""
        app = web.Application()
        app.add_routes(appservice_routes(self.inbox, HS_TOKEN))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        tasks = [asyncio.create_task(part.run()) for part in (self.inbox, self.sender)]
        try:
            yield
        finally:
            await runner.cleanup()
            await self.inbox.stop()
            await self.sender.stop()
            await asyncio.gather(*tasks)


@pytest.fixture
def listening() -> ReservedPort:
    return ReservedPort()


async def public_room(homeserver: MatrixHomeserver) -> RoomId:
    rules = [StateEvent("m.room.join_rules", "", {"join_rule": "public"})]
    return await homeserver.create_room(NewRoom(version="12", alias_localpart="cityhall-test", state=rules))


async def eventually(happened: Callable[[], bool], look: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while not happened():
            await look()


async def test_a_conversation_with_an_outage_in_the_middle(
    store: Store,
    new_synapse: Callable[..., EmbeddedSynapse],
    client_of: ClientOf,
    tmp_path: Path,
    listening: ReservedPort,
) -> None:
    port = listening.open_to_listeners()
    path = tmp_path / "registration.yaml"
    values = registration(
        id="oshiyakusho",
        url=f"http://127.0.0.1:{port}",
        as_token=AS_TOKEN,
        hs_token=HS_TOKEN,
        server_name="localhost",
    )
    path.write_text(registration_yaml(values), encoding="utf-8")
    synapse = new_synapse(registrations=[path])
    await synapse.start()
    homeserver = MatrixHomeserver(synapse.url, bot=BOT, as_token=AS_TOKEN)
    try:
        await homeserver.ensure_bot("市役所")
        hanako = await client_of("hanako", on=synapse)
        with pytest.raises(MatrixError) as refused:
            await hanako.create_room(room_alias_name="ka-zaisei")
        assert refused.value.errcode == "M_EXCLUSIVE"

        counter = Counter(store, homeserver)
        async with counter.open(port):
            room = await public_room(homeserver)
            await hanako.join(room)
            said = await hanako.say(room, "！課　一覧 <b>🏯</b>")

            def answered() -> bool:
                return any(
                    event["sender"] == BOT and "m.relates_to" in event["content"] for event in hanako.timeline[room]
                )

            hanako.timeline[room] = []
            await eventually(answered, lambda: hanako.sync(1))
            (reply,) = [
                event["content"] for event in hanako.timeline[room] if event["content"].get("msgtype") == "m.notice"
            ]
            assert reply["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}
            assert reply["body"] == "You said **！課 一覧 <b>🏯</b>**."
            assert reply["formatted_body"] == "You said <strong>！課 一覧 &lt;b&gt;🏯&lt;/b&gt;</strong>."

        for number in range(3):  # nobody listens now
            await hanako.say(room, f"while you were away {number}")
        back = Counter(store, homeserver)
        async with back.open(port):
            assert await homeserver.ping("oshiyakusho", "back") >= 0
            await eventually(lambda: len(back.heard) >= 3, lambda: hanako.sync(1))
            await asyncio.wait_for(back.sender.idle(), 10)
        assert [event.content["body"] for event in back.heard] == [f"while you were away {n}" for n in range(3)]
        # The echo of our own answers may still be on its way in.
        assert (await back.inbox.backlog()).parked == 0
        assert await back.sender.backlog() == Backlog()
    finally:
        await homeserver.close()
        listening.release()
