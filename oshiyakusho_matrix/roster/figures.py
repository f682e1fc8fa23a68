"""Members and rooms in numbers; and whether the law of the gate holds, as far as anybody has looked."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.roster.domain import HallState, Standing
from oshiyakusho_matrix.roster.tables import managed_room, member


@dataclass(frozen=True, slots=True)
class RosterFigures:
    """``rooms_made`` of ``rooms`` exist. ``outsiders`` were found in gated rooms and are not out yet, room by room.

    ``leaving`` were removed from the records and are still to be taken out of the rooms.
    """

    members: int = 0
    secretariat: int = 0
    leaving: int = 0
    rooms: int = 0
    rooms_made: int = 0
    outsiders: int = 0


async def roster_figures(connection: AsyncConnection) -> RosterFigures:
    """Count."""
    current = member.c.standing == Standing.ADMITTED
    leaving = (member.c.standing == Standing.REMOVED) & (member.c.hall == HallState.PENDING)
    people = select(
        func.count().filter(current), func.count().filter(current & member.c.secretariat), func.count().filter(leaving)
    ).select_from(member)
    rooms = select(
        func.count(), func.count(managed_room.c.room_id), func.coalesce(func.sum(managed_room.c.outsiders), 0)
    ).select_from(managed_room)
    return RosterFigures(
        *(await connection.execute(people)).one(),
        *(await connection.execute(rooms)).one(),
    )
