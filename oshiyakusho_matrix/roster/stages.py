"""What other capabilities may know of stages: where talks are given, where their audience sits, who has the word.

``divisions.stages`` reads stages and newsrooms from the declared city hall; ``app`` hands that to whoever gives talks.
Who has the word on a stage is on record here, and the rooms' controller makes power levels of it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.reconcile.interface import Priority, Work, WorkKey
from oshiyakusho_matrix.roster.service import room_key
from oshiyakusho_matrix.roster.tables import current_among, speaker
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A pair of rooms: the studio 放送スタジオ, where only speakers write, and the seats 観覧席, where all do.

    ``name`` is unique in the city hall. ``studio`` is the alias localpart; ids are None while the rooms are not made.
    """

    name: str
    ja: str
    en: str
    studio: str
    studio_id: RoomId | None
    seats_id: RoomId | None

    def called(self, language: str) -> str:
        """Return what people call its studio."""
        return self.ja if language == "ja" else self.en


@dataclass(frozen=True, slots=True)
class House:
    """Where talks take place and are announced.

    ``stages`` by name, in the order of the files. ``news`` is where a space announces things, by its slug; the hall's
    is under ``hall``. ``hosts`` are the heads of the space of the stages.
    """

    hall: str
    stages: Mapping[str, Stage]
    news: Mapping[str, RoomId]
    hosts: Collection[UserId]


#: Reads it from the records.
Houses = Callable[[AsyncConnection], Awaitable[House]]


async def speakers(connection: AsyncConnection) -> Mapping[str, Collection[UserId]]:
    """Return who has the word, by the alias localpart of the studio; only members have it."""
    rows = (await connection.execute(select(speaker))).all()
    current = await current_among(connection, {row.user_id for row in rows})
    found: dict[str, set[UserId]] = {}
    for row in rows:
        if row.user_id in current:
            found.setdefault(row.alias_localpart, set()).add(UserId(row.user_id))
    return found


async def give_word(tx: Transaction, work: Work, studio: str, users: Collection[UserId]) -> Collection[WorkKey]:
    """Have these, and nobody else, write in a studio (an alias localpart). Returns the key to wait for, if any."""
    rows = await tx.connection.execute(select(speaker.c.user_id).where(speaker.c.alias_localpart == studio))
    if set(rows.scalars()) == set(users):
        return ()
    await tx.connection.execute(delete(speaker).where(speaker.c.alias_localpart == studio))
    if users:
        values = [{"alias_localpart": studio, "user_id": user_id} for user_id in sorted(users)]
        await tx.connection.execute(insert(speaker), values)
    key = room_key(studio)
    await work.ask(tx, key, priority=Priority.GATE)
    return (key,)
