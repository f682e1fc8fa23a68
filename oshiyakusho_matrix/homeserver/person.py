"""A person with a client of their own: what people do and see, for whoever plays one (the demo and its tour).

Not the bot and no application service: one account with its password, bound by the rules of each room. nio logs in
and syncs as clients do; whatever the homeserver refuses is raised as ``Forbidden``, in the errors of the house.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar

from aiohttp import ClientError
from nio import AsyncClient, AsyncClientConfig, LoginResponse, SyncResponse

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.homeserver.errors import Answer
from oshiyakusho_matrix.homeserver.interface import Content
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

T = TypeVar("T")
#: An event of a room, as JSON values.
Event = Mapping[str, Any]

_FILTER = {"room": {"timeline": {"limit": 100}, "state": {"lazy_load_members": True}}}
#: What clients that name no page size ask the lobby of a space for.
_PAGE = "50"
_LONGEST_POLL = 10.0


class Person:
    """One logged-in device. ``timeline`` holds what syncs have brought of each room, oldest first."""

    def __init__(self, client: AsyncClient, *, timeout: float) -> None:
        self.user_id = UserId(client.user_id)
        self.timeline: dict[str, list[Event]] = {}
        self._client = client
        self._wire = Wire(client.homeserver, self.user_id, client.access_token, concurrency=4, timeout=timeout)

    @classmethod
    @asynccontextmanager
    async def logged_in(cls, url: str, user_id: UserId, password: str, *, timeout: float = 60) -> AsyncIterator[Self]:
        """Log in on a new device, which is logged out at the end. ``timeout`` is in seconds, for each request.

        ``Permanent`` if the password is wrong.
        """
        config = AsyncClientConfig(request_timeout=timeout, max_timeouts=1, store_sync_tokens=False)
        client = AsyncClient(url, user_id, config=config)
        try:
            with _retyped("login"):
                response = await client.login(password, device_name="oshiyakusho-matrix demo")
            if not isinstance(response, LoginResponse):
                raise Permanent(f"login: the homeserver refused ({response.status_code})")
            person = cls(client, timeout=timeout)
            try:
                yield person
            finally:
                await person._wire.close()
                with _retyped("logout"):
                    await client.logout()
        finally:
            await client.close()

    # -- seeing

    async def sync(self, wait: float = 0) -> None:
        """Take in what is new; wait for it up to ``wait`` seconds."""
        with _retyped("sync"):
            response = await self._client.sync(timeout=int(wait * 1000), sync_filter=_FILTER, set_presence="offline")
        if not isinstance(response, SyncResponse):
            raise Temporary(f"sync: the homeserver refused ({response.status_code})")
        for rooms in (response.rooms.join, response.rooms.leave):
            for room_id, room in rooms.items():
                self.timeline.setdefault(room_id, []).extend(event.source for event in room.timeline.events)

    async def until(self, look: Callable[[], T | None], *, what: str, timeout: float = 60) -> T:
        """Sync until ``look()`` finds something, and return that. ``Temporary`` if it does not in ``timeout`` seconds.

        ``what`` names it in the error, without personal data.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not (found := look()):
            left = end - loop.time()
            if left <= 0:
                raise Temporary(f"{what} was not seen within {timeout:.0f} seconds")
            await self.sync(min(left, _LONGEST_POLL))
        return found

    async def event(self, room_id: RoomId, matches: Callable[[Event], bool], *, what: str) -> Event:
        """Sync until an event of a room matches, and return it."""
        return await self.until(
            lambda: next((event for event in self.timeline.get(room_id, ()) if matches(event)), None), what=what
        )

    async def invited_to(self, room_id: RoomId, *, what: str) -> None:
        """Sync until there is an invite to a room."""
        await self.until(lambda: room_id in self._client.invited_rooms, what=what)

    def answers(self, room_id: RoomId, event_id: EventId) -> list[Event]:
        """Return what others answered to an event, as far as syncs have brought it: replies, or its thread."""
        return [
            event
            for event in self.timeline.get(room_id, ())
            if event["type"] == "m.room.message" and event["sender"] != self.user_id and _answers(event, event_id)
        ]

    async def hierarchy(self, room_id: RoomId) -> list[Event]:
        """Return what the lobby of a space shows to this person, all pages of it."""
        rooms: list[Event] = []
        query = {"limit": _PAGE}
        while True:
            path = ("_matrix", "client", "v1", "rooms", room_id, "hierarchy")
            page = (await self._wire.ask("hierarchy", "get", *path, query=query)).accept()
            rooms += page["rooms"]
            if "next_batch" not in page:
                return rooms
            query = {"limit": _PAGE, "from": str(page["next_batch"])}

    async def joined_rooms(self) -> set[RoomId]:
        """Return the rooms this person is in."""
        answer = await self._wire.ask("joined_rooms", "get", *CLIENT_V3, "joined_rooms")
        return {RoomId(room_id) for room_id in answer.accept()["joined_rooms"]}

    async def resolve(self, alias: str) -> RoomId:
        """Return the room behind an alias."""
        answer = await self._wire.ask("resolve", "get", *CLIENT_V3, "directory", "room", alias)
        return RoomId(answer.text("room_id"))

    # -- acting

    async def join(self, room: str) -> RoomId:
        """Enter by alias or id; who is inside already stays."""
        return RoomId((await self._post("join", "join", room)).text("room_id"))

    async def knock(self, room: str, reason: str) -> RoomId:
        """Ask to be let in."""
        return RoomId((await self._post("knock", "knock", room, body={"reason": reason})).text("room_id"))

    async def leave(self, room_id: RoomId) -> None:
        """Leave, decline an invite, or take back a knock."""
        (await self._post("leave", "rooms", room_id, "leave")).accept()

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite somebody."""
        (await self._post("invite", "rooms", room_id, "invite", body={"user_id": user_id})).accept()

    async def rename(self, room_id: RoomId, name: str) -> None:
        """Give a room another name."""
        path = (*CLIENT_V3, "rooms", room_id, "state", "m.room.name")
        (await self._wire.ask("rename", "put", *path, body={"name": name})).accept()

    async def say(self, room_id: RoomId, text: str) -> EventId:
        """Write a message."""
        return await self._send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def react(self, room_id: RoomId, event_id: EventId, key: str) -> EventId:
        """React to an event."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self._send(room_id, "m.reaction", {"m.relates_to": relation})

    async def _send(self, room_id: RoomId, event_type: str, content: Content) -> EventId:
        path: Sequence[str] = (*CLIENT_V3, "rooms", room_id, "send", event_type, uuid.uuid4().hex)
        return EventId((await self._wire.ask("send", "put", *path, body=content)).text("event_id"))

    async def _post(self, call: str, *path: str, body: Content | None = None) -> Answer:
        return await self._wire.ask(call, "post", *CLIENT_V3, *path, body=body or {})


def _answers(event: Event, event_id: EventId) -> bool:
    relation = event["content"].get("m.relates_to") or {}
    return event_id in (relation.get("event_id"), relation.get("m.in_reply_to", {}).get("event_id"))


@contextmanager
def _retyped(call: str) -> Iterator[None]:
    """Re-type what nio lets through of the connection's own errors."""
    try:
        yield
    except (ClientError, OSError, TimeoutError) as error:
        raise Temporary(f"{call}: no connection to the homeserver ({type(error).__name__})") from None
