"""The homeserver over the client-server API, as an application service: the real ``Homeserver``.

Made by ``operations``; controllers, the outbox and ``doctor`` each see only the role that they need. Each method
is one request, but for those that must tell "no" from "already so". Measured on Synapse 1.163; the sections named
in comments are of https://spec.matrix.org/v1.16/client-server-api/.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId, server_of
from oshiyakusho_matrix.homeserver.accounts import Accounts
from oshiyakusho_matrix.homeserver.creation import creation_body
from oshiyakusho_matrix.homeserver.errors import Answer, away
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden, NewRoom, StateEvent
from oshiyakusho_matrix.homeserver.shared_rooms import SharedRooms
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

_INSIDE = ("join", "invite")
_THERE = (*_INSIDE, "knock")


class MatrixHomeserver:
    """Implements ``interface.Homeserver`` on matrix-nio.

    ``concurrency`` bounds the requests under way at once (a homeserver gains nothing beyond 8, measured); ``timeout``
    is in seconds for one request. ``device_id`` is the fixed device of the bot and of each ghost.
    """

    def __init__(
        self,
        url: str,
        *,
        bot: UserId,
        as_token: str,
        device_id: str = "OSHIYAKUSHO",
        concurrency: int = 8,
        timeout: float = 30.0,
    ) -> None:
        self.url = url
        self.bot = bot
        self._wire = Wire(url, bot, as_token, concurrency=concurrency, timeout=timeout)
        self._accounts = Accounts(self._wire, device_id)
        self._shared_rooms = SharedRooms(self._wire, bot)

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """See ``Watched.failures``."""
        return self._wire.failures

    async def close(self) -> None:
        """Close the connections; nothing may be asked afterwards."""
        await self._wire.close()

    # -- RoomReader

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        """See ``RoomReader.resolve_alias``."""
        answer = await self._ask("resolve_alias", "get", "directory", "room", alias)
        return None if answer.absent else RoomId(answer.text("room_id"))

    async def room_state(self, room_id: RoomId) -> list[StateEvent]:
        """See ``RoomReader.room_state``."""
        answer = await self._ask("room_state", "get", "rooms", room_id, "state")
        if answer.absent:
            raise Forbidden("room_state: the homeserver answered 404 M_NOT_FOUND: it has no such room")
        events = answer.accept_list()
        try:
            state = [_state_event(event) for event in events]
        except (KeyError, TypeError):
            raise Temporary("room_state: the homeserver answered 200 with state that cannot be read") from None
        if not any(event.type == "m.room.create" for event in state):
            raise Temporary("room_state: the homeserver answered 200 with the state of no room")
        # To one who left, a homeserver shows the state as it was then; that is no state to plan on.
        if not any(_is_join_of(event, self.bot) for event in state):
            raise Forbidden("room_state: the bot is not in this room any more")
        return state

    async def state_content(self, room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        """See ``RoomReader.state_content``."""
        answer = await self._ask("state_content", "get", "rooms", room_id, "state", event_type, *_key(state_key))
        return None if answer.absent else answer.accept()

    # -- RoomLister

    async def joined_rooms(self) -> Sequence[RoomId]:
        """See ``RoomLister.joined_rooms``."""
        rooms = (await self._ask("joined_rooms", "get", "joined_rooms")).accept().get("joined_rooms")
        if not isinstance(rooms, list):
            raise Temporary("joined_rooms: the homeserver answered 200 without rooms")
        return [RoomId(str(room)) for room in rooms]

    async def rooms_shared_with(self, user_id: UserId) -> Sequence[RoomId]:
        """See ``Whereabouts.rooms_shared_with``."""
        return await self._shared_rooms.ask(user_id)

    # -- AccountReader

    async def has_account(self, user_id: UserId) -> bool:
        """See ``AccountReader.has_account``.

        Asks for the name alone: Synapse answers 404 M_NOT_FOUND for a whole profile that is empty, but 200 for a name
        that an account has not set; with another errcode it says 404 for the whole profile of nobody.
        """
        answer = await self._ask("has_account", "get", "profile", user_id, "displayname")
        if not answer.absent:
            answer.accept()
        return not answer.absent

    # -- RoomWriter

    async def create_room(self, room: NewRoom) -> RoomId:
        """See ``RoomWriter.create_room``."""
        answer = await self._ask("create_room", "post", "createRoom", body=creation_body(room, self.bot))
        return RoomId(answer.text("room_id"))

    async def send_state(self, room_id: RoomId, event_type: str, state_key: str, content: Content) -> EventId:
        """See ``RoomWriter.send_state``."""
        path = ("rooms", room_id, "state", event_type, *_key(state_key))
        return EventId((await self._ask("send_state", "put", *path, body=content)).text("event_id"))

    async def release_alias(self, alias: RoomAlias) -> None:
        """See ``RoomWriter.release_alias``."""
        answer = await self._ask("release_alias", "delete", "directory", "room", alias)
        if not answer.absent:
            answer.accept()

    async def invite(self, room_id: RoomId, user_id: UserId, *, direct: bool = False) -> str:
        """See ``RoomWriter.invite``. A 403 is looked into: it is also the answer for someone who is inside.

        The server of somebody from elsewhere is asked to sign the invite.
        """
        if direct:
            # The request for invitations takes no is_direct; the state that it makes does.
            body = {"membership": "invite", "is_direct": True}
            answer = await self._ask("invite", "put", "rooms", room_id, "state", "m.room.member", user_id, body=body)
        else:
            answer = await self._ask("invite", "post", "rooms", room_id, "invite", body={"user_id": user_id})
        if answer.status == 403 and answer.errcode and (seen := await self._membership(room_id, user_id)) in _INSIDE:
            return str(seen)
        if answer.other_is_away and server_of(user_id) != server_of(self.bot):
            raise away(server_of(user_id))
        answer.accept()
        return "invite"

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        """See ``RoomWriter.kick``. Looks first: to kick somebody who is banned would lift the ban in some versions."""
        ended = seen or await self._membership(room_id, user_id)
        if ended not in _THERE:
            return None
        body = {"user_id": user_id} | ({"reason": reason} if reason else {})
        answer = await self._ask("kick", "post", "rooms", room_id, "kick", body=body)
        if answer.status == 403 and answer.errcode and await self._membership(room_id, user_id) not in _THERE:
            return None  # left in between
        answer.accept()
        return ended

    async def join(self, room_id: RoomId) -> None:
        """See ``RoomWriter.join``."""
        (await self._ask("join", "post", "rooms", room_id, "join", body={})).accept()

    async def leave(self, room_id: RoomId) -> None:
        """See ``RoomWriter.leave``."""
        (await self._ask("leave", "post", "rooms", room_id, "leave", body={})).accept()

    # -- Messenger

    async def send_event(
        self, room_id: RoomId, event_type: str, content: Content, *, transaction_id: str, sender: UserId | None = None
    ) -> EventId:
        """See ``Messenger.send_event``. The fixed device makes the homeserver keep the transaction id."""
        author = sender or self.bot
        await self._accounts.make_ready(author)
        path = (*CLIENT_V3, "rooms", room_id, "send", event_type, transaction_id)
        if event_type == "m.room.redaction":
            # Before room version 11 what is redacted does not stand in the content.
            path = (*CLIENT_V3, "rooms", room_id, "redact", content["redacts"], transaction_id)
            content = {key: value for key, value in content.items() if key != "redacts"}
        query = self._accounts.as_device(author)
        answer = await self._wire.ask("send_event", "put", *path, body=content, query=query)
        if answer.errcode == "M_UNKNOWN_DEVICE":
            self._accounts.forget(author)
            raise Temporary("send_event: the sender's device was removed; it is made again at the next attempt")
        return EventId(answer.text("event_id"))

    # -- Operations

    async def versions(self) -> Sequence[str]:
        """See ``Operations.versions``."""
        answer = await self._wire.ask("versions", "get", "_matrix", "client", "versions", authorised=False)
        versions = answer.accept().get("versions")
        if not isinstance(versions, list):
            raise Temporary("versions: the homeserver answered without versions")
        return [str(version) for version in versions]

    async def whoami(self) -> UserId:
        """See ``Operations.whoami``. Asks without naming the bot: the token alone decides."""
        answer = await self._wire.ask("whoami", "get", *CLIENT_V3, "account", "whoami")
        return UserId(answer.text("user_id"))

    async def ensure_bot(self, display_name: str) -> None:
        """See ``Operations.ensure_bot``. An unchanged name is not set again: it would go to every room."""
        await self._accounts.make_ready(self.bot)
        path = ("profile", self.bot, "displayname")
        answer = await self._ask("read display name", "get", *path)
        current = None if answer.absent else answer.accept().get("displayname")
        if current != display_name:
            body = {"displayname": display_name}
            (await self._ask("set display name", "put", *path, body=body)).accept()

    async def ping(self, appservice_id: str, transaction_id: str) -> int:
        """See ``Operations.ping``. ``Temporary`` also where the homeserver cannot reach us (502, 504)."""
        path = ("_matrix", "client", "v1", "appservice", appservice_id, "ping")
        answer = await self._wire.ask("ping", "post", *path, body={"transaction_id": transaction_id})
        duration = answer.accept().get("duration_ms")
        if not isinstance(duration, int):
            raise Temporary("ping: the homeserver answered without duration_ms")
        return duration

    # -- within

    async def _ask(self, call: str, method: str, *path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Ask as the bot."""
        query = self._accounts.as_user(self.bot)
        return await self._wire.ask(call, method, *CLIENT_V3, *path, body=body, query=query)

    async def _membership(self, room_id: RoomId, user_id: UserId) -> object:
        content = await self.state_content(room_id, "m.room.member", user_id)
        return content.get("membership") if content else None


def _key(state_key: str) -> tuple[str, ...]:
    """Return the last part of a state event's address, which is left out where it would be empty."""
    return (state_key,) if state_key else ()


def _state_event(event: Mapping[str, Any]) -> StateEvent:
    return StateEvent(
        event["type"], event["state_key"], event["content"], UserId(event["sender"]), EventId(event["event_id"])
    )


def _is_join_of(event: StateEvent, user_id: UserId) -> bool:
    return (event.type, event.state_key) == ("m.room.member", user_id) and event.content.get("membership") == "join"
