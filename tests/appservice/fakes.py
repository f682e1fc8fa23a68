"""Small stand-ins: an outbox that remembers, a listener that does as it is told, events as a homeserver sends them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from oshiyakusho_matrix.appservice.border import read_transaction
from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.appservice.letters import Letters
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

BOT = UserId("@shiyakusho:example.jp")


class RememberingOutbox:
    """Keeps what the secretariat was told, and who was answered what."""

    def __init__(self) -> None:
        self.told: list[Text] = []
        self.answered: list[tuple[str, Text]] = []

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        self.answered.append((to.event_id, text))

    async def post(self, tx: Transaction, room_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("the inbox says nothing in rooms")

    async def react(self, tx: Transaction, room_id: str, event_id: str, key: str) -> None:
        raise AssertionError("the inbox reacts to nothing")

    async def edit(self, tx: Transaction, room_id: str, event_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("nothing is edited here")

    async def redact(self, tx: Transaction, room_id: str, event_id: str) -> None:
        raise AssertionError("nothing is taken back here")

    async def tell_secretariat(self, tx: Transaction, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        self.told.append(text)


class Book:
    """A listener that writes each event's id down, in memory once its transaction was committed.

    ``look`` and ``write`` may be replaced by whatever a test wants to happen there.
    """

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.look: Callable[[InboundEvent], None] = lambda _event: None
        self.write: Callable[[InboundEvent], None] = lambda _event: None
        self.silent = False

    async def __call__(self, event: InboundEvent) -> Write | None:
        self.look(event)
        if self.silent:
            return None

        async def write(tx: Transaction) -> None:
            self.write(event)
            tx.after_commit(lambda: self.entries.append(event.event_id))

        return write


def message(event_id: str, *, room: str = "!a", body: str = "hello", **more: Any) -> dict[str, Any]:
    """Return a message as the homeserver delivers it."""
    return {
        "event_id": event_id,
        "room_id": room,
        "sender": "@hanako:example.jp",
        "type": "m.room.message",
        "content": {"msgtype": "m.text", "body": body},
        "origin_server_ts": 1_700_000_000_000,
        "unsigned": {"age": 5},
    } | more


async def deliver(inbox: Inbox, txn_id: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Hand a transaction to the inbox as the route does."""
    await inbox.receive(txn_id, read_transaction(json.dumps({"events": events}).encode()))


async def sort_letters(store: Store) -> None:
    """Make events of all that was delivered, without handling any."""
    letters = Letters(store, RememberingOutbox(), bot=BOT, sieve=None, now=now)
    while await letters.sort():
        pass


@asynccontextmanager
async def handling(inbox: Inbox) -> AsyncIterator[None]:
    """Let the inbox handle what it has, and stop it."""
    task = asyncio.create_task(inbox.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await inbox.stop()
        await task
