"""The divisions that can be entered, for those who lead people to them: see ``roster.entrances``."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import RoomAlias, RoomId
from oshiyakusho_matrix.divisions.domain import BROADCASTS, DIVISION, GROUP, HALL, Lifecycle
from oshiyakusho_matrix.divisions.tables import space
from oshiyakusho_matrix.roster.entrances import Entrance
from oshiyakusho_matrix.roster.tables import managed_room


async def entrances(connection: AsyncConnection, *, server_name: str) -> Sequence[Entrance]:
    """Return the active divisions and circles whose spaces exist, in the order of the hall."""
    group = space.alias("above")
    query = (
        select(
            space.c.slug, space.c.kind, space.c.parent, space.c.name_ja, space.c.name_en,
            managed_room.c.key, managed_room.c.alias_localpart, managed_room.c.room_id,
        )
        .join(managed_room, managed_room.c.owner == literal("space:") + space.c.slug)
        .outerjoin(group, group.c.slug == space.c.parent)
        .where(
            space.c.kind.not_in([HALL, GROUP, BROADCASTS]),
            space.c.lifecycle == Lifecycle.ACTIVE,
            managed_room.c.room_id.is_not(None),
        )
        .order_by(group.c.position, space.c.parent, space.c.position, space.c.slug, managed_room.c.key)
    )  # fmt: skip
    rows = (await connection.execute(query)).all()
    rooms = defaultdict[str, set[RoomId]](set)
    for row in rows:
        rooms[row.slug].add(RoomId(row.room_id))
    return [
        Entrance(
            slug=row.slug,
            group=row.parent or "",
            circle=row.kind != DIVISION,
            ja=row.name_ja,
            en=row.name_en,
            alias=RoomAlias(f"#{row.alias_localpart}:{server_name}"),
            room_id=RoomId(row.room_id),
            rooms=frozenset(rooms[row.slug]),
        )
        for row in rows
        if not row.key
    ]
