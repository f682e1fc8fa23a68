"""One room of the fake homeserver: its state, its timeline, and who has which power in it.

Used by ``fake`` (which changes it) and ``fake_rules`` (which judges). Power levels follow
https://spec.matrix.org/v1.16/client-server-api/#mroompower_levels, creators of version 12 rooms
https://spec.matrix.org/v1.16/rooms/v12/.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.homeserver.creation import creator_is_listed
from oshiyakusho_matrix.homeserver.interface import Content, StateEvent

#: An event as clients get it.
Event = dict[str, Any]

_NO_LEVELS: Mapping[str, Any] = {}
_LEVEL_DEFAULTS = {"ban": 50, "kick": 50, "redact": 50, "invite": 0, "events_default": 0, "state_default": 50}


@dataclass(slots=True)
class FakeRoom:
    """``state`` maps (type, state key) to the current event; ``timeline`` holds every event, oldest first."""

    room_id: RoomId
    version: str
    creator: UserId
    state: dict[tuple[str, str], Event] = field(default_factory=dict)
    timeline: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Append an event; a state event becomes the current one of its kind."""
        self.timeline.append(event)
        if "state_key" in event:
            self.state[event["type"], event["state_key"]] = event

    def content(self, event_type: str, state_key: str = "") -> Content | None:
        """Return the content of one piece of state."""
        event = self.state.get((event_type, state_key))
        return event["content"] if event else None

    def state_events(self) -> list[StateEvent]:
        """Return the whole state as the interface gives it."""
        return [
            StateEvent(e["type"], e["state_key"], dict(e["content"]), UserId(e["sender"]), EventId(e["event_id"]))
            for e in self.state.values()
        ]

    def membership(self, user_id: str) -> str:
        """Return join, invite, knock, ban, or leave (also for somebody who was never there)."""
        content = self.content("m.room.member", user_id)
        return str(content["membership"]) if content else "leave"

    def joined(self) -> list[UserId]:
        """Return who is in the room."""
        return [UserId(key) for kind, key in self.state if kind == "m.room.member" and self.membership(key) == "join"]

    def creators(self) -> frozenset[str]:
        """Return who has unlimited power for having made the room; nobody before version 12."""
        if creator_is_listed(self.version):
            return frozenset()
        create = self.content("m.room.create") or {}
        return frozenset((self.creator, *create.get("additional_creators", ())))

    def power(self, user_id: str) -> float:
        """Return the power level of a user; infinite for a creator of version 12."""
        if user_id in self.creators():
            return math.inf
        levels = self.content("m.room.power_levels")
        if levels is None:
            return 100 if user_id == self.creator else 0
        return float(levels.get("users", {}).get(user_id, levels.get("users_default", 0)))

    def level(self, name: str) -> float:
        """Return a named level such as ``invite``."""
        levels = self.content("m.room.power_levels") or _NO_LEVELS
        return float(levels.get(name, _LEVEL_DEFAULTS[name]))

    def needed(self, event_type: str, *, is_state: bool) -> float:
        """Return the power that sending this type of event takes."""
        levels = self.content("m.room.power_levels") or _NO_LEVELS
        own = levels.get("events", {}).get(event_type)
        return float(own) if own is not None else self.level("state_default" if is_state else "events_default")
