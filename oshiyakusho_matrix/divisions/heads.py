"""辞令: who is head 課長 of a space, from when until when. Their power in its rooms follows from these records."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.divisions.asking import ask_space
from oshiyakusho_matrix.divisions.picture import Picture, find_division
from oshiyakusho_matrix.divisions.tables import mandate, mandates
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Heads:
    """Appoints and releases heads."""

    def __init__(self, *, work: Work) -> None:
        self._work = work

    async def appoint(
        self, tx: Transaction, picture: Picture, slug: str, user_id: UserId, *, by: UserId, until: datetime | None
    ) -> list[WorkKey]:
        """Make a member head of a space. Refused if they are no member, or head already."""
        record = find_division(picture, slug)
        await self.check(tx, [user_id])
        if user_id in picture.heads(slug):
            raise Refused(say("{user} is head of {name} already.", user=user_id, name=record.space.name.ja))
        await self.write(tx, slug, user_id, by=by, until=until)
        return await ask_space(tx, self._work, picture, slug)

    async def release(self, tx: Transaction, picture: Picture, slug: str, user_id: UserId) -> list[WorkKey]:
        """End somebody's mandate in a space now. Refused if they hold none."""
        record = find_division(picture, slug)
        if user_id not in picture.heads(slug):
            raise Refused(say("{user} is not head of {name}.", user=user_id, name=record.space.name.ja))
        await self.end(tx, slug, user_id)
        return await ask_space(tx, self._work, picture, slug)

    async def end_all(self, tx: Transaction, user_id: UserId) -> list[str]:
        """End every mandate of somebody who is a member no more; return the spaces. Nothing is asked for."""
        slugs = list(dict.fromkeys(held.slug for held in await mandates(tx.connection, now(), user_id=user_id)))
        for slug in slugs:
            await self.end(tx, slug, user_id)
        return slugs

    async def check(self, tx: Transaction, users: Sequence[str]) -> None:
        """Refuse heads who are no members, and name them all."""
        current = await current_among(tx.connection, users)
        others = [user for user in dict.fromkeys(users) if user not in current]
        if len(others) == 1:
            raise Refused(
                say(
                    "{user} is not a member, so they cannot be head. Admit them first: `!member admit {user}`",
                    user=others[0],
                )
            )
        if others:
            raise Refused(
                say(
                    "Members only can be heads, and these are none: {users}. Admit them first with `!member admit`.",
                    users=", ".join(others),
                )
            )

    async def write(
        self, tx: Transaction, slug: str, user_id: UserId, *, by: UserId, until: datetime | None = None
    ) -> None:
        """Write a mandate; nothing is checked and nothing asked for."""
        values = {"slug": slug, "user_id": user_id, "office": "head", "since": now(), "until": until, "granted_by": by}
        await tx.connection.execute(insert(mandate).values(values))

    async def end(self, tx: Transaction, slug: str, user_id: UserId) -> None:
        """Write the end of a mandate; nothing is asked for."""
        await tx.connection.execute(
            update(mandate)
            .where(mandate.c.slug == slug, mandate.c.user_id == user_id, mandate.c.ended_at.is_(None))
            .values(ended_at=now())
        )
