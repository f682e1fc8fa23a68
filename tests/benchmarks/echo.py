"""The floor of an answer: the least application service that answers at all. And what else goes on meanwhile.

``Echo`` answers each message of one room by a bare ``PUT``, and remembers nothing. ``talking`` is a second client.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from oshiyakusho_matrix.core.ids import UserId
from tests.support.shipped_hall import SERVER
from tests.support.users import MatrixUser

BOT = UserId(f"@echo:{SERVER}")
_TOKEN = "echo-" + "e" * 40
#: Messages under way at once; a homeserver that is slower than it is asked to be is not buried.
_UNDER_WAY = 16


def write_registration(directory: Path, port: int) -> Path:
    """Write what the homeserver has to know (JSON is YAML)."""
    values = {
        "id": "echo",
        "url": f"http://127.0.0.1:{port}",
        "as_token": _TOKEN,
        "hs_token": _TOKEN,
        "sender_localpart": "echo",
        "rate_limited": False,
        "namespaces": {"users": [], "aliases": [], "rooms": []},
    }
    path = directory / "echo.yaml"
    path.write_text(json.dumps(values))
    return path


class Echo:
    """Answers in ``room``; what is said elsewhere is parsed and forgotten."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._base, self._session = f"{url}/_matrix/client/v3", session
        self._sending = set[asyncio.Task[None]]()
        self.room = ""

    async def join(self, room_id: str) -> None:
        """Accept an invite."""
        async with self._session.post(f"{self._base}/join/{quote(room_id)}", json={}) as response:
            response.raise_for_status()

    async def transaction(self, request: web.Request) -> web.Response:
        """Answer the homeserver at once, and each message as soon as can be."""
        for event in (await request.json())["events"]:
            if event["room_id"] == self.room and event["type"] == "m.room.message" and event["sender"] != BOT:
                task = asyncio.create_task(self._answer(event))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        return web.json_response({})

    async def _answer(self, event: dict[str, Any]) -> None:
        content = {
            "msgtype": "m.notice",
            "body": event["content"]["body"],
            "m.relates_to": {"m.in_reply_to": {"event_id": event["event_id"]}},
        }
        path = f"/rooms/{quote(self.room)}/send/m.room.message/{quote(event['event_id'])}"
        async with self._session.put(self._base + path, json=content) as response:
            response.raise_for_status()


@asynccontextmanager
async def echoing(url: str, port: int) -> AsyncIterator[Echo]:
    """Run it."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {_TOKEN}"}) as session:
        echo = Echo(url, session)
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_put("/_matrix/app/v1/transactions/{txn_id}", echo.transaction)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield echo
        finally:
            await runner.cleanup()


@dataclass(slots=True)
class Talk:
    """How much was said, and in how many seconds."""

    said: int = 0
    seconds: float = 0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.said / self.seconds if self.seconds else 0


@asynccontextmanager
async def talking(person: MatrixUser, url: str, room_id: str, *, rate: int) -> AsyncIterator[Talk]:
    """Have somebody say ``rate`` messages a second in a room, or as many as the homeserver takes; 0 for none."""
    talk, numbers = Talk(), itertools.count()
    token = person.client.access_token
    began = time.perf_counter()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:

        async def talk_on() -> None:
            # Each of them is a sixteenth of the rate: whoever is late says the next at once.
            next_at = time.perf_counter()
            while True:
                path = f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{time.time_ns()}-{next(numbers)}"
                async with session.put(url + path, json={"msgtype": "m.text", "body": "予算の照会です"}) as response:
                    response.raise_for_status()
                talk.said += 1
                next_at = max(next_at + _UNDER_WAY / rate, time.perf_counter() - 1)
                await asyncio.sleep(max(next_at - time.perf_counter(), 0))

        tasks = [asyncio.create_task(talk_on()) for _ in range(_UNDER_WAY if rate else 0)]
        try:
            yield talk
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            talk.seconds = time.perf_counter() - began
            broken = [each for each in ended if not isinstance(each, asyncio.CancelledError)]
            assert not broken, broken
