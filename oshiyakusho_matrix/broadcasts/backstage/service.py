"""Use cases of guests: invited to the backstage of one talk, and taken back. The room follows by its key."""

from typing import Final

from sqlalchemy import delete

from oshiyakusho_matrix.broadcasts.backstage.controller import backstage_key
from oshiyakusho_matrix.broadcasts.backstage.tables import Guest, guests_of, talk_guest
from oshiyakusho_matrix.broadcasts.domain import PLANNED, Talk
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.commands.interface import Asker
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: Guests of one talk.
MOST: Final = 10


class Guests:
    """Keeps who comes to speak in the talks of a programme."""

    def __init__(self, *, programme: Programme, work: Work) -> None:
        self._programme, self._work = programme, work

    async def invite(self, tx: Transaction, number: int, guest: Guest, *, by: Asker) -> tuple[Talk, WorkKey]:
        """Have somebody come backstage; once more for whoever left invites them again, and may give another name."""
        _, one = await self._programme.take_up_as_host(tx, number, by=by)
        if one.state not in PLANNED:
            raise Refused(say("Talk {number} is over, so nobody can be invited to it.", number=number))
        others = [each for each in await guests_of(tx.connection, number) if each.user_id != guest.user_id]
        if guest.user_id == one.host:
            raise Refused(say("{user} is the host of this talk, and in its backstage room anyway.", user=one.host))
        if len(others) >= MOST:
            raise Refused(say("A talk has {most} guests at most.", most=MOST))
        values = {"name": guest.name, "owed": True}
        who = {"talk": number, "user_id": guest.user_id, "invited_by": by.user_id, "invited_at": now()}
        row = upsert(tx.connection, talk_guest).values(who | values)
        await tx.connection.execute(row.on_conflict_do_update(index_elements=["talk", "user_id"], set_=values))
        await self._work.ask(tx, backstage_key(number))
        return one, backstage_key(number)

    async def take_back(self, tx: Transaction, number: int, user_id: UserId, *, by: Asker) -> tuple[Talk, WorkKey]:
        """Have somebody come no more: they are taken out of the room."""
        _, one = await self._programme.take_up_as_host(tx, number, by=by)
        this = (talk_guest.c.talk == number, talk_guest.c.user_id == user_id)
        if not (await tx.connection.execute(delete(talk_guest).where(*this))).rowcount:
            raise Refused(
                say("{user} is no guest of talk {number}. `!guest list` shows them.", user=user_id, number=number)
            )
        await self._work.ask(tx, backstage_key(number))
        return one, backstage_key(number)
