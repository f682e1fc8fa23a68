"""A whole city hall in one process on the homeserver in memory: what ``serve`` runs, but for sockets.

What happens on the homeserver reaches the inbox as it would by HTTP, as the bytes of a transaction. ``settle`` waits
until the house has nothing in hand, so a test acts, settles, and looks.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.border import read_transaction
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.divisions.catalogue import load_from, load_what_is_sound
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.fake_room import Event, FakeRoom
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.homeserver.interface import NewRoom, StateEvent
from oshiyakusho_matrix.reconcile.leases import ParkedWork
from oshiyakusho_matrix.reconcile.parked import parked_keys
from oshiyakusho_matrix.registration.composition import Reception
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare

SERVER = "city.example"
SECRETARY = UserId(f"@kanri:{SERVER}")
OFFICE, HALL, PORCH = (f"#{room}:{SERVER}" for room in ("cityhall-jimukyoku", "cityhall", "cityhall-genkan"))


def someone(name: str, server: str = SERVER) -> UserId:
    """Return the user id of an invented person."""
    return UserId(f"@{name}:{server}")


def alias(localpart: str) -> str:
    """Return an address on the city hall's homeserver."""
    return f"#{localpart}:{SERVER}"


class FakeCity:
    """A running app, its homeserver ``hs``, and people who do things there."""

    def __init__(self, hs: FakeHomeserver, app: CityHallApp, rooms: Path) -> None:
        self.hs = hs
        self.app = app
        self.rooms = rooms

    async def settle(self) -> None:
        """Wait until everything that is due has been done, and has been said."""
        async with asyncio.timeout(60):
            while True:
                await self.hs.deliver_pending()
                await self.app.inbox.idle()
                await self.app.loop.settle_all(timedelta(seconds=60))
                await self.app.sender.idle()
                if self.app.mailer is not None:
                    await self.app.mailer.idle()
                figures = await self.app.status.figures()
                if not (self.hs.world.outgoing or figures.inbox.pending or figures.work.busy or figures.outbox.pending):
                    return

    async def say(self, sender: UserId, body: str, *, room: str = OFFICE) -> EventId:
        """Have somebody say something, and wait for what comes of it."""
        event_id = await self.hs.say_as(sender, room, body)
        await self.settle()
        return event_id

    async def ask(self, body: str, *, sender: UserId = SECRETARY, room: str = OFFICE) -> str:
        """Have somebody (the secretary) give a command; return all that is said in answer, line by line."""
        asked = await self.say(sender, body, room=room)
        return "\n".join(e["content"]["body"] for e in self.said(room) if _answers(e, asked))

    async def confirm(self, body: str, *, sender: UserId = SECRETARY, room: str = OFFICE) -> str:
        """Give a command that shows a preview first, and say yes to it; return all that is said in answer."""
        asked = await self.say(sender, body, room=room)
        preview = next(e for e in self.said(room) if _answers(e, asked))
        relation = {"rel_type": "m.annotation", "event_id": preview["event_id"], "key": "✅"}
        await self.hs.send_as(sender, room, "m.reaction", {"m.relates_to": relation})
        await self.settle()
        return "\n".join(e["content"]["body"] for e in self.said(room) if _answers(e, asked))

    def said(self, room: str = OFFICE) -> list[Event]:
        """Return the bot's messages in a room."""
        events = self.hs.room(room).timeline
        return [e for e in events if e["sender"] == self.hs.bot and e["type"] == "m.room.message"]

    def heard(self, room: str = OFFICE) -> str:
        """Return all that the bot has said in a room."""
        return "\n".join(e["content"]["body"] for e in self.said(room))

    def room(self, localpart: str) -> FakeRoom:
        """Return a room by the localpart of its address."""
        return self.hs.room(alias(localpart))

    def exists(self, localpart: str) -> bool:
        """Tell whether an address leads anywhere."""
        return alias(localpart) in self.hs.world.aliases

    def links(self, localpart: str) -> set[str]:
        """Return the localparts of the addresses of the rooms that a space links."""
        state = self.room(localpart).state.items()
        linked = {key for (kind, key), e in state if kind == "m.space.child" and e["content"].get("via")}
        return {a[1:].partition(":")[0] for a, room_id in self.hs.world.aliases.items() if room_id in linked}

    def powers(self, localpart: str) -> dict[str, int]:
        """Return who is listed with power in a room."""
        levels = self.room(localpart).content("m.room.power_levels")
        assert levels is not None
        return dict(levels["users"])

    async def parked(self) -> list[ParkedWork]:
        """Return the work that waits for a person."""
        async with self.app.store.reading() as connection:
            return await parked_keys(connection)

    async def open_chat(self, user: UserId) -> RoomId:
        """Have somebody open a direct chat with the bot."""
        invited = StateEvent("m.room.member", self.hs.bot, {"membership": "invite", "is_direct": True})
        room = await self.hs.create_room_as(user, NewRoom("12", state=(invited,)))
        await self.settle()
        return room

    async def member(self, name: str) -> UserId:
        """Admit somebody, who then joins the hall."""
        user = someone(name)
        await self.ask(f"!member admit {user}")
        await self.hs.join_as(user, HALL)
        await self.settle()
        return user


def _answers(event: Event, asked: EventId) -> bool:
    relation: dict[str, Any] = event["content"].get("m.relates_to", {})
    return asked in (relation.get("event_id"), relation.get("m.in_reply_to", {}).get("event_id"))


@asynccontextmanager
async def fake_city(
    database_url: str,
    rooms: Path,
    *,
    hs: FakeHomeserver | None = None,
    secretary_joins: bool = True,
    reception: Reception | None = None,
) -> AsyncIterator[FakeCity]:
    """Run a city hall as ``rooms`` declares it; give it once it stands and the secretary is inside.

    Called again with the same database and ``hs`` it is a restart. As ``serve`` does, the first start leaves out
    divisions with mistakes in their files.
    """
    homeserver = hs or FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    engine = create_engine(database_url)
    identity = Identity(
        appservice_id="test", server_name=SERVER, bot=homeserver.bot, display_name="市役所", secretariat=(SECRETARY,)
    )
    app = CityHallApp(
        identity=identity,
        homeserver=homeserver,
        engine=engine,
        load=load_from(rooms),
        load_at_first=lambda: load_what_is_sound(rooms),
        making=timedelta(),
        reception=reception,
    )
    homeserver.deliver = deliver_to(app)
    try:
        await prepare(engine)
        async with app.working():
            await app.open()
            city = FakeCity(homeserver, app, rooms)
            await city.settle()
            if secretary_joins and homeserver.room(OFFICE).membership(SECRETARY) == "invite":
                await homeserver.join_as(SECRETARY, HALL)
                await homeserver.join_as(SECRETARY, OFFICE)
                await city.settle()
            yield city
    finally:
        homeserver.deliver = None
        await engine.dispose()


_NUMBERS = itertools.count(1)


def deliver_to(app: CityHallApp) -> Callable[[list[Event]], Any]:
    """Return what takes events from the fake homeserver, the way the routes take a transaction."""

    async def deliver(events: list[Event]) -> None:
        body = json.dumps({"events": events}, ensure_ascii=False).encode()
        await app.inbox.receive(f"fake-{next(_NUMBERS)}", read_transaction(body))

    return deliver
