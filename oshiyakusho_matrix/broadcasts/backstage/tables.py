"""Backstage rooms, and guests with a Matrix account. Names are for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, Text, false, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``closes_at``: set when the talk is over. ``closed``: everybody has been taken out.
talk_backstage = Table(
    "talk_backstage",
    metadata,
    Column("talk", ForeignKey("talk.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("room_id", String(255), nullable=True, unique=True),
    Column("closes_at", Moment, nullable=True),
    Column("closed", Boolean, nullable=False, server_default=false()),
)

#: Who comes to speak and has a Matrix account, on any homeserver; ``name`` is what the audience reads.
#: ``owed``: an invitation that has not gone out yet. Whoever leaves is left in peace until somebody invites them again.
talk_guest = Table(
    "talk_guest",
    metadata,
    Column("talk", ForeignKey("talk.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("user_id", String(255), primary_key=True),
    Column("name", Text, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("invited_by", String(255), nullable=False),
    Column("invited_at", Moment, nullable=False),
)


#: When somebody last gave a sign of life backstage.
talk_presence = Table(
    "talk_presence",
    metadata,
    Column("talk", ForeignKey("talk.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("user_id", String(255), primary_key=True),
    Column("seen_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Backstage:
    """The room of one talk. ``room_id`` is None while it is not made."""

    room_id: RoomId | None
    closes_at: datetime | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who comes to speak, and the name under which they do."""

    user_id: UserId
    name: str
    owed: bool = True


async def find_backstage(connection: AsyncConnection, talk: int) -> Backstage | None:
    """Return the backstage of a talk."""
    row = (await connection.execute(select(talk_backstage).where(talk_backstage.c.talk == talk))).one_or_none()
    if row is None:
        return None
    return Backstage(None if row.room_id is None else RoomId(row.room_id), row.closes_at, row.closed)


async def open_backstage(connection: AsyncConnection, talk: int) -> RoomId | None:
    """Return the backstage room of a talk, if it is made and not closed."""
    found = await find_backstage(connection, talk)
    return None if found is None or found.closed else found.room_id


async def is_backstage(connection: AsyncConnection, room_id: RoomId) -> bool:
    """Tell whether a room is a backstage that is not closed."""
    this = (talk_backstage.c.room_id == room_id, ~talk_backstage.c.closed)
    return (await connection.execute(select(talk_backstage.c.talk).where(*this))).one_or_none() is not None


async def open_backstages(connection: AsyncConnection) -> Sequence[str]:
    """Return the backstage rooms that are not closed."""
    query = select(talk_backstage.c.room_id).where(talk_backstage.c.room_id.is_not(None), ~talk_backstage.c.closed)
    return (await connection.execute(query)).scalars().all()


async def seen_backstage(connection: AsyncConnection, talk: int) -> Mapping[UserId, datetime]:
    """Return when people last gave a sign of life backstage."""
    rows = await connection.execute(select(talk_presence).where(talk_presence.c.talk == talk))
    return {UserId(row.user_id): row.seen_at for row in rows}


async def guests_of(connection: AsyncConnection, talk: int) -> Sequence[Guest]:
    """Return the guests of a talk, in the order in which they were invited."""
    query = select(talk_guest).where(talk_guest.c.talk == talk).order_by(talk_guest.c.invited_at, talk_guest.c.user_id)
    return [Guest(UserId(row.user_id), row.name, row.owed) for row in await connection.execute(query)]
