"""Talks, who comes to them, and where they were announced; the mapping of their rows. Names are for ever."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Row, String, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.broadcasts.domain import PUBLIC, State, Talk
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``questions_minutes`` before the end questions begin, 0: none. ``version`` counts what the public was told anew.
talk = Table(
    "talk",
    metadata,
    # Given out by us: a preview that is not followed by a ✅ uses none up.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("host", String(255), nullable=False),
    Column("guests", JSON, nullable=False),
    Column("stage", String(64), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("questions_minutes", Integer, nullable=False),
    Column("live_url", Text, nullable=True),
    Column("divisions", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reminded_at", Moment, nullable=True),
    Column("created_by", String(255), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index(None, "state", "starts_at"),
)

#: Who put their hand up ✋: they are reminded, and told of every change. ``reaction`` is the event by which they did.
talk_interest = Table(
    "talk_interest",
    metadata,
    Column("number", ForeignKey("talk.number", ondelete="CASCADE"), primary_key=True),
    Column("user_id", String(255), primary_key=True),
    Column("reaction", String(255), nullable=False, index=True),
    Column("since", Moment, nullable=False),
)

#: Our own announcements, by event: a hand under one of them is for its talk.
talk_post = Table(
    "talk_post",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("room_id", String(255), nullable=False),
    Column("number", ForeignKey("talk.number", ondelete="CASCADE"), nullable=False, index=True),
)


def read_talk(row: Row[Any]) -> Talk:
    """Read a row of ``talk``."""
    return Talk(
        number=row.number,
        state=State(row.state),
        title=row.title,
        host=UserId(row.host),
        guests=tuple(row.guests),
        stage=row.stage,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        questions=timedelta(minutes=row.questions_minutes),
        live_url=row.live_url,
        divisions=tuple(row.divisions),
        version=row.version,
        reminded_at=row.reminded_at,
    )


async def find_talk(connection: AsyncConnection, number: int, *, lock: bool = False) -> Talk | None:
    """Return one talk; with ``lock`` nobody else changes it until the transaction ends."""
    query = select(talk).where(talk.c.number == number)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else read_talk(row)


async def talks_in(connection: AsyncConnection, states: Collection[State]) -> Sequence[Talk]:
    """Return the talks in some states, the next one first."""
    query = select(talk).where(talk.c.state.in_(sorted(states))).order_by(talk.c.starts_at, talk.c.number)
    return [read_talk(row) for row in await connection.execute(query)]


async def announced_in(connection: AsyncConnection) -> Collection[str]:
    """Return the rooms in which talks to come were announced."""
    query = select(talk_post.c.room_id).distinct().join(talk).where(talk.c.state.in_(sorted(PUBLIC)))
    return (await connection.execute(query)).scalars().all()


async def coming_to(connection: AsyncConnection, number: int) -> Sequence[UserId]:
    """Return who put their hand up for a talk."""
    query = select(talk_interest.c.user_id).where(talk_interest.c.number == number).order_by(talk_interest.c.since)
    return [UserId(user_id) for user_id in (await connection.execute(query)).scalars()]
