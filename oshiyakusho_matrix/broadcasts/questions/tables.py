"""Questions, our messages that show them, votes, and the host's list; the mapping of their rows. Names are for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.broadcasts.questions.domain import Asked, Question
from oshiyakusho_matrix.core.ids import EventId, UserId
from oshiyakusho_matrix.roster.domain import Standing
from oshiyakusho_matrix.roster.tables import member
from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``number`` counts within its talk. ``merged_into``: the question that counts its votes.
talk_question = Table(
    "talk_question",
    metadata,
    Column("talk", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("asker", String(255), nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("merged_into", Integer, nullable=True),
    Column("asked_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    ForeignKeyConstraint(["talk"], ["talk.number"], ondelete="CASCADE"),
)

#: Messages under which 👍 are votes: ours that shows a question, and the one by which it was asked.
talk_question_post = Table(
    "talk_question_post",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("room_id", String(255), nullable=False),
    Column("talk", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("ours", Boolean, nullable=False),
    ForeignKeyConstraint(["talk", "number"], ["talk_question.talk", "talk_question.number"], ondelete="CASCADE"),
    Index(None, "talk", "number"),
)

#: Who pressed 👍, by reaction: taken back one by one, counted by person.
talk_vote = Table(
    "talk_vote",
    metadata,
    Column("reaction", String(255), primary_key=True),
    Column("talk", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("user_id", String(255), nullable=False),
    ForeignKeyConstraint(["talk", "number"], ["talk_question.talk", "talk_question.number"], ondelete="CASCADE"),
    Index(None, "talk", "number"),
)

#: Our one message backstage that lists the questions: what it says by now (a digest), and how often it was edited.
talk_board = Table(
    "talk_board",
    metadata,
    Column("talk", ForeignKey("talk.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("event_id", String(255), nullable=True),
    Column("says", String(64), nullable=False),
    Column("edits", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Board:
    """The list of questions. ``event_id`` is None until it has come back to us."""

    event_id: EventId | None
    says: str
    edits: int


def _read(row: Row[Any], votes: int) -> Asked:
    return Asked(
        talk=row.talk,
        number=row.number,
        state=Question(row.state),
        text=row.text,
        asker=UserId(row.asker),
        anonymous=row.anonymous,
        asked_at=row.asked_at,
        into=row.merged_into,
        votes=votes,
    )


async def questions_of(connection: AsyncConnection, number: int) -> Sequence[Asked]:
    """Return the questions of a talk with their votes, in the order in which they were asked."""
    rows = (await connection.execute(_of(number).order_by(talk_question.c.number))).all()
    votes = await _votes(connection, number)
    return [_read(row, votes.get(row.number, 0)) for row in rows]


async def find_question(connection: AsyncConnection, number: int, question: int) -> Asked | None:
    """Return one question of a talk."""
    row = (await connection.execute(_of(number).where(talk_question.c.number == question))).one_or_none()
    return None if row is None else _read(row, (await _votes(connection, number)).get(question, 0))


def _of(number: int) -> Any:
    return select(talk_question).where(talk_question.c.talk == number)


async def _votes(connection: AsyncConnection, number: int) -> Mapping[int, int]:
    """Count the members who voted, for the question that theirs was merged into, if it was."""
    counted = func.coalesce(talk_question.c.merged_into, talk_question.c.number)
    question = (talk_question.c.talk == talk_vote.c.talk) & (talk_question.c.number == talk_vote.c.number)
    query = (
        select(counted, func.count(func.distinct(talk_vote.c.user_id)))
        .select_from(talk_vote)
        .join(talk_question, question)
        .join(member, member.c.user_id == talk_vote.c.user_id)
        .where(talk_vote.c.talk == number, member.c.standing == Standing.ADMITTED)
        .group_by(counted)
    )
    return {row[0]: row[1] for row in await connection.execute(query)}


async def find_board(connection: AsyncConnection, talk: int) -> Board | None:
    """Return the list of questions of a talk."""
    row = (await connection.execute(select(talk_board).where(talk_board.c.talk == talk))).one_or_none()
    return None if row is None else Board(None if row.event_id is None else EventId(row.event_id), row.says, row.edits)
