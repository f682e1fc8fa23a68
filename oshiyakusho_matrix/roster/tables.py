"""Tables of the roster and the mapping of their rows. Names are for ever."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, Row, String, Table, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.roster.domain import HallState, ManagedRoom, Member, Standing
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.rows import Broken, broken_among, readable

member = Table(
    "member",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("standing", String(16), nullable=False),
    Column("secretariat", Boolean, nullable=False),
    Column("hall", String(16), nullable=False),
    Column("office", String(16), nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", String(255), nullable=False),
    # Few among many are looked for: the secretariat, and those who are to be taken out.
    Index(None, "secretariat"),
    Index(None, "standing", "hall"),
    Index(None, "standing", "changed_at"),
)

managed_room = Table(
    "managed_room",
    metadata,
    Column("alias_localpart", String(255), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("audience", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("room_id", String(255), nullable=True, unique=True),
    # How many people were last found inside who do not belong there, and are not out yet.
    Column("outsiders", Integer, nullable=False, server_default="0"),
    Index("ix_managed_room_owner", "owner"),
    Index(None, "role"),
)

#: Where a member serves, as it was verified; see ``affiliations``.
affiliation = Table(
    "affiliation",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("organisation", String(32)),
    Column("organisation_name", String(255), nullable=False),
    Column("prefecture", String(2)),
    Column("reference", String(16), nullable=False),
    Column("verified_at", Moment, nullable=False),
    Index(None, "organisation"),
)

#: Who has the word on a stage now: see ``stages``.
speaker = Table(
    "speaker",
    metadata,
    Column("alias_localpart", String(255), primary_key=True),
    Column("user_id", String(255), primary_key=True),
)

#: For those who are looked up by id. Nearly everybody is admitted, so an index on it would find them all, which SQLite
#: does not know: an expression that is no bare column is looked up by none.
_ADMITTED = member.c.standing + "" == Standing.ADMITTED

#: What a room of the register can be.
AUDIENCES, ROLES = ("members", "secretariat", "nobody", "anyone"), ("", "hall", "office", "porch")


def _member(row: Row[Any]) -> Member:
    if not _is_user_id(row.user_id):
        raise ValueError("not a Matrix user id")
    return Member(
        user_id=UserId(row.user_id),
        standing=Standing(row.standing),
        secretariat=row.secretariat,
        hall=HallState(row.hall),
        office=HallState(row.office),
        changed_at=row.changed_at,
        changed_by=UserId(row.changed_by),
    )


def _is_user_id(text: str) -> bool:
    return text.startswith("@") and ":" in text[1:] and " " not in text


def _managed_room(row: Row[Any]) -> ManagedRoom:
    return ManagedRoom(
        row.alias_localpart, row.owner, row.key, row.audience, row.role, RoomId(row.room_id) if row.room_id else None
    )


def _check_room(row: Row[Any]) -> None:
    """Raise ``ValueError`` for what no room can be. Such a room is kept closed all the same: see ``ManagedRoom``."""
    for value, known in ((row.audience, AUDIENCES), (row.role, ROLES)):
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(filter(None, known))}")


async def find_member(connection: AsyncConnection, user_id: str) -> Member | None:
    """Return somebody's record, if there is one that can be read."""
    rows = await connection.execute(select(member).where(member.c.user_id == user_id))
    return next(readable(rows, _member), None)


async def members(connection: AsyncConnection, *, secretariat: bool | None = None) -> Sequence[Member]:
    """Return the current members, or only those of the secretariat."""
    query = select(member).where(member.c.standing == Standing.ADMITTED).order_by(member.c.user_id)
    if secretariat is not None:
        query = query.where(member.c.secretariat == secretariat)
    return list(readable(await connection.execute(query), _member))


async def unreadable_among(connection: AsyncConnection, users: Iterable[str]) -> set[UserId]:
    """Return those of ``users`` whose record is there and cannot be read: whether they are members is not known."""
    found = set[UserId]()
    for some in _in_batches(users):
        rows = await connection.execute(select(member).where(member.c.user_id.in_(some)))
        found |= {UserId(each.row) for each in broken_among(rows, _member, member.name)}
    return found


async def broken_records(connection: AsyncConnection) -> list[Broken]:
    """Return the rows of members and rooms that cannot be read. The database looks through them, not we."""
    people = select(member).where(
        or_(
            member.c.standing.not_in(list(Standing)),
            member.c.hall.not_in(list(HallState)),
            member.c.office.not_in(list(HallState)),
            member.c.user_id.not_like("@%:%"),
            member.c.user_id.like("% %"),
        )
    )
    rooms = select(managed_room).where(
        or_(managed_room.c.audience.not_in(AUDIENCES), managed_room.c.role.not_in(ROLES))
    )
    return [
        *broken_among(await connection.execute(people), _member, member.name),
        *broken_among(await connection.execute(rooms), _check_room, managed_room.name),
    ]


async def current_among(connection: AsyncConnection, users: Iterable[str]) -> dict[UserId, Member]:
    """Return those of ``users`` who are current members, by id."""
    found = dict[UserId, Member]()
    for some in _in_batches(users):
        query = select(member).where(member.c.user_id.in_(some), _ADMITTED)
        found |= {each.user_id: each for each in readable(await connection.execute(query), _member)}
    return found


async def admitted_among(connection: AsyncConnection, users: Iterable[str], *, secretariat: bool) -> set[UserId]:
    """Return those of ``users`` who are admitted, or to the secretariat at that; their records are not read."""
    found = set[UserId]()
    for some in _in_batches(users):
        query = select(member.c.user_id).where(member.c.user_id.in_(some), _ADMITTED)
        if secretariat:
            query = query.where(member.c.secretariat)
        found |= {UserId(user_id) for user_id in (await connection.execute(query)).scalars()}
    return found


def _in_batches(users: Iterable[str]) -> Iterator[Sequence[str]]:
    """SQLite allows 32,766 parameters a statement, PostgreSQL 65,535."""
    wanted = list(users)
    for start in range(0, len(wanted), 10_000):
        yield wanted[start : start + 10_000]


async def leaving_among(connection: AsyncConnection, users: Iterable[str]) -> set[UserId]:
    """Return those of ``users`` who are still to be taken out by our own doing: that they are inside is no news.

    They were removed, or have left the secretariat.
    """
    removed = and_(member.c.standing == Standing.REMOVED, member.c.hall == HallState.PENDING)
    released = and_(~member.c.secretariat, member.c.office == HallState.PENDING)
    found = await connection.execute(
        select(member.c.user_id).where(member.c.user_id.in_(list(users)), or_(removed, released))
    )
    return {UserId(user_id) for user_id in found.scalars()}


async def managed_rooms(
    connection: AsyncConnection, *, owners: Collection[str] | None = None, in_roles: bool = False
) -> Sequence[ManagedRoom]:
    """Return the register of rooms, or those of some owners (``space:zaisei``), or only those in a role."""
    query = select(managed_room).order_by(managed_room.c.alias_localpart)
    if owners is not None:
        query = query.where(managed_room.c.owner.in_(owners))
    if in_roles:
        query = query.where(managed_room.c.role.in_([role for role in ROLES if role]))
    return [_managed_room(row) for row in await connection.execute(query)]


async def find_managed_room(
    connection: AsyncConnection, *, alias_localpart: str | None = None, room_id: str | None = None
) -> ManagedRoom | None:
    """Return one room of the register, by its name or by its id."""
    column, value = (
        (managed_room.c.alias_localpart, alias_localpart) if room_id is None else (managed_room.c.room_id, room_id)
    )
    row = (await connection.execute(select(managed_room).where(column == value))).one_or_none()
    return _managed_room(row) if row else None


async def rooms_by_id(connection: AsyncConnection, room_ids: Collection[str]) -> Sequence[ManagedRoom]:
    """Return those rooms of the register."""
    found = list[ManagedRoom]()
    for some in _in_batches(room_ids):
        query = select(managed_room).where(managed_room.c.room_id.in_(some))
        found += [_managed_room(row) for row in await connection.execute(query)]
    return found


async def room_in_role(connection: AsyncConnection, role: str) -> ManagedRoom | None:
    """Return the room that is the ``hall``, the ``office`` or the ``porch``."""
    row = (await connection.execute(select(managed_room).where(managed_room.c.role == role))).one_or_none()
    return _managed_room(row) if row else None


async def anybody_leaving(connection: AsyncConnection, *, since: datetime) -> bool:
    """Tell whether anybody was removed since a moment, or is still to be taken out since before."""
    # Two questions, each answered by an index: one with "or" would look through everybody who was ever removed.
    for unfinished in (member.c.changed_at >= since, member.c.hall == HallState.PENDING):
        query = select(member.c.user_id).where(member.c.standing == Standing.REMOVED, unfinished).limit(1)
        if await connection.scalar(query) is not None:
            return True
    return False
