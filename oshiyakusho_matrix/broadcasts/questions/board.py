"""The list of questions backstage: one message, edited when it should say something else, once a second at most.

Serves ``questions:12``. Whatever happens to a question or a vote asks for it a second later; asked again meanwhile it
keeps that moment, so 2,000 votes in ten seconds are ten edits.
"""

import hashlib
import json
from datetime import timedelta
from typing import Final

from sqlalchemy import insert, update

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.broadcasts.backstage.tables import open_backstage
from oshiyakusho_matrix.broadcasts.questions.tables import find_board, questions_of, talk_board
from oshiyakusho_matrix.broadcasts.questions.words import list_of
from oshiyakusho_matrix.broadcasts.tables import find_talk
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import to_json
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Settled, Work, WorkKey
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

KIND: Final = "questions"
#: The key in the content of the list; its value is the number of the talk.
CONTENT_KEY: Final = "jp.oshiyakusho.questions"
#: How often it is edited at most: once a second, and a little for what sending takes now more and now less.
_EVERY: Final = timedelta(seconds=1.1)


def board_key(number: int) -> WorkKey:
    """Return the key of a talk's list of questions."""
    return WorkKey(KIND, str(number))


async def ask_for_board(tx: Transaction, work: Work, number: int) -> None:
    """Have the list brought up to date, in a second."""
    await work.ask(tx, board_key(number), due=now() + _EVERY)


class BoardController:
    """Writes the list, and has it say what is so."""

    kind = KIND

    def __init__(self, *, store: Store, outbox: Outbox) -> None:
        self._store, self._outbox = store, outbox

    async def reconcile(self, name: str) -> Settled:
        """Close the difference for one talk."""
        number = int(name)
        async with self._store.transaction() as tx:
            one, room_id = await find_talk(tx.connection, number), await open_backstage(tx.connection, number)
            questions = await questions_of(tx.connection, number)
            if one is None or room_id is None or not questions:
                return Settled()
            board = await find_board(tx.connection, number)
            text = list_of(one, questions)
            says = hashlib.sha256(json.dumps(to_json(text)).encode()).hexdigest()
            if board is None:
                with tx.caused_by("questions", name, room_id):
                    await self._outbox.post(tx, room_id, text, extra={CONTENT_KEY: number})
                await tx.connection.execute(insert(talk_board).values(talk=number, says=says, edits=0))
            elif board.event_id is not None and board.says != says:
                with tx.caused_by("questions", name, room_id, str(board.edits + 1)):
                    await self._outbox.edit(tx, room_id, board.event_id, text)
                now_says = {"says": says, "edits": board.edits + 1}
                await tx.connection.execute(update(talk_board).where(talk_board.c.talk == number).values(now_says))
        return Settled()


class BoardEcho:
    """Listener for ``m.room.message``: learns the event id of the list from our own message coming back."""

    def __init__(self, *, work: Work, bot: UserId) -> None:
        self._work, self._bot = work, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        number = event.content.get(CONTENT_KEY)
        if event.sender != self._bot or event.state_key is not None or not isinstance(number, int):
            return None

        async def write(tx: Transaction) -> None:
            this = (talk_board.c.talk == number, talk_board.c.event_id.is_(None))
            await tx.connection.execute(update(talk_board).where(*this).values(event_id=event.event_id))
            await ask_for_board(tx, self._work, number)

        return write
