"""The two homeservers before which the city hall is killed: the one in memory, which is fast, and a real Synapse.

Both have a secretary who gives commands in 事務局室 and sees the answers; both deliver what happens to the application
service, in order, and again until they get a 200.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.fake_world import FakeWorld
from tests.faults.remote import SCHEME, serve
from tests.support.installations import Installation
from tests.support.ports import ReservedPort
from tests.support.users import MatrixUser

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A room that the bot is in: its current state, and the messages in it."""

    room_id: str
    state: list[Event]
    messages: list[Event]

    @property
    def alias(self) -> str:
        """By what people find it; empty if it has none."""
        found = [e["content"].get("alias", "") for e in self.state if e["type"] == "m.room.canonical_alias"]
        return str(found[0]) if found else ""


class Site(Protocol):
    """A homeserver with an installation of its own on it."""

    installation: Installation
    secretary: UserId

    async def rooms(self) -> list[Seen]:
        """Return every room that the bot is in."""

    async def enter(self, person: str, *rooms: str) -> None:
        """Have the secretary (``kanri``) or somebody else join rooms, by what follows the prefix in their aliases."""

    async def person(self, name: str) -> UserId:
        """Return the id of somebody with an account."""

    async def say(self, text: str) -> str:
        """Have the secretary say something in 事務局室; returns the event id."""

    async def answered(self, event_id: str) -> None:
        """Wait until the bot has answered."""


OFFICE = "cityhall-jimukyoku"


class FakeSite:
    """The homeserver in memory, in this process; ``start`` opens it to others."""

    def __init__(self) -> None:
        self._port = ReservedPort()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._said: set[asyncio.Event] = set()

    async def start(self) -> None:
        """Listen for calls. Nothing is delivered before ``deliver``."""
        bot = UserId("@bot_t:city.example")
        self.fake = FakeHomeserver(bot, ghosts="g_t_.*")
        self._server = await serve(self.fake, self.note)
        self.secretary = UserId("@kanri:city.example")
        self.installation = Installation(
            id="t",
            as_token="as",
            hs_token="hs",
            server_name="city.example",
            homeserver_url=f"{SCHEME}127.0.0.1:{self._server.sockets[0].getsockname()[1]}",
            port=self._port.open_to_listeners(),
            path=Path(),
            registration={},
        )

    def deliver(self) -> None:
        """Deliver from now on, whenever somebody listens."""
        self._tasks.append(asyncio.create_task(self._deliver()))

    async def close(self) -> None:
        """Stop delivering and listening."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._server.close()
        await self._server.wait_closed()
        self._port.release()

    def keep(self) -> FakeWorld:
        """Return a copy of all rooms."""
        return copy.deepcopy(self.fake.world)

    def go_back(self, world: FakeWorld) -> None:
        """Be again as when the copy was taken."""
        self.fake.world = copy.deepcopy(world)

    async def rooms(self) -> list[Seen]:
        """See ``Site``."""
        return [
            Seen(
                room.room_id,
                [*room.state.values()],
                [event for event in room.timeline if event["type"] == "m.room.message"],
            )
            for room in self.fake.world.rooms.values()
            if room.membership(self.fake.bot) == "join"
        ]

    async def person(self, name: str) -> UserId:
        """See ``Site``."""
        return UserId(f"@{name}:city.example")

    async def enter(self, person: str, *rooms: str) -> None:
        """See ``Site``."""
        for room in rooms:
            await self.fake.join_as(await self.person(person), self.installation.alias(room))
        self.note()

    async def say(self, text: str) -> str:
        """See ``Site``."""
        event_id = await self.fake.say_as(self.secretary, self.installation.alias(OFFICE), text)
        self.note()
        return event_id

    async def answered(self, event_id: str) -> None:
        """See ``Site``."""
        office = self.fake.room(self.installation.alias(OFFICE))
        await self.until(lambda: any(answers(event, event_id) for event in office.timeline))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something in the rooms."""
        changed = asyncio.Event()
        self._said.add(changed)
        while not condition():
            changed.clear()
            await changed.wait()
        self._said.discard(changed)

    def note(self) -> None:
        """Have what somebody did delivered, and looked at by those who wait."""
        for event in (self._changed, *self._said):
            event.set()

    async def _deliver(self) -> None:
        """Do what Synapse does: one transaction at a time, the same one until it is taken."""
        headers = {"Authorization": f"Bearer {self.installation.hs_token}"}
        number = 0
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while batch := self.fake.world.outgoing[:100]:
                    world, number = self.fake.world, number + 1
                    url = f"{self.installation.url}/_matrix/app/v1/transactions/{number}"
                    # While nobody listens a homeserver asks again after a while.
                    while world is self.fake.world and not await _put(session, url, batch):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                    del world.outgoing[: len(batch)]


class SynapseSite:
    """A real Synapse with an installation that nobody has used."""

    def __init__(self, installation: Installation, secretary: MatrixUser, others: Mapping[str, MatrixUser]) -> None:
        self.installation = installation
        self.secretary = secretary.user_id
        self._people = {"kanri": secretary, **others}

    async def rooms(self) -> list[Seen]:
        """See ``Site``."""
        headers = {"Authorization": f"Bearer {self.installation.as_token}"}
        base = f"{self.installation.homeserver_url}/_matrix/client/v3"
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:

            async def get(path: str) -> Any:
                async with session.get(base + path) as response:
                    return await response.json()

            seen = []
            for room_id in (await get("/joined_rooms"))["joined_rooms"]:
                path = f"/rooms/{quote(room_id)}"
                messages = await get(path + "/messages?dir=b&limit=500")
                texts = [event for event in messages["chunk"] if event["type"] == "m.room.message"]
                seen.append(Seen(room_id, await get(path + "/state"), texts))
            return seen

    async def person(self, name: str) -> UserId:
        """See ``Site``."""
        return self._people[name].user_id

    async def enter(self, person: str, *rooms: str) -> None:
        """See ``Site``."""
        for room in rooms:
            await self._people[person].join(self.installation.alias(room))

    async def say(self, text: str) -> str:
        """See ``Site``."""
        secretary = self._people["kanri"]
        return await secretary.say(await secretary.resolve(self.installation.alias(OFFICE)), text)

    async def answered(self, event_id: str) -> None:
        """See ``Site``."""
        secretary = self._people["kanri"]
        await secretary.answer(await secretary.resolve(self.installation.alias(OFFICE)), event_id, timeout=60)


def answers(event: Event, event_id: str) -> bool:
    """Whether an event is an answer to another one."""
    relation = event["content"].get("m.relates_to") or {}
    answered: object = relation.get("m.in_reply_to", {}).get("event_id")
    return answered == event_id


async def _put(session: aiohttp.ClientSession, url: str, events: list[dict[str, Any]]) -> bool:
    body = json.dumps({"events": events})
    try:
        async with session.put(url, data=body, headers={"Content-Type": "application/json"}) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
