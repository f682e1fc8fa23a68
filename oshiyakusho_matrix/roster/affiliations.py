"""Where members serve: what was verified when they were admitted, and the badge that others see of it.

Kept by the registration desk; read by whatever shows people to others. No name, no address: members know each other by
what they call themselves, and the badge says which body vouches for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.roster.tables import affiliation
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Affiliation:
    """Which body a member serves, as verified. ``prefecture`` is the two digits of JIS X 0401, None for national ones.

    ``reference`` is the application by which it was verified.
    """

    user_id: UserId
    organisation: str | None
    organisation_name: str
    prefecture: str | None
    reference: str
    verified_at: datetime

    def badge(self) -> Text:
        """Return what others see."""
        return say(
            "✔ {organisation} (verified {date})",
            organisation=self.organisation_name,
            date=f"{self.verified_at.astimezone(JST):%Y-%m-%d}",
        )


async def affiliate(tx: Transaction, one: Affiliation) -> None:
    """Keep where a member serves; a new body takes the place of the one before."""
    values = {
        "user_id": one.user_id,
        "organisation": one.organisation,
        "organisation_name": one.organisation_name,
        "prefecture": one.prefecture,
        "reference": one.reference,
        "verified_at": one.verified_at,
    }
    written = upsert(tx.connection, affiliation).values(values)
    await tx.connection.execute(written.on_conflict_do_update(index_elements=[affiliation.c.user_id], set_=values))


async def end_affiliation(tx: Transaction, user_id: UserId) -> None:
    """Forget where somebody served who is a member no more."""
    await tx.connection.execute(delete(affiliation).where(affiliation.c.user_id == user_id))


async def affiliations(connection: AsyncConnection, users: Iterable[str]) -> dict[UserId, Affiliation]:
    """Return where these people serve, as far as it was verified."""
    rows = await connection.execute(select(affiliation).where(affiliation.c.user_id.in_(list(users))))
    return {
        UserId(row.user_id): Affiliation(
            user_id=UserId(row.user_id),
            organisation=row.organisation,
            organisation_name=row.organisation_name,
            prefecture=row.prefecture,
            reference=row.reference,
            verified_at=row.verified_at,
        )
        for row in rows
    }
