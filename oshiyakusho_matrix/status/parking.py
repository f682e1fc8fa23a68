"""All that waits for a person, whichever part set it aside: keys of the work queue, events, messages.

People name it by its reference number; what one event led to shares one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.parked import parked_letters, why_parked
from oshiyakusho_matrix.appservice.tables import lanes as events
from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.outbox.tables import SECRETARIAT
from oshiyakusho_matrix.outbox.tables import lanes as messages
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.reconcile.parked import drop_parked, parked_keys, retry_parked
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.reports import Describe
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Parked:
    """Something that is not tried again by itself: what, and why."""

    reference: str
    what: Text
    why: Value


class Parking:
    """Lists, retries and drops. ``inbox`` is asked for when it is needed: it is made after the commands are."""

    def __init__(
        self, *, queue: WorkQueue, inbox: Callable[[], Inbox], sender: OutboxSender, describe: Describe
    ) -> None:
        self._queue = queue
        self._inbox = inbox
        self._sender = sender
        self._describe = describe

    async def waiting(self, tx: Transaction, reference: str | None = None, *, limit: int | None = None) -> list[Parked]:
        """Return what waits (under one reference), at most ``limit`` of each sort. Writes nothing."""
        found = [
            Parked(each.reference, await self._describe(tx, each.key), each.why)
            for each in await parked_keys(tx.connection, reference=reference, limit=limit)
        ]
        found += [
            Parked(row.reference, event_in_words(row), row.last_error or "?")
            for row in await events.parked(tx.connection, reference=reference, limit=limit)
        ]
        found += [
            Parked(row.reference or "?", say("events that were delivered together"), why_parked(row))
            for row in await parked_letters(tx.connection, reference=reference, limit=limit)
        ]
        found += [
            Parked(row.reference or "?", message_in_words(row), row.last_error or "?")
            for row in await messages.parked(tx.connection, reference=reference, limit=limit)
        ]
        return found

    async def retry(self, tx: Transaction, reference: str | None) -> tuple[int, Sequence[WorkKey]]:
        """Have everything (under one reference) tried again; return how much, and the keys among it."""
        keys = await retry_parked(tx, self._queue, reference)
        handled = await self._inbox().retry_parked(tx, reference)
        return len(keys) + handled + await self._sender.retry_parked(tx, reference), keys

    async def drop(self, tx: Transaction, reference: str) -> int:
        """Give up what waits under a reference; return how much that was."""
        keys = await drop_parked(tx, reference)
        return keys + await self._inbox().drop_parked(tx, reference) + await self._sender.drop_parked(tx, reference)


def event_in_words(row: Row[Any]) -> Text:
    """Say what an event of the inbox is, without what is in it."""
    return say("an event of kind {kind}", kind=row.type)


def message_in_words(row: Row[Any]) -> Text:
    """Say what a message of the outbox is, without what is in it."""
    room = say("the secretariat's room") if row.address == SECRETARIAT else row.address
    return say("a message to {room}", room=room)
