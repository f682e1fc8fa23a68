"""Members, written down anew from who is in the hall and in 事務局室, when the database was lost.

Called by ``operations.rebuild``. The law of the gate is what makes it possible: whoever is in the hall was a member.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import insert

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import GHOST_PREFIX, UserId, server_of
from oshiyakusho_matrix.roster.domain import HallState, Standing
from oshiyakusho_matrix.roster.tables import member
from oshiyakusho_matrix.store.unit_of_work import Transaction

_BATCH: Final = 1000


async def recollect_members(
    tx: Transaction, *, hall: Mapping[UserId, str], office: Mapping[UserId, str], bot: UserId
) -> int:
    """Make everybody who is joined in either room a member, those in 事務局室 secretaries; return how many.

    Whoever was only invited is not: nobody knows any more whether they would have come in time.
    """
    at = now()
    rows = [
        {
            "user_id": user_id,
            "standing": Standing.ADMITTED,
            "secretariat": office.get(user_id) == "join",
            "hall": HallState.JOINED if hall.get(user_id) == "join" else HallState.LEFT,
            "office": HallState.JOINED if office.get(user_id) == "join" else HallState.LEFT,
            "changed_at": at,
            "changed_by": bot,
        }
        for user_id in sorted({*hall, *office})
        if "join" in (hall.get(user_id), office.get(user_id)) and not _ours(user_id, bot)
    ]
    for start in range(0, len(rows), _BATCH):
        await tx.connection.execute(insert(member), rows[start : start + _BATCH])
    return len(rows)


def _ours(user_id: UserId, bot: UserId) -> bool:
    return user_id == bot or (user_id.startswith(f"@{GHOST_PREFIX}") and server_of(user_id) == server_of(bot))
