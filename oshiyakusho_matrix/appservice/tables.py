"""What came in: transactions and events as the homeserver delivered them. Table names are forever.

``inbox`` is the only writer. An event's id is unique, so however often it is delivered it is handled once; its
content is emptied when it is done, because what people write is not ours to keep.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Row, String, Table, Text, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId, new_reference
from oshiyakusho_matrix.store.lanes import Lanes, RowState
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.statements import upsert

#: ``digest`` tells a repeat from a homeserver that was set up anew and counts its transactions from 1 again.
inbox_transaction = Table(
    "inbox_transaction",
    metadata,
    Column("txn_id", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("received_at", Moment, nullable=False),
)

#: ``attempts`` counts every try that did not end well, ``failures`` only those that waiting does not explain.
inbox_event = Table(
    "inbox_event",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", String(255), nullable=False, unique=True),
    Column("txn_id", String(255), nullable=False),
    Column("room_id", String(255), nullable=False),
    Column("sender", String(255), nullable=False),
    Column("type", String(255), nullable=False),
    Column("state_key", String(255)),
    Column("content", JSON, nullable=False),
    Column("unsigned", JSON, nullable=False),
    Column("origin_server_ts", BigInteger, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("reference", String(8), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("last_error", Text),
    Index(None, "state", "room_id", "seq"),
    sqlite_autoincrement=True,
)

lanes = Lanes("inbox", inbox_event, order=inbox_event.c.seq, lane=inbox_event.c.room_id)


async def keep_transaction(connection: AsyncConnection, txn_id: str, digest: str, at: datetime) -> bool:
    """Note a transaction; False if the very same one was noted before."""
    key = inbox_transaction.c.txn_id == txn_id
    known = (await connection.execute(select(inbox_transaction.c.digest).where(key))).scalar_one_or_none()
    if known is None:
        values = {"txn_id": txn_id, "digest": digest, "received_at": at}
        unless_known = upsert(connection, inbox_transaction).on_conflict_do_nothing(index_elements=["txn_id"])
        await connection.execute(unless_known, values)
    elif known != digest:
        await connection.execute(update(inbox_transaction).where(key).values(digest=digest, received_at=at))
    return known != digest


async def keep_events(connection: AsyncConnection, txn_id: str, events: Sequence[ClientEvent], at: datetime) -> None:
    """Keep the events that are not here yet, in the order in which they came."""
    rows = [
        event.model_dump()
        | {"txn_id": txn_id, "received_at": at, "due_at": at, "reference": new_reference()}
        | {"state": RowState.PENDING, "attempts": 0, "failures": 0}
        for event in events
    ]
    if rows:
        unless_known = upsert(connection, inbox_event).on_conflict_do_nothing(index_elements=["event_id"])
        await connection.execute(unless_known, rows)


async def mark_done(connection: AsyncConnection, seqs: Sequence[int]) -> bool:
    """Mark pending events as done, and forget their content; False if another worker was faster."""
    done = await connection.execute(
        update(inbox_event)
        .where(inbox_event.c.seq.in_(seqs), inbox_event.c.state == RowState.PENDING)
        .values(state=RowState.DONE, content={}, unsigned={}, last_error=None)
    )
    return done.rowcount == len(seqs)


def to_event(row: Row[Any]) -> InboundEvent:
    """Read one event back."""
    return InboundEvent(
        reference=row.reference,
        event_id=EventId(row.event_id),
        room_id=RoomId(row.room_id),
        sender=UserId(row.sender),
        type=row.type,
        content=row.content,
        state_key=row.state_key,
        unsigned=row.unsigned,
    )
