"""What 事務局室 reads about keys that fail: in words, with what to do, and never as a flood.

Called by the controller loop within the commit that notes the failure. A homeserver that is down for an hour fails
hundreds of keys: that makes one message, not hundreds.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select

from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.reconcile.leases import Lease
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.store.statements import one_at_a_time
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: Puts what a key stands for into words, from the records, names before ids.
Describe = Callable[[Transaction, WorkKey], Awaitable[Text]]

#: At most one message about keys that are being tried again in this time.
TROUBLE_EVERY = timedelta(hours=1)
#: At most this many messages about parked keys in this time, and one more that says that there are others.
PARKED_WITHIN, PARKED_AT_MOST = timedelta(minutes=10), 5


async def describe_plainly(_tx: Transaction, key: WorkKey) -> Text:
    """Describe a key by what it says itself; for kinds that nobody describes better."""
    match key.kind:
        case "room":
            return say("the room {name}", name=key.name)
        case "member":
            return say("the rooms of {name}", name=key.name)
        case _:
            return say("{kind} {name}", kind=key.kind, name=key.name)


def because(why: Value) -> Text:
    """Give a reason on a line of its own: it may be a word of a library, or sentences."""
    return say("Reason: {why}", why=why)


def numbered(reference: str | None) -> tuple[Text, ...]:
    """Give the reference number by which the operators find what happened, if there is one."""
    return (say("Reference number: {reference}", reference=reference),) if reference else ()


class Reports:
    """Writes to 事務局室 about keys."""

    def __init__(self, outbox: Outbox, *, clock: Callable[[], datetime], describe: Describe) -> None:
        self._outbox = outbox
        self._clock = clock
        self.describe = describe

    async def trouble(self, tx: Transaction, lease: Lease, why: Value) -> bool:
        """Say that a key has failed for a while and is tried on; False if that was said a short while ago."""
        await one_at_a_time(tx.connection, 2)
        since = self._clock() - TROUBLE_EVERY
        told = await tx.connection.scalar(select(func.count()).where(work.c.told_at > since))
        if lease.told or told:
            return False
        failing = await tx.connection.scalar(select(func.count()).where(work.c.attempts > 0)) or 0
        text = say(
            "Something has not worked for a while and is tried again by itself: {what}.",
            because(why),
            *numbered(lease.reference),
            what=await self.describe(tx, lease.key),
        )
        others = failing - (lease.attempts > 0)
        more = (say("The same goes for {count} others.", count=others),) if others else ()
        await self._outbox.tell_secretariat(tx, Text(text.msgid, text.values, (*text.parts, *more)))
        return True

    async def recovered(self, tx: Transaction, lease: Lease) -> None:
        """Say that a key works again, if it was said that it does not."""
        if lease.told:
            await self._outbox.tell_secretariat(
                tx, say("It works again: {what}.", what=await self.describe(tx, lease.key))
            )

    async def parked(self, tx: Transaction, key: WorkKey, why: Value, reference: str) -> None:
        """Say that a key, just parked, is not tried again, what that affects and what to do."""
        await one_at_a_time(tx.connection, 2)
        since = self._clock() - PARKED_WITHIN
        count = await tx.connection.scalar(select(func.count()).where(work.c.parked_at > since)) or 0
        if count <= PARKED_AT_MOST:
            text = say(
                "This could not be done, and I have stopped trying: {what}.",
                because(why),
                *numbered(reference),
                say("When the cause is mended, `!retry` tries again."),
                what=await self.describe(tx, key),
            )
            await self._outbox.tell_secretariat(tx, text)
        elif count == PARKED_AT_MOST + 1:
            await self._outbox.tell_secretariat(
                tx, say("More could not be done; I will not list it all here. `!status` shows how much is waiting.")
            )
