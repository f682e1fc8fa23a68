"""Finding members: by the body they serve, as far as it was verified, or by their Matrix account.

Called by ``!member find``, for members: they see of each other what the badge says, and the account.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.roster.domain import Standing
from oshiyakusho_matrix.roster.organisations import Organisations
from oshiyakusho_matrix.roster.tables import affiliation, member

#: How many are shown.
SHOWN: Final = 20
#: More bodies than there are.
_ALL: Final = 5000


async def find_members(connection: AsyncConnection, organisations: Organisations, words: str) -> Text:
    """Return the current members whom ``words`` fit, by the codes of their bodies; those without one come last."""
    fits = or_(_by_body(organisations, words), *_by_text(words))
    here = affiliation.c
    query = (
        select(member.c.user_id, here.organisation_name, here.verified_at)
        .outerjoin(affiliation, here.user_id == member.c.user_id)
        .where(member.c.standing == Standing.ADMITTED, fits)
        .order_by(here.organisation.is_(None), here.organisation, here.organisation_name, member.c.user_id)
        .limit(SHOWN + 1)
    )
    rows = (await connection.execute(query)).all()
    if not rows:
        return say("I found no member for “{words}”.", words=words)
    lines = [
        say("- {user}: nothing verified", user=row.user_id)
        if row.verified_at is None
        else say(
            "- {user}: ✔ {organisation} (verified {month})",
            user=row.user_id,
            organisation=row.organisation_name,
            month=f"{row.verified_at.astimezone(JST):%Y-%m}",
        )
        for row in rows[:SHOWN]
    ]
    if len(rows) > SHOWN:
        lines.append(say("There are more. Add a prefecture or another word to find fewer."))
    return say("Members for “{words}”:", *lines, words=words)


def _by_body(organisations: Organisations, words: str) -> ColumnElement[bool]:
    codes: Sequence[str] = [each.code for each in organisations.search(words, limit=_ALL)]
    return affiliation.c.organisation.in_(codes) if codes else false()


def _by_text(words: str) -> list[ColumnElement[bool]]:
    """Return what finds accounts, and bodies that are not in the list, by a part of what they are called."""
    called = func.lower(affiliation.c.organisation_name)
    as_written, folded = words.strip().lower(), fold(words)
    return [
        func.lower(member.c.user_id).contains(folded, autoescape=True),
        called.contains(as_written, autoescape=True),
        called.contains(folded, autoescape=True),
    ]
