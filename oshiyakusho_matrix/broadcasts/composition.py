"""Puts the broadcasts together for ``app``: their commands, listeners and controllers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.broadcasts.backstage.checkin import SignsOfLife
from oshiyakusho_matrix.broadcasts.backstage.commands import guest_commands
from oshiyakusho_matrix.broadcasts.backstage.controller import BackstageController
from oshiyakusho_matrix.broadcasts.backstage.service import Guests
from oshiyakusho_matrix.broadcasts.backstage.tables import open_backstages
from oshiyakusho_matrix.broadcasts.commands import talk_commands
from oshiyakusho_matrix.broadcasts.controller import TalkController
from oshiyakusho_matrix.broadcasts.domain import ON
from oshiyakusho_matrix.broadcasts.hands import take_all_down
from oshiyakusho_matrix.broadcasts.listeners import AnnouncementEcho, Hands, hands_taken_down
from oshiyakusho_matrix.broadcasts.questions.board import BoardController, BoardEcho
from oshiyakusho_matrix.broadcasts.questions.commands import question_commands
from oshiyakusho_matrix.broadcasts.questions.listeners import CardEcho, SeatQuestions, Signs, TakenBack
from oshiyakusho_matrix.broadcasts.questions.service import Questions
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.broadcasts.tables import announced_in, talks_in
from oshiyakusho_matrix.broadcasts.telling import Telling
from oshiyakusho_matrix.commands.interface import AskerLookup, Command
from oshiyakusho_matrix.core.ids import UserId, server_of
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Controller, Work
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper, Rooms
from oshiyakusho_matrix.roster.events import Happened, MemberRemoved
from oshiyakusho_matrix.roster.stages import Houses
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


class Broadcasts:
    """The capability with its ways in. ``house`` reads where talks take place; links lead to ``live_hosts`` alone."""

    commands: tuple[Command[Any], ...]
    listeners: Mapping[str, Sequence[Listener]]
    controllers: tuple[Controller, ...]

    def __init__(
        self,
        *,
        store: Store,
        work: Work,
        outbox: Outbox,
        house: Houses,
        lookup: AskerLookup,
        keeper: RoomKeeper,
        rooms: Rooms,
        bot: UserId,
        live_hosts: Collection[str],
    ) -> None:
        programme = Programme(work=work, telling=Telling(outbox), house=house, live_hosts=live_hosts)
        questions = Questions(programme=programme, work=work, outbox=outbox)
        guests = Guests(programme=programme, work=work)
        self._house = house
        self._asked = SeatQuestions(store=store, questions=questions, programme=programme, outbox=outbox, bot=bot)
        self.hear = self._asked.hear
        self.commands = (
            *talk_commands(programme),
            *question_commands(questions, programme),
            *guest_commands(guests, programme),
        )
        signs_of_life = SignsOfLife(store=store, bot=bot)
        self.listeners = {
            "m.room.message": (
                AnnouncementEcho(programme=programme, bot=bot),
                CardEcho(questions=questions, bot=bot),
                BoardEcho(work=work, bot=bot),
                self._asked,
                signs_of_life,
            ),
            "m.reaction": (
                Hands(store=store, bot=bot),
                Signs(store=store, questions=questions, lookup=lookup, bot=bot),
                signs_of_life,
            ),
            "m.room.redaction": (hands_taken_down, TakenBack(questions=questions)),
        }
        self.controllers = (
            TalkController(store=store, work=work, programme=programme),
            BoardController(store=store, outbox=outbox),
            BackstageController(
                store=store, work=work, outbox=outbox, keeper=keeper, rooms=rooms, server_name=server_of(bot)
            ),
        )

    async def attentive(self, connection: AsyncConnection) -> Collection[str]:
        """Return where a reaction may be a hand or a vote: announcements of talks to come, seats; backstage."""
        rooms = {*await announced_in(connection), *await open_backstages(connection)}
        if await talks_in(connection, ON):
            house = await self._house(connection)
            rooms |= {stage.seats_id for stage in house.stages.values() if stage.seats_id is not None}
        return rooms

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """Forget where those come to who are members no more."""
        if isinstance(happened, MemberRemoved):
            await take_all_down(tx, happened.user_id)
