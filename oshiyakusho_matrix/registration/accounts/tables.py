"""The table of offers. Names are for ever."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``sealed`` is the token, which follows from reference and number. ``made_at`` is when the homeserver had it for sure,
#: ``taken_at`` when it was seen to have been used.
account_offer = Table(
    "account_offer",
    metadata,
    Column("reference", String(16), ForeignKey("application.reference", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("made_at", Moment),
    Column("taken_at", Moment),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRow:
    """What is recorded of an application's offer."""

    number: int
    sealed: bytes
    expires_at: datetime
    made_at: datetime | None
    taken_at: datetime | None


async def find_offer(connection: AsyncConnection, reference: str, *, lock: bool = False) -> OfferRow | None:
    """Return an application's offer. ``lock``: until the transaction ends, nobody else changes it."""
    query: Any = select(account_offer).where(account_offer.c.reference == reference)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        return None
    return OfferRow(
        number=row.number,
        sealed=row.sealed,
        expires_at=row.expires_at,
        made_at=row.made_at,
        taken_at=row.taken_at,
    )
