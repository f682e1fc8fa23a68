"""Tables of the city hall as it was applied and changed since, and the mapping of their rows. Names are for ever."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Integer, Row, String, Table, Text, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.domain import (
    Allow,
    Audience,
    JoinRule,
    Kind,
    Lifecycle,
    Names,
    Posting,
    RoomRule,
    Space,
)
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.rows import UNREADABLE, Broken, broken_among, readable
from oshiyakusho_matrix.store.unit_of_work import Transaction

space_kind = Table(
    "space_kind",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("content", JSON, nullable=False),
)

space = Table(
    "space",
    metadata,
    Column("slug", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("parent", String(64), nullable=True, index=True),
    Column("name_ja", String(255), nullable=False),
    Column("name_en", String(255), nullable=False),
    Column("purpose_ja", Text, nullable=False),
    Column("purpose_en", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("lifecycle", String(16), nullable=False),
    # What the files said when they were last applied; empty for a space that was made by command.
    Column("declared", JSON, nullable=True),
    Column("changed_at", Moment, nullable=False),
)

#: What others changed in managed rooms and the bot undid; ``reported_at`` is empty until 事務局室 was told.
drift = Table(
    "drift",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("alias_localpart", String(255), nullable=False, index=True),
    Column("event_type", String(255), nullable=False),
    Column("state_key", String(255), nullable=False),
    Column("sender", String(255), nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("reported_at", Moment, nullable=True),
)

#: 辞令: who is head or deputy of a space, from when until when.
mandate = Table(
    "mandate",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("slug", String(64), nullable=False, index=True),
    Column("user_id", String(255), nullable=False, index=True),
    Column("office", String(16), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=True),
    Column("ended_at", Moment, nullable=True),
    Column("granted_by", String(255), nullable=False),
)


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """A space as it is on record. ``declared`` is what the files said last, None if it was made by command."""

    space: Space
    lifecycle: Lifecycle
    declared: Space | None


@dataclass(frozen=True, slots=True)
class Mandate:
    """Who holds an office (``head`` or ``deputy``) in a space. ``until`` is None for no end."""

    slug: str
    user_id: UserId
    office: str
    since: datetime
    until: datetime | None


def kind_to_json(kind: Kind) -> dict[str, Any]:
    """Return a kind as JSON values."""
    return asdict(kind)


def _rule(data: Mapping[str, Any]) -> RoomRule:
    return RoomRule(
        **{
            **data,
            "name": Names(**data["name"]),
            "topic": Names(**data["topic"]),
            "join_rule": JoinRule(data["join_rule"]),
            "allow": Allow(data["allow"]),
            "audience": Audience(data["audience"]),
            "posting": Posting(data["posting"]),
        }
    )


def kind_from_json(data: Mapping[str, Any]) -> Kind:
    """Read a kind back."""
    return Kind(data["key"], data["alias"], _rule(data["space"]), tuple(_rule(r) for r in data["rooms"]))


def space_from_json(data: Mapping[str, Any]) -> Space:
    """Read a declared space back."""
    return Space(
        **{
            **data,
            "name": Names(**data["name"]),
            "purpose": Names(**data["purpose"]),
            "heads": tuple(data["heads"]),
        }
    )


def space_to_row(record: SpaceRecord, changed_at: datetime) -> dict[str, Any]:
    """Return the column values of a record."""
    s = record.space
    return {
        "slug": s.slug,
        "kind": s.kind,
        "parent": s.parent,
        "name_ja": s.name.ja,
        "name_en": s.name.en,
        "purpose_ja": s.purpose.ja,
        "purpose_en": s.purpose.en,
        "position": s.order,
        "lifecycle": record.lifecycle,
        "declared": asdict(record.declared) if record.declared else None,
        "changed_at": changed_at,
    }


def _declared(row: Row[Any]) -> Space | None:
    """Return what the files said; None if that cannot be read: the files then speak for the space anew."""
    try:
        return space_from_json(row.declared) if row.declared else None
    except UNREADABLE:
        return None


def _record(row: Row[Any]) -> SpaceRecord:
    declared = _declared(row)
    one = Space(
        slug=row.slug,
        kind=row.kind,
        parent=row.parent,
        name=Names(row.name_ja, row.name_en),
        purpose=Names(row.purpose_ja, row.purpose_en),
        order=row.position,
        heads=declared.heads if declared else (),
    )
    return SpaceRecord(one, Lifecycle(row.lifecycle), declared)


def title(record: SpaceRecord, rule: RoomRule) -> str:
    """Return what a room is called: the Japanese name, as rooms show it."""
    return rule.name.ja.format(name=record.space.name.ja, purpose=record.space.purpose.ja)


async def spaces(connection: AsyncConnection, *, around: str | None = None) -> dict[str, SpaceRecord]:
    """Return every space on record, archived ones too, by slug.

    With ``around`` those that its rooms depend on: it, what is right above and below it, and the hall.
    """
    query = select(space).order_by(space.c.position, space.c.slug)
    if around is not None:
        above = select(space.c.parent).where(space.c.slug == around).scalar_subquery()
        near = (space.c.slug == around, space.c.slug == above, space.c.parent == around, space.c.parent.is_(None))
        query = query.where(or_(*near))
    return {each.space.slug: each for each in readable(await connection.execute(query), _record)}


async def any_space(connection: AsyncConnection) -> bool:
    """Tell whether there is any space on record that can be read."""
    async with connection.stream(select(space)) as rows:
        async for row in rows:
            if next(readable([row], _record), None) is not None:
                return True
    return False


async def kinds(connection: AsyncConnection) -> dict[str, Kind]:
    """Return the kinds that were applied last."""
    return {each.key: each for each in readable(await connection.execute(select(space_kind)), _kind)}


def _kind(row: Row[Any]) -> Kind:
    return kind_from_json(row.content)


def _whole(row: Row[Any]) -> None:
    """Read all of a space, also what can be done without."""
    _record(row)
    if row.declared:
        space_from_json(row.declared)


async def broken_records(connection: AsyncConnection) -> list[Broken]:
    """Return the rows of spaces and kinds that cannot be read."""
    return [
        *broken_among(await connection.execute(select(space)), _whole, space.name),
        *broken_among(await connection.execute(select(space_kind)), _kind, space_kind.name),
    ]


async def unreadable_spaces(connection: AsyncConnection, slugs: Collection[str]) -> set[str]:
    """Return those spaces whose record, or whose kind, cannot be read: what they should be is not known."""
    rows = (await connection.execute(select(space).where(space.c.slug.in_(slugs)))).all()
    known = await kinds(connection)
    return {each.row for each in broken_among(rows, _record, space.name)} | {
        row.slug for row in rows if row.kind not in known
    }


async def mandates(
    connection: AsyncConnection, at: datetime, *, slug: str | None = None, user_id: str | None = None
) -> Sequence[Mandate]:
    """Return the mandates in force at a moment."""
    query = (
        select(mandate)
        .where(mandate.c.ended_at.is_(None), mandate.c.since <= at)
        .where((mandate.c.until.is_(None)) | (mandate.c.until > at))
        .order_by(mandate.c.id)
    )
    if slug is not None:
        query = query.where(mandate.c.slug == slug)
    if user_id is not None:
        query = query.where(mandate.c.user_id == user_id)
    return [
        Mandate(row.slug, UserId(row.user_id), row.office, row.since, row.until)
        for row in await connection.execute(query)
    ]


async def forget_drift(tx: Transaction, before: datetime) -> None:
    """Forget what was undone and told of ``before``."""
    await tx.connection.execute(delete(drift).where(drift.c.reported_at < before))
