"""Events that are about another one: edits, redactions, reactions. Used by the inbox, before any listener looks.

They may come before what they are about (federation, an outage), and what they are about may still wait here when they
come. So an event is handled as it is by then: not at all, if its author has redacted it meanwhile, else in its latest
words. What comes before its target waits for it, but not for ever: ``PATIENCE``.

https://spec.matrix.org/v1.16/client-server-api/#forming-relationships-between-events
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.unit_of_work import Store

#: What has waited so long for its target is handled without: a listener may know the target from its own records.
PATIENCE: Final = timedelta(minutes=10)

REDACTION: Final = "m.room.redaction"
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


async def changes_to(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Mapping[str, Sequence[Row[Any]]]:
    """Return what has come by now that edits or redacts one of ``rows``, by the id of that one, in order."""
    found: dict[str, list[Row[Any]]] = {}
    about = inbox_event.c.refers_to.in_([row.event_id for row in rows])
    for row in await connection.execute(select(inbox_event).where(about).order_by(inbox_event.c.seq)):
        found.setdefault(row.refers_to, []).append(row)
    return found


def as_it_is_now(row: Row[Any], changes: Iterable[Row[Any]]) -> Mapping[str, Any] | None:
    """Return the content of an event as its author left it; None if the author withdrew it.

    Only the author counts: what others may redact is for the room to decide, and is not taken for a command's end.
    State is always looked at: a stranger who redacts the own join is inside all the same.
    """
    content: Mapping[str, Any] = row.content
    if row.state_key is not None:
        return content
    for change in changes:
        if change.sender != row.sender or change.room_id != row.room_id:
            continue
        if change.type == REDACTION:
            return None
        words = change.content.get("m.new_content")
        if change.type == row.type and isinstance(words, dict):
            # An edit leaves the thread or reply of the original as it was.
            kept = {"m.relates_to": content["m.relates_to"]} if "m.relates_to" in content else {}
            content = {**words, **kept}
    return content


async def hold(connection: AsyncConnection, row: Row[Any], until: datetime) -> bool:
    """Lay an event aside until its target has been handled; False if there is nothing to wait for."""
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
    query = select(func.min(inbox_event.c.due_at, type_=inbox_event.c.due_at.type))
    until: datetime | None = await connection.scalar(query.where(inbox_event.c.state == RowState.HELD))
    return until


async def take_up(store: Store, present: datetime) -> datetime | None:
    """Take up again what has waited long enough for its target; return when there is more of that."""
    async with store.reading() as connection:
        until = await first_held(connection)
    if until is None or until > present:
        return until
    async with store.transaction() as tx:
        await release(tx.connection, due=present)
        return await first_held(tx.connection)
