"""Keeps one room of the city hall: makes it, undoes drift and says who caused it, keeps those out who do not belong."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import structlog
from sqlalchemy import select, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.asking import ask_everything
from oshiyakusho_matrix.divisions.comparison import compare, desire, observe
from oshiyakusho_matrix.divisions.domain import Allow
from oshiyakusho_matrix.divisions.drift import describe
from oshiyakusho_matrix.divisions.picture import Picture, take_picture
from oshiyakusho_matrix.divisions.tables import drift, title
from oshiyakusho_matrix.homeserver.interface import StateEvent
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Priority, Settled, Work
from oshiyakusho_matrix.reconcile.room_plan import Conflict, Observed, Present, PutOut, TakeOut, Unknown, drifted
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper
from oshiyakusho_matrix.roster.domain import ManagedRoom
from oshiyakusho_matrix.roster.service import Roster, note_outsiders, note_room, room_key
from oshiyakusho_matrix.roster.tables import anybody_leaving, leaving_among
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: No run takes so long, and no two processes' clocks differ by so much.
_LONG: Final = timedelta(hours=1)


class RoomController:
    """Serves ``room:ka-zaisei-soudan``."""

    kind = "room"

    def __init__(
        self,
        *,
        store: Store,
        keeper: RoomKeeper,
        work: Work,
        outbox: Outbox,
        roster: Roster,
        server_name: str,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._work = work
        self._outbox = outbox
        self._roster = roster
        self._server_name = server_name

    async def reconcile(self, name: str) -> Settled:
        """Close the difference for one room."""
        recently = now() - _LONG
        async with self._store.reading() as connection:
            picture = await take_picture(connection, server_name=self._server_name, bot=self._keeper.bot, around=name)
            leaving = await anybody_leaving(connection, since=recently)
        row, desired = picture.rooms.get(name), desire(picture, name)
        if row is None or (desired is None and row.room_id is None):
            return Settled()
        observed = await observe(self._keeper, desired, row)
        if isinstance(observed, PutOut):
            observed = await self._keeper.come_back(observed)
        if isinstance(observed, Unknown):
            raise Temporary(observed.why)
        actions = await compare(self._store, desired, row, observed, bot=self._keeper.bot)
        undone = drifted(actions)
        outside = [a.user_id for a in actions if isinstance(a, TakeOut) and _is_inside(observed, a.user_id)]
        if outside:
            await self._note_outsiders(name, len(outside))
        if undone:
            await self._note_drift(name, undone)
        made = await self._keeper.act(actions)
        if actions:
            # What was done, for the operators' log: kinds of action alone, people are not named.
            logger.info("a room was put right", room=name, actions=dict(Counter(type(a).__name__ for a in actions)))
        room_id = made or (observed.room_id if isinstance(observed, Present) else None)
        async with self._store.transaction() as tx:
            await note_outsiders(tx, name, 0)
            if room_id is not None and room_id != row.room_id:
                await self._born(tx, picture, row, room_id)
                if leaving or await self._roster.anybody_leaving(tx, since=recently):
                    # They may have come in by the address, and were sought in the rooms that the register knew.
                    await self._work.ask(tx, room_key(name), priority=Priority.GATE)
            if row.has_places:
                await self._roster.invite_again(tx, [a.user_id for a in actions if isinstance(a, TakeOut)], row.role)
            await self._report_drift(tx, picture, row, observed)
        conflicts = [a.text for a in actions if isinstance(a, Conflict)]
        if conflicts:
            raise Permanent(conflicts[0])
        return Settled(look_again=picture.next_change(row.owner.removeprefix("space:")))

    async def _note_outsiders(self, name: str, count: int) -> None:
        """Keep how many are inside who do not belong there, until they are out: for whoever watches the gate."""
        logger.warning("people are in a room where they do not belong", room=name, count=count)
        async with self._store.transaction() as tx:
            await note_outsiders(tx, name, count)

    async def _note_drift(self, name: str, undone: Sequence[StateEvent]) -> None:
        """Write down what is about to be undone, so that a crash in between does not hide who did it.

        Somebody who was just removed by the secretariat did nothing: to find them inside is no drift.
        """
        people = [event.state_key for event in undone if event.type == "m.room.member"]
        async with self._store.transaction() as tx:
            leaving = await leaving_among(tx.connection, people)
            for event in undone:
                if event.type == "m.room.member" and event.state_key in leaving:
                    continue
                known = await tx.connection.execute(select(drift).where(drift.c.event_id == event.event_id))
                if known.one_or_none() is None:
                    await tx.connection.execute(
                        drift.insert().values(
                            event_id=event.event_id,
                            alias_localpart=name,
                            event_type=event.type,
                            state_key=event.state_key,
                            sender=event.sender,
                            seen_at=now(),
                        )
                    )

    async def _born(self, tx: Transaction, picture: Picture, row: ManagedRoom, room_id: RoomId) -> None:
        """Record the id, and ask for everything that was waiting for it."""
        await note_room(tx, row.alias_localpart, room_id)
        slug = row.owner.removeprefix("space:")
        if row.key:
            above: str | None = slug
        else:
            above = picture.records[slug].space.parent
        if above is not None and above in picture.records:
            for rule in islice(picture.rules(above), 1):
                await self._work.ask(tx, room_key(picture.localpart(above, rule)), priority=Priority.SWEEP)
        if row.role == "hall":
            await ask_everything(
                tx, self._work, await take_picture(tx.connection, server_name=self._server_name, bot=self._keeper.bot)
            )
        elif not row.key:
            # Rooms restricted to their own space waited for it.
            for rule in picture.kinds[picture.records[slug].space.kind].rooms:
                if rule.allow is Allow.SPACE:
                    await self._work.ask(tx, room_key(picture.localpart(slug, rule)))
        if row.has_places:
            await self._roster.room_was_made(tx, row.role)

    async def _report_drift(self, tx: Transaction, picture: Picture, row: ManagedRoom, observed: Observed) -> None:
        pending = (
            await tx.connection.execute(
                select(drift).where(drift.c.alias_localpart == row.alias_localpart, drift.c.reported_at.is_(None))
            )
        ).all()
        for each in pending:
            sender = UserId(each.sender)
            text = describe(each.event_type, each.state_key, who=_called(observed, sender), room=_named(picture, row))
            with tx.caused_by("drift", each.event_id):
                await self._outbox.tell_secretariat(tx, text)
        if pending:
            moment: datetime = now()
            await tx.connection.execute(
                update(drift).where(drift.c.event_id.in_([p.event_id for p in pending])).values(reported_at=moment)
            )


def _is_inside(observed: Observed, user_id: UserId) -> bool:
    """Tell whether somebody is in a room, and does not only wait at its door."""
    event = observed.find("m.room.member", user_id) if isinstance(observed, Present) else None
    return event is not None and event.content.get("membership") == "join"


def _called(observed: Observed, user_id: UserId) -> Text:
    """Return somebody's name as the room shows it, before their id."""
    event = observed.find("m.room.member", user_id) if isinstance(observed, Present) else None
    name = event.content.get("displayname") if event else None
    return say("{name} ({id})", name=str(name), id=user_id) if name else say("{id}", id=user_id)


def _named(picture: Picture, row: ManagedRoom) -> str:
    found = picture.find(row.alias_localpart)
    if found is None:
        return row.alias_localpart
    return title(*found)
