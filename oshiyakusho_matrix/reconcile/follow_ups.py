"""Answers that are owed until keys have been worked on, so that a reply reports the outcome, not the intention.

A command promises (``FollowUps``); the controller loop tells what became of each key, in the commit that settles it.
The promise queues a key of its own, due a few seconds later: the work queue is the clock that says "still at it".
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, and_, delete, insert, or_, select, update

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.text import Text, Value, from_json, say, to_json
from oshiyakusho_matrix.core.trail import current_reference, following
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.reconcile.interface import Priority, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Lease
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.reports import because, numbered
from oshiyakusho_matrix.reconcile.tables import follow_up, follow_up_key, work
from oshiyakusho_matrix.store.rows import broken_among, readable
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

KIND = "follow_up"
#: An answer that takes longer than this is announced.
PATIENCE = timedelta(seconds=5)


class DatabaseFollowUps:
    """Implements ``reconcile.interface.FollowUps``; the other methods are for the controller loop."""

    def __init__(self, queue: WorkQueue, outbox: Outbox, *, clock: Callable[[], datetime] = clock_now) -> None:
        self._queue = queue
        self._outbox = outbox
        self._clock = clock

    async def promise(self, tx: Transaction, *, to: ReplyTo, keys: Sequence[WorkKey], done: Text) -> None:
        """Reply with ``done`` once every key has settled. Asks for the keys, so that each is run anew."""
        if not keys:
            await self._outbox.reply(tx, to, done)
            return
        number = tx.new_name()
        await tx.connection.execute(
            insert(follow_up).values(
                id=number,
                reply_to=asdict(to),
                done=to_json(done),
                created_at=self._clock(),
                reference=current_reference(),
            )
        )
        positions = {key: position for position, key in reversed(list(enumerate(keys)))}
        for key in sorted(positions):  # in one order for all, so that two promises never wait for each other's rows
            # The last of all: whoever asked for it before keeps the priority they gave it.
            await self._queue.ask(tx, key, priority=Priority.SWEEP)
            asked = await tx.connection.scalar(
                select(work.c.asked).where(work.c.kind == key.kind, work.c.name == key.name)
            )
            await tx.connection.execute(
                insert(follow_up_key).values(
                    follow_up_id=number, kind=key.kind, name=key.name, position=positions[key], asked=asked, said=[]
                )
            )
        await self._queue.ask(tx, WorkKey(KIND, number), due=self._clock() + PATIENCE, priority=Priority.ASKED)

    async def overtake(self, tx: Transaction, key: WorkKey, instead: Text) -> None:
        """Have answers that still wait for ``key`` say ``instead`` of what they would: it is not so any more."""
        here = follow_up_key.c
        waiting = select(here.follow_up_id).where(here.kind == key.kind, here.name == key.name)
        await tx.connection.execute(update(follow_up).where(follow_up.c.id.in_(waiting)).values(done=to_json(instead)))

    async def settled(self, tx: Transaction, lease: Lease, said: Sequence[Text]) -> None:
        """Note the outcome of a key; answer where it was the last one."""
        for owed in await self._waiting_for(tx, lease):
            values = {"settled": True, "said": [to_json(text) for text in said]}
            await tx.connection.execute(update(follow_up_key).where(_names(owed.id, lease.key)).values(values))
            await self._answer_if_complete(tx, owed)

    async def trouble(self, tx: Transaction, lease: Lease, why: Value) -> None:
        """Tell the askers, once, that a key has failed and is tried again."""
        for owed in await self._waiting_for(tx, lease):
            if owed.told_trouble:
                continue
            text = say(
                "It has not worked yet and is tried again by itself; the outcome follows here.",
                because(why),
                *numbered(owed.reference),
            )
            await self._reply(tx, owed, text, "trouble")
            await self._note(tx, owed.id, told_trouble=True)

    async def failed(self, tx: Transaction, lease: Lease, what: Text, why: Value) -> None:
        """Tell the askers that a key was given up; what else they asked for goes on."""
        for owed in await self._waiting_for(tx, lease):
            text = say(
                "This could not be done: {what}. The secretariat has been told.",
                because(why),
                *numbered(owed.reference),
                what=what,
            )
            await self._reply(tx, owed, text, "failed", str(lease.key))
            await tx.connection.execute(delete(follow_up_key).where(_names(owed.id, lease.key)))
            await self._note(tx, owed.id, failed=True)
            await self._answer_if_complete(tx, owed, failed=True)

    async def _waiting_for(self, tx: Transaction, lease: Lease) -> Sequence[Row[Any]]:
        """Return the answers that this run counts for, locked: two keys that settle at once must see each other."""
        here = follow_up_key.c
        mine = and_(here.kind == lease.key.kind, here.name == lease.key.name)
        # Also those for which the key has settled already: whoever settles their last one may just be finding that
        # they wait for it again (``_waits_again``), because this run was not over.
        concerned = select(here.follow_up_id).where(mine)
        locked = select(follow_up).where(follow_up.c.id.in_(concerned)).order_by(follow_up.c.id).with_for_update()
        found = (await tx.connection.execute(locked)).all()
        waiting = select(here.follow_up_id).where(mine, here.asked <= lease.asked, ~here.settled)
        counted = set(await tx.connection.scalars(waiting))
        rows = [row for row in found if row.id in counted]
        for broken in broken_among(rows, _read, follow_up.name):
            # Nobody can be answered; but the key must settle all the same.
            logger.error("an answer that was owed cannot be read", follow_up=broken.row, cause=broken.why)
            await tx.connection.execute(delete(follow_up).where(follow_up.c.id == broken.row))
        return list(readable(rows, _read))

    async def _answer_if_complete(self, tx: Transaction, owed: Row[Any], *, failed: bool = False) -> None:
        mine = follow_up_key.c.follow_up_id == owed.id
        keys = (await tx.connection.execute(select(follow_up_key).where(mine).order_by(follow_up_key.c.position))).all()
        if not all(key.settled for key in keys) or await self._waits_again(tx, owed.id):
            return
        said: list[Text] = []
        for text in (text for said_of in readable(keys, _said) for text in said_of):
            if text not in said:
                said.append(text)
        if not (failed or owed.failed):
            done = from_json(owed.done)
            await self._reply(tx, owed, Text(done.msgid, done.values, (*done.parts, *said)), "done")
        elif keys:
            await self._reply(tx, owed, say("The rest has been done.", *said), "done")
        await tx.connection.execute(delete(follow_up_key).where(mine))
        await tx.connection.execute(delete(follow_up).where(follow_up.c.id == owed.id))
        await self._queue.drop(tx, WorkKey(KIND, owed.id))

    async def _waits_again(self, tx: Transaction, number: str) -> bool:
        """Wait for keys that were asked for once more before all had settled; tell whether there are any.

        The birth of a room asks for the space that links it: if that was made first, it has to be run again until what
        was asked for is complete.
        """
        here = work.c
        to_come = or_(
            here.due_at <= self._clock(), here.lease.is_not(None), here.asked_due.is_not(None), here.attempts > 0
        )
        query = (
            select(here.kind, here.name, here.asked)
            .join(follow_up_key, and_(follow_up_key.c.kind == here.kind, follow_up_key.c.name == here.name))
            .where(follow_up_key.c.follow_up_id == number, here.parked_at.is_(None), to_come)
        )
        again = (await tx.connection.execute(query)).all()
        for row in again:
            await tx.connection.execute(
                update(follow_up_key)
                .where(_names(number, WorkKey(row.kind, row.name)))
                .values(settled=False, asked=row.asked)
            )
        return bool(again)

    async def _reply(self, tx: Transaction, owed: Row[Any], text: Text, *what: str) -> None:
        # Two people may wait for one key: each is answered under their own reference.
        with tx.caused_by("follow-up", owed.id, *what), following(owed.reference):
            await self._outbox.reply(tx, _reply_to(owed), text)

    async def _note(self, tx: Transaction, number: str, **values: bool) -> None:
        await tx.connection.execute(update(follow_up).where(follow_up.c.id == number).values(**values))


def _read(owed: Row[Any]) -> Row[Any]:
    """Return the row, if all of it can be read."""
    _reply_to(owed)
    from_json(owed.done)
    return owed


def _said(key: Row[Any]) -> list[Text]:
    return [from_json(raw) for raw in key.said]


def _reply_to(owed: Row[Any]) -> ReplyTo:
    return ReplyTo(**owed.reply_to)


def _names(number: str, key: WorkKey) -> ColumnElement[bool]:
    here = follow_up_key.c
    return and_(here.follow_up_id == number, here.kind == key.kind, here.name == key.name)


class FollowUpController:
    """Serves ``follow_up:NUMBER``: says "still at it" to somebody who has not heard anything yet."""

    kind = KIND

    def __init__(self, store: Store, outbox: Outbox) -> None:
        self._store = store
        self._outbox = outbox

    async def reconcile(self, name: str) -> Settled:
        """Tell the asker that what they asked for is being worked on, unless they have heard something else since."""
        async with self._store.transaction() as tx:
            silent = and_(~follow_up.c.told_waiting, ~follow_up.c.told_trouble, ~follow_up.c.failed)
            owed = (
                await tx.connection.execute(select(follow_up).where(follow_up.c.id == name, silent).with_for_update())
            ).one_or_none()
            if owed is not None:
                text = say("I have taken this on and am working on it; the outcome follows here.")
                with tx.caused_by("follow-up", owed.id, "waiting"), following(owed.reference):
                    await self._outbox.reply(tx, _reply_to(owed), text)
                await tx.connection.execute(update(follow_up).where(follow_up.c.id == name).values(told_waiting=True))
        return Settled()
