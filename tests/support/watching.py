"""The connection of a test's person: calls, and a view of rooms that grows with each sync.

nio logs in, syncs and keeps the rooms; other calls go through its connection bare, so that a refusal is an exception
with the homeserver's own error code, and nothing is retried behind a test's back. ``users`` builds on it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import nio

from oshiyakusho_matrix.core.ids import UserId

T = TypeVar("T")
#: An event of a room, as JSON.
Event = Mapping[str, Any]

_FILTER = {"room": {"timeline": {"limit": 200}}}


class MatrixError(Exception):
    """The homeserver said no."""

    def __init__(self, status: int, errcode: str, message: str) -> None:
        super().__init__(f"{status} {errcode}: {message}")
        self.status = status
        self.errcode = errcode


class Watcher:
    """One logged-in device. ``timeline`` holds, for each room, the events that syncs have brought, oldest first."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client
        self.user_id = UserId(client.user_id)
        self.timeline: dict[str, list[Event]] = {}

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    async def sync(self, timeout: float = 0) -> None:
        """Sync once; wait up to ``timeout`` seconds for something new."""
        response = await self.client.sync(timeout=int(timeout * 1000), sync_filter=_FILTER, full_state=False)
        if not isinstance(response, nio.SyncResponse):
            raise MatrixError(0, "SYNC", str(response))
        for room_id, room in response.rooms.join.items():
            self.timeline.setdefault(room_id, []).extend(event.source for event in room.timeline.events)
        for room_id, room in response.rooms.leave.items():
            self.timeline.setdefault(room_id, []).extend(event.source for event in room.timeline.events)

    async def until(self, look: Callable[[], T | None], *, timeout: float = 20, what: str = "it") -> T:
        """Sync until ``look()`` returns something true, and return that; AssertionError after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not (found := look()):
            left = deadline - time.monotonic()
            assert left > 0, f"{self.user_id} waited {timeout} s and did not see {what}; seen: {self._recent()}"
            await self.sync(min(left, 5))
        return found

    async def event(
        self, room_id: str, matches: Callable[[Event], bool], *, timeout: float = 20, what: str = "the event"
    ) -> Event:
        """Sync until an event of a room matches, and return it."""
        return await self.until(
            lambda: next((event for event in self.timeline.get(room_id, ()) if matches(event)), None),
            timeout=timeout,
            what=what,
        )

    async def message(self, room_id: str, text: str, *, timeout: float = 20) -> Event:
        """Wait for a message whose body contains ``text``."""
        return await self.event(
            room_id, lambda event: text in str(event["content"].get("body", "")), timeout=timeout, what=f"“{text}”"
        )

    async def answer(self, room_id: str, event_id: str, *, number: int = 1, timeout: float = 20) -> Event:
        """Wait for somebody else's answer to an event (a reply, or in its thread); ``number`` 2 is the second one."""

        def look() -> Event | None:
            answers = [
                e for e in self.timeline.get(room_id, ()) if e["sender"] != self.user_id and _answers(e, event_id)
            ]
            return answers[number - 1] if len(answers) >= number else None

        return await self.until(look, timeout=timeout, what=f"answer {number} to {event_id}")

    async def invited_to(self, room_id: str, *, timeout: float = 20) -> None:
        """Wait for an invite."""
        await self.until(lambda: room_id in self.client.invited_rooms, timeout=timeout, what=f"an invite to {room_id}")

    async def call(self, method: str, path: str, body: Any = None, **query: str | Sequence[str]) -> Any:
        """Call the client-server API and return the JSON; MatrixError if refused."""
        if query:
            path += "?" + urlencode(query, doseq=True)
        headers = {"Authorization": f"Bearer {self.client.access_token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        async with asyncio.timeout(60):
            response = await self.client.send(method, path, data, headers)
            answer = await response.json()
        if response.status >= 400:
            raise MatrixError(response.status, answer.get("errcode", ""), answer.get("error", ""))
        return answer

    def _recent(self) -> str:
        """What the last few events of each room were, for the message of a failure."""
        return json.dumps(
            {
                room_id: [event["content"].get("body", event["type"]) for event in events[-5:]]
                for room_id, events in self.timeline.items()
            },
            ensure_ascii=False,
        )


def _answers(event: Event, event_id: str) -> bool:
    relation = event["content"].get("m.relates_to") or {}
    return event_id in (relation.get("m.in_reply_to", {}).get("event_id"), relation.get("event_id")) and (
        event["type"] == "m.room.message"
    )
