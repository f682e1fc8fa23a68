"""What the fake homeserver knows: rooms, addresses, names of users, and which events an application service gets.

Used by ``fake``, which adds waiting, counting and failing. Nothing here waits, so each act is whole.
"""

import base64
import hashlib
import itertools
import re
from collections.abc import Mapping
from typing import Any

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId, server_of
from oshiyakusho_matrix.homeserver.creation import creation_body, creator_is_listed
from oshiyakusho_matrix.homeserver.fake_room import Event, FakeRoom
from oshiyakusho_matrix.homeserver.fake_rules import why_not
from oshiyakusho_matrix.homeserver.interface import AliasTaken, Content, Forbidden, NewRoom

KNOWN_VERSIONS = tuple(str(version) for version in range(1, 13))

#: State that somebody invited or knocking is shown (section "Stripped state" of the client-server API).
_STRIPPED = (
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
)


class FakeWorld:
    """Rooms and users. ``ours`` matches the users of the application service; ``outgoing`` waits for delivery to it."""

    def __init__(self, bot: UserId, ours: re.Pattern[str]) -> None:
        self.server_name = server_of(bot)
        self.rooms: dict[RoomId, FakeRoom] = {}
        self.aliases: dict[RoomAlias, RoomId] = {}
        self.display_names: dict[UserId, str] = {}
        #: Names under which there is no account. All others have one: tests invent people as they need them.
        self.nobody: set[UserId] = set()
        #: Other homeservers that do not answer.
        self.away: set[str] = set()
        self.outgoing: list[Event] = []
        #: What was sent under which transaction id, and by whom.
        self.sent: dict[tuple[RoomId, str], tuple[UserId, EventId]] = {}
        self._bot = bot
        self._ours = ours
        self._count = itertools.count(1)

    def room(self, room_id: RoomId, call: str) -> FakeRoom:
        """Return a room; ``Forbidden`` if there is none: to whoever is not inside, that looks the same."""
        if room_id not in self.rooms:
            raise Forbidden(f"{call}: there is no such room, or the user is not in it")
        return self.rooms[room_id]

    def inside(self, room_id: RoomId, user_id: UserId, call: str) -> FakeRoom:
        """Return a room that somebody is joined to, else ``Forbidden``."""
        room = self.room(room_id, call)
        if room.membership(user_id) != "join":
            raise Forbidden(f"{call}: the user is not in the room")
        return room

    def create(self, new: NewRoom, creator: UserId) -> RoomId:
        """Make a room the way a homeserver reads a ``createRoom`` request."""
        body = creation_body(new, creator)
        alias = self._free_alias(new.alias_localpart)
        if new.version not in KNOWN_VERSIONS:
            raise Permanent("create_room: the homeserver answered 400 M_UNSUPPORTED_ROOM_VERSION")
        room = FakeRoom(self._room_id(new.version), new.version, creator)
        self.rooms[room.room_id] = room
        creation = {**body.get("creation_content", {}), "room_version": new.version}
        if int(new.version) < 11:
            creation["creator"] = creator
        self.impose(room, creator, "m.room.create", "", creation)
        self.impose(room, creator, "m.room.member", creator, self.member_content(creator, "join"))
        state = {(e["type"], e["state_key"]): e["content"] for e in body["initial_state"]}
        levels = state.pop(("m.room.power_levels", ""), None) or _default_levels(new.version, creator)
        self.send(room, creator, "m.room.power_levels", levels, "")
        if alias is not None:
            self.aliases[alias] = room.room_id
            state.setdefault(("m.room.canonical_alias", ""), {"alias": alias})
        state.setdefault(("m.room.history_visibility", ""), {"history_visibility": "shared"})
        for (event_type, state_key), content in state.items():
            self.send(room, creator, event_type, content, state_key)
        return room.room_id

    def send(
        self, room: FakeRoom, sender: UserId, event_type: str, content: Content, state_key: str | None = None
    ) -> EventId:
        """Send an event if the rules allow it. The same state from the same sender is no new event, as on Synapse."""
        current = room.state.get((event_type, state_key)) if state_key is not None else None
        if current is not None and current["sender"] == sender and current["content"] == content:
            return EventId(current["event_id"])
        if reason := why_not(room, self.rooms, sender, event_type, state_key, content):
            raise Forbidden(f"send {event_type}: the homeserver answered 403 M_FORBIDDEN ({reason})")
        self._check_content(room, event_type, content)
        return self.impose(room, sender, event_type, state_key, content)

    def impose(
        self, room: FakeRoom, sender: UserId, event_type: str, state_key: str | None, content: Content
    ) -> EventId:
        """Add an event without asking the rules."""
        number = next(self._count)
        event: Event = {
            "event_id": "$" + _token(f"event {number}"),
            "room_id": room.room_id,
            "sender": sender,
            "type": event_type,
            "origin_server_ts": int(now().timestamp() * 1000),
            "content": dict(content),
            "unsigned": {"age": 0},
        }
        if state_key is not None:
            event["state_key"] = state_key
        room.add(event)
        for old in room.timeline:
            if event_type == "m.room.redaction" and old["event_id"] == content.get("redacts"):
                old["content"] = {key: old["content"][key] for key in old["content"] if key == "membership"}
        if self._is_interesting(room, event):
            self.outgoing.append(self._as_delivered(room, event))
        return EventId(event["event_id"])

    def member_content(self, user_id: UserId, membership: str) -> Content:
        """Write the content of a membership, with the user's name as a homeserver adds it."""
        name = self.display_names.get(user_id)
        return {"membership": membership, **({"displayname": name} if name else {})}

    def _free_alias(self, localpart: str | None) -> RoomAlias | None:
        if localpart is None:
            return None
        alias = RoomAlias(f"#{localpart}:{self.server_name}")
        if alias in self.aliases:
            raise AliasTaken("create_room: the homeserver answered 400 M_ROOM_IN_USE (Room alias already taken)")
        return alias

    def _room_id(self, version: str) -> RoomId:
        token = _token(f"room {next(self._count)}")
        return RoomId(f"!{token[:18]}:{self.server_name}" if creator_is_listed(version) else f"!{token}")

    def _check_content(self, room: FakeRoom, event_type: str, content: Content) -> None:
        if event_type == "m.room.power_levels" and room.creators() & content.get("users", {}).keys():
            raise Permanent("send_state: the homeserver answered 400 M_UNKNOWN (creators must not appear in users)")
        alias = content.get("alias") if event_type == "m.room.canonical_alias" else None
        if alias is not None and self.aliases.get(alias) != room.room_id:
            raise Permanent("send_state: the homeserver answered 400 M_BAD_ALIAS")

    def _is_interesting(self, room: FakeRoom, event: Event) -> bool:
        """Whether the application service gets it: one of its users sent it, is meant by it, or is in the room."""
        if room.membership(self._bot) == "join":
            return True
        users = (event["sender"], event.get("state_key", ""), *room.joined())
        return any(self._ours.fullmatch(user) for user in users)

    def _as_delivered(self, room: FakeRoom, event: Event) -> Event:
        delivered = {**event, "content": dict(event["content"]), "unsigned": dict(event["unsigned"])}
        if event["type"] == "m.room.member" and event["content"].get("membership") == "invite":
            delivered["unsigned"]["invite_room_state"] = [_stripped(e) for e in room.state.values() if _is_shown(e)]
        return delivered


def _is_shown(event: Mapping[str, Any]) -> bool:
    return event["type"] in _STRIPPED


def _stripped(event: Mapping[str, Any]) -> Event:
    return {key: event[key] for key in ("type", "state_key", "sender", "content")}


def _default_levels(version: str, creator: UserId) -> Content:
    return {"users": {creator: 100} if creator_is_listed(version) else {}, "invite": 50}


def _token(seed: str) -> str:
    """Return 43 characters as in a hash, the same for the same seed."""
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()).decode().rstrip("=")
