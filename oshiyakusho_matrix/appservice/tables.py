"""What came in: transactions and events as the homeserver delivered them. Table names are forever.

``inbox`` and ``letters`` are the only writers. An event's id is unique, so however often it is delivered, under the
same transaction id or another one, it is handled once. Transaction ids alone tell nothing: a homeserver that was set up
anew counts from 1 again. Content is emptied when it is done, because what people write is not ours to keep.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Row, String, Table, Text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId, new_reference
from oshiyakusho_matrix.store.lanes import Lanes, RowState
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.statements import upsert

#: Transactions as they came, until ``letters`` has made events of them; ``events`` of them at most. One that cannot be
#: read any more is parked: since then it has a ``reference``, and ``last_error`` says why.
inbox_letter = Table(
    "inbox_letter",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("txn_id", String(255), nullable=False),
    Column("body", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("parked_at", Moment),
    Column("reference", String(8)),
    Column("last_error", Text),
    sqlite_autoincrement=True,
)

#: ``refers_to`` is the event that this one edits, redacts or reacts to (see ``relations``).
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
    Column("refers_to", String(255), index=True),
    # Of a message that was said in a thread: kept when its content is forgotten, for answers to its edits belong there.
    Column("thread_root", String(255)),
    Index(None, "state", "room_id", "seq"),
    sqlite_autoincrement=True,
)

#: No event counts as older: a homeserver may say anything, and times have an end.
_EVER = timedelta(days=365)

lanes = Lanes("inbox", inbox_event, order=inbox_event.c.seq, lane=inbox_event.c.room_id)


async def keep_events(
    connection: AsyncConnection,
    txn_id: str,
    events: Sequence[tuple[ClientEvent, str | None]],
    at: datetime,
    *,
    idle: Collection[str] = (),
) -> None:
    """Keep the events that are not here yet, in the order in which they came, each with what it refers to.

    Those of the ``idle`` lead to nothing: they are done at once, and nothing of what they say is kept.
    """
    common = {"txn_id": txn_id, "received_at": at, "due_at": at, "attempts": 0, "failures": 0}
    rows = [
        {
            **common,
            "event_id": event.event_id,
            "room_id": event.room_id,
            "sender": event.sender,
            "type": event.type,
            "state_key": event.state_key,
            "content": {} if (done := event.event_id in idle) else event.content,
            "unsigned": {} if done else event.unsigned,
            "origin_server_ts": event.origin_server_ts,
            "reference": new_reference(),
            "refers_to": refers_to,
            "thread_root": thread_of(event.content),
            "state": RowState.DONE if done else RowState.PENDING,
        }
        for event, refers_to in events
    ]
    if rows:
        unless_known = upsert(connection, inbox_event).on_conflict_do_nothing(index_elements=["event_id"])
        await connection.execute(unless_known, rows)


def thread_of(content: Mapping[str, Any]) -> str | None:
    """Return the id of the event that began the thread of a message."""
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) and relation.get("rel_type") == "m.thread" else {}
    root = relation.get("event_id")
    return root if isinstance(root, str) and 0 < len(root.encode()) <= 255 else None


async def mark_done(
    connection: AsyncConnection, seqs: Collection[int], *, states: Sequence[RowState] = (RowState.PENDING,)
) -> frozenset[int]:
    """Mark events that are in one of ``states`` as done, and forget their content; return which were."""
    done = await connection.scalars(
        update(inbox_event)
        .where(inbox_event.c.seq.in_(seqs), inbox_event.c.state.in_(states))
        .values(state=RowState.DONE, content={}, unsigned={}, last_error=None)
        .returning(inbox_event.c.seq)
    )
    return frozenset(done)


def to_event(row: Row[Any], content: Mapping[str, Any], present: datetime) -> InboundEvent:
    """Read one event back, with its content as it is by now."""
    return InboundEvent(
        reference=row.reference,
        event_id=EventId(row.event_id),
        room_id=RoomId(row.room_id),
        sender=UserId(row.sender),
        type=row.type,
        content=content,
        state_key=row.state_key,
        unsigned=row.unsigned,
        age=age_of(row, present),
    )


def age_of(row: Row[Any], present: datetime) -> timedelta:
    """Return how long ago an event was sent: as old as the homeserver said it was, plus its time here.

    The homeserver reckons with when it got the event from another server, whose clock may be anything.
    """
    told = row.unsigned.get("age")
    if isinstance(told, int):
        before = timedelta(milliseconds=min(max(told, 0), _EVER // timedelta(milliseconds=1)))
    else:
        before = max(row.received_at - datetime.fromtimestamp(row.origin_server_ts / 1000, UTC), timedelta())
    here: timedelta = max(present - row.received_at, timedelta())
    return before + here
