"""The traffic of a city hall as a homeserver delivers it, and a homeserver's way of delivering: one after the other."""

import http.client
import itertools
import json
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

WORDS = ("予算", "照会", "研修", "異動", "窓口", "条例", "議会", "起案", "決裁", "財政", "福祉", "防災", "選挙")
#: How many of a hundred events are what; the rest are messages that say nothing to the bot.
REACTIONS, MEMBERSHIPS, COMMANDS = 5, 4, 1


class Traffic:
    """Makes events, each with an id of its own."""

    def __init__(self, rooms: Sequence[str], secretary: str, *, seed: int = 1) -> None:
        self._rooms, self._secretary = rooms, secretary
        self._random = random.Random(seed)  # noqa: S311 - the same traffic each time, not a secret
        self._numbers = itertools.count()
        self._mark = f"{time.time_ns():x}"

    def bodies(self, transactions: int, size: int) -> Iterator[bytes]:
        """Return transactions of ``size`` events as the bytes of their bodies."""
        for _ in range(transactions):
            events = [self._event() for _ in range(size)]
            yield json.dumps({"events": events}, ensure_ascii=False, separators=(",", ":")).encode()

    def _id(self, number: int) -> str:
        """Return an id that looks like a real one: 43 characters, in no order."""
        return "$" + urlsafe_b64encode(sha256(f"{self._mark} {number}".encode()).digest()).decode().rstrip("=")

    def _event(self) -> dict[str, Any]:
        number = next(self._numbers)
        kind = number % 100
        sender = f"@shokuin{self._random.randrange(2000)}:city.example"
        event = {
            "event_id": self._id(number),
            "room_id": self._random.choice(self._rooms),
            "origin_server_ts": time.time_ns() // 1_000_000,
            "sender": sender,
            "user_id": sender,
            "age": 57,
            "unsigned": {"age": 57},
        }
        if kind < COMMANDS:
            said = {"msgtype": "m.text", "body": "!help"}
            return (
                event
                | {"type": "m.room.message", "content": said, "sender": self._secretary}
                | {"room_id": self._rooms[0]}
            )
        if kind < COMMANDS + MEMBERSHIPS:
            joined = {"membership": self._random.choice(["join", "leave"]), "displayname": "職員"}
            return event | {"type": "m.room.member", "state_key": sender, "content": joined}
        if kind < COMMANDS + MEMBERSHIPS + REACTIONS:
            relation = {"rel_type": "m.annotation", "key": "👍", "event_id": self._id(max(number - 60, 0))}
            return event | {"type": "m.reaction", "content": {"m.relates_to": relation}}
        body = " ".join(self._random.choices(WORDS, k=self._random.randrange(3, 40)))
        return event | {"type": "m.room.message", "content": {"msgtype": "m.text", "body": body, "m.mentions": {}}}


@dataclass(slots=True)
class Measured:
    """What deliveries took. ``seconds`` is one figure a transaction."""

    events: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / sum(self.seconds)

    def percentile(self, share: float) -> float:
        """The milliseconds within which ``share`` of the transactions were answered."""
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)] * 1000


class Homeserver:
    """Delivers as Synapse does: one connection, one transaction at a time."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._numbers = itertools.count(1)

    def deliver(self, bodies: Sequence[bytes], size: int, into: Measured) -> None:
        """Deliver transactions of ``size`` events; AssertionError if one is not taken."""
        for body in bodies:
            path = f"/_matrix/app/v1/transactions/{time.time_ns()}-{next(self._numbers)}"
            began = time.perf_counter()
            self._connection.request("PUT", path, body=body, headers=self._headers)
            answer = self._connection.getresponse()
            answer.read()
            into.seconds.append(time.perf_counter() - began)
            assert answer.status == 200, answer.status
            into.events += size

    def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        self._connection.request("GET", path)
        return json.load(self._connection.getresponse())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
