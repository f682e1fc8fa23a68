"""Events and letters that wait for a person: how they are put aside, told, tried again, and given up.

An event is parked by ``inbox`` because handling it failed for good, a letter by ``letters`` because it cannot be read.
``!retry`` and ``!drop`` come here through ``inbox``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import REASONS
from oshiyakusho_matrix.appservice.relations import release
from oshiyakusho_matrix.appservice.tables import inbox_event, inbox_letter, lanes
from oshiyakusho_matrix.core.ids import reference_of
from oshiyakusho_matrix.core.text import Text, Value, plain, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.unit_of_work import Transaction

MESSAGE: Final = "m.room.message"


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


async def park_letter(tx: Transaction, letter: Row[Any], why: Text, present: datetime) -> str | None:
    """Put a letter aside and return its reference; None if another worker was faster."""
    reference = reference_of("letter", letter.txn_id, str(letter.seq))
    parked = await tx.connection.execute(
        update(inbox_letter)
        .where(inbox_letter.c.seq == letter.seq, inbox_letter.c.parked_at.is_(None))
        .values(parked_at=present, reference=reference, last_error=plain(why))
    )
    return reference if parked.rowcount else None


async def tell_of_letter(tx: Transaction, outbox: Outbox, reference: str, why: Text) -> None:
    """Say in 事務局室 that a letter was put aside. Who wrote what is in it cannot be known."""
    text = say(
        "What the homeserver delivered at one time cannot be read any more, so I have put it aside: messages may go "
        "unanswered, people who came in may go unseen until the daily look. Please give the operators the reference "
        "{reference} (cause: {reason}).",
        reference=reference,
        reason=why,
    )
    await outbox.tell_secretariat(tx, text)


def why_parked(letter: Row[Any, Any, Any]) -> Value:
    """Return why a letter was put aside: kept in English, told in the language of whoever asks."""
    return REASONS.get(letter.last_error, letter.last_error or "?")


async def parked_letters(
    connection: AsyncConnection, *, reference: str | None = None, limit: int | None = None
) -> Sequence[Row[Any, Any, Any]]:
    """Return parked letters (of one reference) without what is in them, in order."""
    told = (inbox_letter.c.reference, inbox_letter.c.last_error, inbox_letter.c.received_at)
    query = select(*told).where(_set_aside(reference)).order_by(inbox_letter.c.seq).limit(limit)
    return (await connection.execute(query)).all()


async def count_letters(connection: AsyncConnection) -> int:
    """Return how many letters are parked."""
    return await connection.scalar(select(func.count()).select_from(inbox_letter).where(_set_aside())) or 0


def _set_aside(reference: str | None = None) -> ColumnElement[bool]:
    parked = inbox_letter.c.parked_at.is_not(None)
    return parked if reference is None else and_(parked, inbox_letter.c.reference == reference)


async def retry(tx: Transaction, reference: str | None, present: datetime) -> int:
    """Have parked events and letters (of one reference) handled once more; return how many."""
    letters = await tx.connection.execute(
        update(inbox_letter).where(_set_aside(reference)).values(parked_at=None, reference=None, last_error=None)
    )
    retried = await tx.connection.execute(
        update(inbox_event).where(lanes.is_parked(reference)).values(state=RowState.PENDING, failures=0, due_at=present)
    )
    return letters.rowcount + retried.rowcount


async def drop(tx: Transaction, reference: str) -> int:
    """Have the parked events and letters of one reference never handled; return how many.

    The rows of events stay, empty: delivered again they would be new otherwise.
    """
    letters = await tx.connection.execute(delete(inbox_letter).where(_set_aside(reference)))
    rows = await lanes.parked(tx.connection, reference=reference)
    await tx.connection.execute(
        update(inbox_event)
        .where(inbox_event.c.seq.in_([row.seq for row in rows]), lanes.is_parked())
        .values(state=RowState.DONE, content={}, unsigned={})
    )
    await release(tx.connection, about=[row.event_id for row in rows])
    return letters.rowcount + len(rows)
