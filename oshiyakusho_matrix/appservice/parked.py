"""Events that wait for a person, because handling them failed for good: how they are told, tried again, and given up.

``inbox`` parks; ``!retry`` and ``!drop`` come here through it.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, update

from oshiyakusho_matrix.appservice.relations import release
from oshiyakusho_matrix.appservice.tables import inbox_event, lanes
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.unit_of_work import Transaction

MESSAGE: Final = "m.room.message"


async def park(tx: Transaction, row: Row[Any], reason: str, *, failures: int) -> bool:
    """Put an event aside; False if another worker was faster."""
    parked = await tx.connection.execute(
        update(inbox_event)
        .where(inbox_event.c.seq == row.seq, inbox_event.c.state == RowState.PENDING)
        .values(state=RowState.PARKED, failures=failures, attempts=row.attempts + 1, last_error=reason)
    )
    return bool(parked.rowcount)


async def tell(tx: Transaction, outbox: Outbox, row: Row[Any], reason: str) -> None:
    """Say that an event was put aside: to 事務局室, and to whoever wrote it.

    A message fails only where it was meant for us: what people say to each other is not looked into. Which language its
    author reads is not known any more.
    """
    text = say(
        "I could not handle a message or change in a room and have put it aside; nothing was half "
        "done. Please give the operators the reference {reference} (kind: {kind}, cause: {reason}).",
        reference=row.reference,
        kind=row.type,
        reason=reason,
    )
    await outbox.tell_secretariat(tx, text)
    if row.type == MESSAGE:
        sorry = say(
            "Something went wrong on my side, so nothing was done. The secretariat has been told. Reference number: "
            "{reference}",
            reference=row.reference,
        )
        await outbox.reply(tx, ReplyTo(row.room_id, row.event_id, "ja"), sorry)


async def retry(tx: Transaction, reference: str | None, present: datetime) -> int:
    """Have parked events (of one reference) handled once more; return how many."""
    retried = await tx.connection.execute(
        update(inbox_event).where(lanes.is_parked(reference)).values(state=RowState.PENDING, failures=0, due_at=present)
    )
    return retried.rowcount


async def drop(tx: Transaction, reference: str) -> int:
    """Have the parked events of one reference never handled; return how many.

    Their rows stay, empty: delivered again they would be new otherwise.
    """
    rows = await lanes.parked(tx.connection, reference=reference)
    await tx.connection.execute(
        update(inbox_event)
        .where(inbox_event.c.seq.in_([row.seq for row in rows]), lanes.is_parked())
        .values(state=RowState.DONE, content={}, unsigned={})
    )
    await release(tx.connection, about=[row.event_id for row in rows])
    return len(rows)
