"""Puts the broadcasts together for ``app``: their commands, listeners and controllers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.broadcasts.commands import talk_commands
from oshiyakusho_matrix.broadcasts.controller import TalkController
from oshiyakusho_matrix.broadcasts.hands import take_all_down
from oshiyakusho_matrix.broadcasts.listeners import AnnouncementEcho, Hands, hands_taken_down
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.broadcasts.tables import announced_in
from oshiyakusho_matrix.broadcasts.telling import Telling
from oshiyakusho_matrix.commands.interface import Command
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Controller, Work
from oshiyakusho_matrix.roster.events import Happened, MemberRemoved
from oshiyakusho_matrix.roster.stages import Houses
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


class Broadcasts:
    """The capability with its ways in. ``house`` reads where talks take place; links lead to ``live_hosts`` alone."""

    commands: tuple[Command[Any], ...]
    listeners: Mapping[str, Sequence[Listener]]
    controllers: tuple[Controller, ...]

    def __init__(
        self, *, store: Store, work: Work, outbox: Outbox, house: Houses, bot: UserId, live_hosts: Collection[str]
    ) -> None:
        programme = Programme(work=work, telling=Telling(outbox), house=house, live_hosts=live_hosts)
        self.commands = talk_commands(programme)
        self.listeners = {
            "m.room.message": (AnnouncementEcho(programme=programme, bot=bot),),
            "m.reaction": (Hands(store=store, bot=bot),),
            "m.room.redaction": (hands_taken_down,),
        }
        self.controllers = (TalkController(store=store, programme=programme),)

    @staticmethod
    async def attentive(connection: AsyncConnection) -> Collection[str]:
        """Return the rooms in which a reaction may be a hand: those where talks to come were announced."""
        return await announced_in(connection)

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """Forget where those come to who are members no more."""
        if isinstance(happened, MemberRemoved):
            await take_all_down(tx, happened.user_id)
