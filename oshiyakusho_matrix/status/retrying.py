"""What has failed and is tried again by itself: keys of the work queue, events, messages. ``!status`` tells it.

Nobody has to do anything about it; but as long as there is some, not all is well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from oshiyakusho_matrix.appservice.tables import lanes as events
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.outbox.tables import lanes as messages
from oshiyakusho_matrix.reconcile.parked import failing_keys
from oshiyakusho_matrix.reconcile.reports import Describe
from oshiyakusho_matrix.status.parking import event_in_words, message_in_words
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that has failed ``times`` times since ``since``; ``due_at`` is when it is tried next, or was to be."""

    what: Text
    why: Value
    times: int
    since: datetime
    due_at: datetime

    def in_words(self, present: datetime) -> Text:
        """Say it on a line, times in Asia/Tokyo."""
        since, then = _clock(self.since, present), _clock(self.due_at, present)
        failed = say("Failed {times} times since {since} ({why})", times=self.times, since=since, why=self.why)
        if self.due_at <= present:
            return say("- Being tried again now: {what}. {failed}", what=self.what, failed=failed)
        return say("- Tried again at {next}: {what}. {failed}", next=then, what=self.what, failed=failed)


@dataclass(frozen=True, slots=True)
class Retried:
    """How much is tried again, and some of it."""

    count: int = 0
    some: Sequence[Attempt] = ()

    def lines(self, present: datetime) -> list[Text]:
        """Say it, line by line."""
        lines = [each.in_words(present) for each in self.some]
        if self.count > len(lines):
            lines.append(say("- … and {count} more that are tried again", count=self.count - len(lines)))
        return lines


async def what_is_retried(tx: Transaction, describe: Describe, *, but: str, limit: int) -> Retried:
    """Return what is tried again, naming at most ``limit`` of each sort.

    ``but`` is the reference of the command that asks: it is in the inbox itself, and may have come late.
    """
    keys_failing, keys = await failing_keys(tx.connection, limit=limit)
    events_failing, waiting = await events.failing(tx.connection, limit=limit, but=but)
    messages_failing, unsent = await messages.failing(tx.connection, limit=limit)
    found = [Attempt(await describe(tx, k.key), k.why, k.attempts, k.since, k.due_at) for k in keys]
    found += [
        Attempt(event_in_words(row), row.last_error or "?", row.attempts, row.received_at, row.due_at)
        for row in waiting
    ]
    found += [
        Attempt(message_in_words(row), row.last_error or "?", row.attempts, row.created_at, row.due_at)
        for row in unsent
    ]
    return Retried(keys_failing + events_failing + messages_failing, found)


def _clock(at: datetime, present: datetime) -> str:
    there = at.astimezone(JST)
    return there.strftime("%H:%M" if there.date() == present.astimezone(JST).date() else "%Y-%m-%d %H:%M")
