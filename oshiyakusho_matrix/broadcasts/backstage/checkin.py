"""Who of host and guests is there: asked 30 and 5 minutes before the start, and the secretariat told of who is missing.

Whatever somebody says or taps backstage is a sign of life. Called by ``BackstageController`` at its times; each thing
is said once for each start, since its id follows from that, so a start that is moved is asked about anew.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import select

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.broadcasts.backstage import words
from oshiyakusho_matrix.broadcasts.backstage.tables import seen_backstage, talk_backstage, talk_presence
from oshiyakusho_matrix.broadcasts.domain import State, Talk
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

#: How long before the start everybody is asked, and whoever has not shown up is missed.
ASKED: Final = timedelta(minutes=30)
MISSED: Final = timedelta(minutes=5)


async def check_in(
    tx: Transaction, outbox: Outbox, one: Talk, room_id: RoomId, people: Collection[UserId]
) -> datetime | None:
    """Ask or miss whoever is to be by now; return when to look again, None if there is nothing more to ask."""
    present = now()
    if one.state not in (State.ANNOUNCED, State.DOORS) or present >= one.starts_at:
        return None
    asked, missed = one.starts_at - ASKED, one.starts_at - MISSED
    if present < asked:
        return asked
    cause = ("check-in", str(one.number), one.starts_at.isoformat())
    if present < missed:
        for user_id in sorted(people):
            with tx.caused_by(*cause, "asked", user_id):
                await outbox.post(tx, room_id, words.asked(one, user_id), calls=user_id)
        return missed
    seen = await seen_backstage(tx.connection, one.number)
    missing = [user_id for user_id in sorted(people) if user_id not in seen or seen[user_id] < asked]
    for user_id in missing:
        with tx.caused_by(*cause, "missed", user_id):
            await outbox.post(tx, room_id, words.missed(one, user_id), calls=user_id)
    with tx.caused_by(*cause, "result"):
        if missing:
            await outbox.tell_secretariat(tx, words.alarm(one, missing))
        else:
            await outbox.post(tx, room_id, words.complete(one))
    return None


class SignsOfLife:
    """Listener for ``m.room.message`` and ``m.reaction`` backstage."""

    def __init__(self, *, store: Store, bot: UserId) -> None:
        self._store, self._bot = store, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        if event.sender == self._bot or event.state_key is not None:
            return None
        this = (talk_backstage.c.room_id == event.room_id, ~talk_backstage.c.closed)
        async with self._store.reading() as connection:
            number = await connection.scalar(select(talk_backstage.c.talk).where(*this))
        return None if number is None else partial(_note, number=number, user_id=event.sender, at=now() - event.age)


async def _note(tx: Transaction, *, number: int, user_id: UserId, at: datetime) -> None:
    row = upsert(tx.connection, talk_presence).values(talk=number, user_id=user_id, seen_at=at)
    await tx.connection.execute(
        row.on_conflict_do_update(index_elements=["talk", "user_id"], set_={"seen_at": row.excluded.seen_at})
    )
