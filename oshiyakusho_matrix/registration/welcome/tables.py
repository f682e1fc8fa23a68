"""The table of welcomes, and what of their application is taken into account. Names are for ever."""

from typing import Any

from sqlalchemy import JSON, Column, Row, String, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.registration.domain import State as ApplicationState
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.registration.welcome.domain import State, Welcome
from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``offers`` are the slugs of the divisions offered, in order; ``event_id`` is that of the greeting, once it came back.
welcome = Table(
    "welcome",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("reference", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("offers", JSON, nullable=False),
    Column("room_id", String(255)),
    Column("event_id", String(255)),
    Column("expected_at", Moment, nullable=False),
    Column("greeted_at", Moment),
)


def _welcome(row: Row[Any]) -> Welcome:
    return Welcome(
        user_id=UserId(row.user_id),
        reference=row.reference,
        state=State(row.state),
        offers=tuple(row.offers),
        room_id=RoomId(row.room_id) if row.room_id else None,
        event_id=EventId(row.event_id) if row.event_id else None,
        greeted_at=row.greeted_at,
    )


async def find_welcome(connection: AsyncConnection, user_id: str) -> Welcome | None:
    """Return somebody's welcome."""
    row = (await connection.execute(select(welcome).where(welcome.c.user_id == user_id))).one_or_none()
    return None if row is None else _welcome(row)


async def said_in_application(connection: AsyncConnection, user_id: str) -> tuple[tuple[str, ...], str | None]:
    """Return the interests and the language of the application by which somebody was admitted, if there is one."""
    query = (
        select(application.c.interests, application.c.language)
        .where(application.c.account == user_id, application.c.state == ApplicationState.ADMITTED)
        .order_by(application.c.changed_at.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return ((), None) if row is None else (tuple(row.interests), row.language)
