"""A homeserver in memory: for tests of everything above, and for trying things out. Shipped, and held to the real one.

``tests/homeserver/test_contract.py`` runs on it and on Synapse alike. What the product asks stands in the methods
of ``interface``; what other people do in the same rooms stands in the methods that end in ``_as``. On top it
counts calls, fails on demand, and hands events on as to an application service.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId, server_of
from oshiyakusho_matrix.homeserver.errors import away
from oshiyakusho_matrix.homeserver.fake_room import Event, FakeRoom
from oshiyakusho_matrix.homeserver.fake_users import FakeUsers
from oshiyakusho_matrix.homeserver.fake_world import FakeWorld
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden, Homeserver, NewRoom, StateEvent

#: Takes the events of one transaction. A ``CityHallError`` from it means "not taken": they are offered again.
Deliver = Callable[[list[dict[str, Any]]], Awaitable[None]]
#: Called with ("before" or "after", name of the call); may raise, as a crash at that point would.
Watch = Callable[[str, str], None]

_BOT = UserId("@shiyakusho:city.example")
_CALLS = frozenset(name for name in dir(Homeserver) if not name.startswith("_"))


class FakeHomeserver(FakeUsers):
    """Implements ``interface.Homeserver`` in memory.

    ``ghosts`` is the pattern of our ghosts' local parts. ``calls`` counts what the product asked, by method name.
    """

    def __init__(
        self,
        bot: UserId = _BOT,
        *,
        ghosts: str = "_och_.*",
        deliver: Deliver | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.bot = bot
        self.calls: Counter[str] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.deliver = deliver
        self.watch = watch
        server = re.escape(server_of(bot))
        super().__init__(FakeWorld(bot, re.compile(rf"{re.escape(bot)}|@{ghosts}:{server}")))
        self._failures: dict[tuple[str, bool], deque[Exception]] = {}
        self._delivering = asyncio.Lock()

    # -- for tests

    def fail_next(self, call: str, error: Exception, *, times: int = 1, after: bool = False) -> None:
        """Let the next ``times`` calls of this name raise; ``after`` having done it, as when the answer gets lost."""
        if call not in _CALLS:
            raise ValueError(f"the interface has no call named {call}")
        self._failures.setdefault((call, after), deque()).extend([error] * times)

    def room(self, room: str) -> FakeRoom:
        """Return a room by its id or alias, to look at."""
        return self.world.rooms[self._room_id(room)]

    async def deliver_pending(self) -> None:
        """Offer what waits to the application service; it keeps waiting if it is not taken."""
        async with self._delivering:
            while self.deliver is not None and (batch := self.world.outgoing[:100]):
                try:
                    await self.deliver(batch)
                except CityHallError:
                    return
                del self.world.outgoing[: len(batch)]

    async def close(self) -> None:
        """Close nothing, as there is nothing to close."""

    # -- RoomReader

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        """See ``RoomReader.resolve_alias``."""
        async with self._call("resolve_alias"):
            return self.world.aliases.get(alias)

    async def room_state(self, room_id: RoomId) -> list[StateEvent]:
        """See ``RoomReader.room_state``."""
        async with self._call("room_state"):
            return self.world.inside(room_id, self.bot, "room_state").state_events()

    async def state_content(self, room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        """See ``RoomReader.state_content``."""
        async with self._call("state_content"):
            content = self.world.inside(room_id, self.bot, "state_content").content(event_type, state_key)
            return None if content is None else dict(content)

    # -- RoomLister

    async def joined_rooms(self) -> Sequence[RoomId]:
        """See ``RoomLister.joined_rooms``."""
        async with self._call("joined_rooms"):
            return [room_id for room_id, room in self.world.rooms.items() if room.membership(self.bot) == "join"]

    async def rooms_shared_with(self, user_id: UserId) -> Sequence[RoomId]:
        """See ``Whereabouts.rooms_shared_with``."""
        async with self._call("rooms_shared_with"):
            rooms = self.world.rooms.items()
            return [i for i, room in rooms if room.membership(user_id) == room.membership(self.bot) == "join"]

    # -- AccountReader

    async def has_account(self, user_id: UserId) -> bool:
        """See ``AccountReader.has_account``. Everybody has one, but for ``world.nobody``."""
        async with self._call("has_account"):
            return user_id not in self.world.nobody

    # -- RoomWriter

    async def create_room(self, room: NewRoom) -> RoomId:
        """See ``RoomWriter.create_room``."""
        async with self._call("create_room"):
            return self.world.create(room, self.bot)

    async def send_state(self, room_id: RoomId, event_type: str, state_key: str, content: Content) -> EventId:
        """See ``RoomWriter.send_state``."""
        async with self._call("send_state"):
            return self.world.send(self.world.room(room_id, "send_state"), self.bot, event_type, content, state_key)

    async def release_alias(self, alias: RoomAlias) -> None:
        """See ``RoomWriter.release_alias``. Here an alias is given by whoever made the room."""
        async with self._call("release_alias"):
            room_id = self.world.aliases.get(alias)
            if room_id is not None and self.world.room(room_id, "release_alias").creator != self.bot:
                raise Forbidden("release_alias: the homeserver answered 403 M_FORBIDDEN (somebody else gave it)")
            self.world.aliases.pop(alias, None)

    async def invite(self, room_id: RoomId, user_id: UserId, *, direct: bool = False) -> str:
        """See ``RoomWriter.invite``."""
        async with self._call("invite"):
            room = self.world.inside(room_id, self.bot, "invite")
            if room.membership(user_id) not in ("join", "invite"):
                if server_of(user_id) in self.world.away:
                    raise away(server_of(user_id))
                self._set_membership(room, self.bot, user_id, "invite", direct=direct)
            return room.membership(user_id)

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        """See ``RoomWriter.kick``."""
        async with self._call("kick"):
            room = self.world.inside(room_id, self.bot, "kick")
            ended = room.membership(user_id)
            if ended not in ("join", "invite", "knock"):
                return None
            content = {"membership": "leave"} | ({"reason": reason} if reason else {})
            self.world.send(room, self.bot, "m.room.member", content, user_id)
            return ended

    async def join(self, room_id: RoomId) -> None:
        """See ``RoomWriter.join``."""
        async with self._call("join"):
            self._set_membership(self.world.room(room_id, "join"), self.bot, self.bot, "join")

    async def leave(self, room_id: RoomId) -> None:
        """See ``RoomWriter.leave``."""
        async with self._call("leave"):
            self._set_membership(self.world.room(room_id, "leave"), self.bot, self.bot, "leave")

    # -- Messenger

    async def send_event(
        self, room_id: RoomId, event_type: str, content: Content, *, transaction_id: str, sender: UserId | None = None
    ) -> EventId:
        """See ``Messenger.send_event``. ValueError if two senders share an id: Synapse mixes those up."""
        async with self._call("send_event"):
            author = sender or self.bot
            known = self.world.sent.get((room_id, transaction_id))
            if known is None:
                room = self.world.room(room_id, "send_event")
                known = author, self.world.send(room, author, event_type, content)
                self.world.sent[room_id, transaction_id] = known
            if known[0] != author:
                raise ValueError("a transaction id was used for two senders")
            return known[1]

    # -- Operations

    async def versions(self) -> Sequence[str]:
        """See ``Operations.versions``."""
        async with self._call("versions"):
            return ["v1.11", "v1.12", "v1.13", "v1.14", "v1.15"]

    async def whoami(self) -> UserId:
        """See ``Operations.whoami``."""
        async with self._call("whoami"):
            return self.bot

    async def ensure_bot(self, display_name: str) -> None:
        """See ``Operations.ensure_bot``. A changed name goes to every room, as on a real homeserver."""
        async with self._call("ensure_bot"):
            if self.world.display_names.get(self.bot) == display_name:
                return
            self.world.display_names[self.bot] = display_name
            for room in self.world.rooms.values():
                if room.membership(self.bot) == "join":
                    self._set_membership(room, self.bot, self.bot, "join")

    async def ping(self, appservice_id: str, transaction_id: str) -> int:
        """See ``Operations.ping``. What waits is delivered at once."""
        async with self._call("ping"):
            return 1

    # -- within

    @asynccontextmanager
    async def _call(self, name: str) -> AsyncIterator[None]:
        """Count, give others a turn as the network would, fail where a test wants it, and deliver what came of it."""
        self.calls[name] += 1
        await asyncio.sleep(0)
        try:
            self._fail(name, after=False)
            yield
            self._fail(name, after=True)
        except CityHallError as error:
            # The codes of Synapse where the contract knows them; what tests make up has none.
            self.failures[name, "403" if isinstance(error, Forbidden) else "other"] += 1
            raise
        await self.deliver_pending()

    def _fail(self, name: str, *, after: bool) -> None:
        if self.watch is not None:
            self.watch("after" if after else "before", name)
        if waiting := self._failures.get((name, after)):
            raise waiting.popleft()


__all__ = ["Deliver", "Event", "FakeHomeserver", "Watch"]
