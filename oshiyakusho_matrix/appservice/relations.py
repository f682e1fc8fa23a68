"""Events that are about another one: edits, redactions, reactions. Used by the inbox, before any listener looks.

They may come before what they are about (federation, an outage), and what they are about may still wait here when they
come. So an event is handled as it is by then: not at all, if its author has redacted it meanwhile, else in its latest
words; the edits that counted are done with it. What comes before its target waits for it, but not for ever:
``PATIENCE``. An edit that comes after its target was handled is an event of its own, which knows what it edits.

https://spec.matrix.org/v1.16/client-server-api/#forming-relationships-between-events
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.appservice.tables import age_of, inbox_event, mark_done, to_event
from oshiyakusho_matrix.core.ids import EventId
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.unit_of_work import Store

#: What has waited so long for its target is handled without: a listener may know the target from its own records.
PATIENCE: Final = timedelta(minutes=10)

REDACTION: Final = "m.room.redaction"
#: What has come that edits or redacts an event, by the id of that one, in order.
Changes = Mapping[str, Sequence[Row[Any]]]
_FIRST_HELD: Final = select(func.min(inbox_event.c.due_at, type_=inbox_event.c.due_at.type)).where(
    inbox_event.c.state == RowState.HELD
)
_ABOUT_ANOTHER: Final = ("m.replace", "m.annotation")


def target_of(event: ClientEvent) -> str | None:
    """Return the id of the event that this one edits, redacts or reacts to."""
    if event.state_key is not None:
        return None
    if event.type == REDACTION:
        # In the content since room version 11, beside it before.
        target = event.content.get("redacts", event.redacts)
    else:
        relation = event.content.get("m.relates_to")
        relation = relation if isinstance(relation, dict) else {}
        target = relation.get("event_id") if relation.get("rel_type") in _ABOUT_ANOTHER else None
    return target if isinstance(target, str) and 0 < len(target.encode()) <= 255 else None


async def changes_to(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Changes:
    """Return what has come by now that edits or redacts one of ``rows``."""
    found: dict[str, list[Row[Any]]] = {}
    about = inbox_event.c.refers_to.in_([row.event_id for row in rows])
    for row in await connection.execute(select(inbox_event).where(about).order_by(inbox_event.c.seq)):
        found.setdefault(row.refers_to, []).append(row)
    return found


async def as_it_is_now(
    store: Store, row: Row[Any], changes: Sequence[Row[Any]], present: datetime
) -> InboundEvent | None:
    """Return an event with the content that its author left it; None if the author withdrew it."""
    content = _content_now(row, changes)
    return (
        None if content is None else await _knowing_its_original(store, row, to_event(row, content, present), present)
    )


def _content_now(row: Row[Any], changes: Sequence[Row[Any]]) -> Mapping[str, Any] | None:
    """Return the content of an event as its author left it; None if the author withdrew it.

    Only the author counts: what others may redact is for the room to decide, and is not taken for a command's end.
    State is always looked at: a stranger who redacts the own join is inside all the same.
    """
    content: Mapping[str, Any] = row.content
    if row.state_key is None and any(each.type == REDACTION and _is_of_its_author(row, each) for each in changes):
        return None
    for edit in _edits_of(row, changes):
        # An edit leaves the thread or reply of the original as it was.
        kept = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
        content = {**edit.content["m.new_content"], **kept}
    return content


def _edits_of(row: Row[Any], changes: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Return those of the changes that are edits of a message by its author."""
    if row.state_key is not None:
        return []
    return [
        change
        for change in changes
        if change.type == row.type
        and _is_of_its_author(row, change)
        and isinstance(change.content.get("m.new_content"), dict)
    ]


def _is_of_its_author(row: Row[Any], change: Row[Any]) -> bool:
    return bool(change.sender == row.sender and change.room_id == row.room_id)


async def _knowing_its_original(store: Store, row: Row[Any], event: InboundEvent, present: datetime) -> InboundEvent:
    """Return an event with what it edits, if it is an edit of a message that was handled and not withdrawn since."""
    relation = row.content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    target, words = relation.get("event_id"), row.content.get("m.new_content")
    if relation.get("rel_type") != "m.replace" or not isinstance(target, str) or not isinstance(words, dict):
        return event
    redaction = inbox_event.alias()
    withdrawn = select(redaction.c.seq).where(
        redaction.c.refers_to == target, redaction.c.type == REDACTION, redaction.c.sender == row.sender
    )
    here = inbox_event.c
    # What is about another event itself is no message that can be edited.
    message = (here.event_id == target, here.state == RowState.DONE, here.type == row.type, here.refers_to.is_(None))
    of_the_author = (here.sender == row.sender, here.room_id == row.room_id, here.state_key.is_(None))
    query = select(inbox_event).where(*message, *of_the_author, ~withdrawn.exists())
    async with store.reading() as connection:
        original = (await connection.execute(query)).one_or_none()
    if original is None:
        return event
    # An edit says nothing of the thread: it stays where the original was.
    content = {**event.content, "m.new_content": {**words, **_in_thread(original.thread_root)}}
    return replace(event, content=content, edits=EventId(original.event_id), age=age_of(original, present))


def _in_thread(root: str | None) -> Mapping[str, Any]:
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root}} if root is not None else {}


async def finish(connection: AsyncConnection, rows: Sequence[Row[Any]], changes: Changes) -> bool:
    """Mark events as done, with the edits that counted; False if another worker was faster with one of them."""
    done = await mark_done(connection, [row.seq for row in rows])
    mine = [row for row in rows if row.seq in done]
    counted = [edit.seq for row in mine for edit in _edits_of(row, changes.get(row.event_id, ()))]
    if counted:
        await mark_done(connection, counted, states=(RowState.PENDING, RowState.HELD))
    return len(mine) == len(rows)


async def hold(connection: AsyncConnection, row: Row[Any], until: datetime) -> bool:
    """Lay an event aside until its target has been handled; False if there is nothing to wait for.

    A redaction need not wait: whatever becomes of it, ``changes_to`` finds it when its target comes.
    """
    if row.type == REDACTION:
        return False
    target = inbox_event.alias()
    known = select(target.c.seq).where(
        target.c.event_id == row.refers_to, target.c.state.in_((RowState.DONE, RowState.PARKED))
    )
    held = await connection.execute(
        update(inbox_event)
        .where(inbox_event.c.seq == row.seq, inbox_event.c.state == RowState.PENDING, ~known.exists())
        .values(state=RowState.HELD, due_at=until)
    )
    return bool(held.rowcount)


async def release(connection: AsyncConnection, *, about: Sequence[str] = (), due: datetime | None = None) -> int:
    """Take up again what waits for one of the events ``about``, or has waited until ``due``; return how many."""
    over = inbox_event.c.due_at <= due if due is not None else None
    awaited = inbox_event.c.refers_to.in_(about)
    released = await connection.execute(
        update(inbox_event)
        .where(and_(inbox_event.c.state == RowState.HELD, awaited if over is None else or_(awaited, over)))
        # Whatever it waited for, it waits no more.
        .values(state=RowState.PENDING, refers_to=None, due_at=inbox_event.c.received_at)
    )
    return released.rowcount


async def first_held(connection: AsyncConnection) -> datetime | None:
    """Return until when the first of those that wait does so."""
    until: datetime | None = await connection.scalar(_FIRST_HELD)
    return until


async def take_up(store: Store, present: datetime) -> datetime | None:
    """Take up again what has waited long enough for its target; return when there is more of that."""
    async with store.transaction() as tx:
        await release(tx.connection, due=present)
        return await first_held(tx.connection)
