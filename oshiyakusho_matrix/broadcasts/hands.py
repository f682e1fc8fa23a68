"""Who comes to a talk: they put their hand up ✋ under its announcement, and are reminded and told of every change."""

from sqlalchemy import delete

from oshiyakusho_matrix.broadcasts.domain import PUBLIC
from oshiyakusho_matrix.broadcasts.tables import find_talk, talk_interest
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


async def put_up(tx: Transaction, number: int, user_id: UserId, reaction: str) -> None:
    """Note that a member comes to a talk, by which event they said so. Nothing if it is over."""
    one = await find_talk(tx.connection, number)
    if one is None or one.state not in PUBLIC or user_id not in await current_among(tx.connection, [user_id]):
        return
    values = {"number": number, "user_id": user_id, "reaction": reaction, "since": now()}
    row = upsert(tx.connection, talk_interest).values(values)
    await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["number", "user_id"]))


async def take_down(tx: Transaction, user_id: UserId, reaction: str) -> None:
    """Note that somebody comes no more, who took back the reaction by which they said so."""
    theirs = (talk_interest.c.reaction == reaction, talk_interest.c.user_id == user_id)
    await tx.connection.execute(delete(talk_interest).where(*theirs))


async def take_all_down(tx: Transaction, user_id: UserId) -> None:
    """Forget where somebody comes to, who is no member any more."""
    await tx.connection.execute(delete(talk_interest).where(talk_interest.c.user_id == user_id))
