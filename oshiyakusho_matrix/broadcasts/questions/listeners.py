"""What happens in the seats: ``質問:`` asks, our card comes back, a thumb or a host's sign is put under it."""

import re
from functools import partial
from typing import Final

import structlog
from sqlalchemy import select

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.broadcasts.domain import ON
from oshiyakusho_matrix.broadcasts.questions.commands import LONGEST
from oshiyakusho_matrix.broadcasts.questions.domain import SIGNS, VOTE, Move
from oshiyakusho_matrix.broadcasts.questions.service import Questions
from oshiyakusho_matrix.broadcasts.questions.tables import talk_question_post
from oshiyakusho_matrix.broadcasts.questions.words import taken
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.broadcasts.tables import talks_in
from oshiyakusho_matrix.commands.interface import Answer, Asker, AskerLookup
from oshiyakusho_matrix.commands.reading.message import addressed
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, fold, visible
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

_ASKS: Final = re.compile(r"\s*(?:質問|q(?:uestion)?)\s*[:：]\s*(?P<words>\S.*)", re.IGNORECASE | re.DOTALL)


class SeatQuestions:
    """Listener for ``m.room.message``: ``質問: …`` in the seats of a talk that is on."""

    def __init__(
        self, *, store: Store, questions: Questions, programme: Programme, outbox: Outbox, bot: UserId
    ) -> None:
        self._store, self._questions, self._programme, self._outbox = store, questions, programme, outbox
        self._bot = bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        content = event.content if event.edits is None else event.content["m.new_content"]
        said = addressed(event.type, event.state_key, event.sender, content, bot=self._bot, bot_name="")
        found = None if said is None else _ASKS.fullmatch(said.text)
        if found is None or not await self._is_seats(event.room_id):
            return None
        if event.edits is not None:
            text = visible(found["words"], limit=LONGEST)
            return partial(self._questions.correct, event_id=event.edits, text=text, by=event.sender)
        return partial(self._ask, event=event, words=found["words"])

    async def hear(self, tx: Transaction, asker: Asker, words: str) -> Answer | Text | None:
        """Take ``質問: …`` in a direct chat; None for anything else. An ``Overhear``."""
        found = _ASKS.fullmatch(words)
        if found is None:
            return None
        one, _ = await self._questions.talk_for(tx, None, room_id="")
        text = visible(found["words"], limit=LONGEST)
        return taken(await self._questions.ask(tx, one, text, by=asker.user_id, asked_as=None))

    async def _is_seats(self, room_id: str) -> bool:
        async with self._store.reading() as connection:
            if not await talks_in(connection, ON):
                return False
            house = await self._programme.house(connection)
        return room_id in {stage.seats_id for stage in house.stages.values()}

    async def _ask(self, tx: Transaction, *, event: InboundEvent, words: str) -> None:
        to = ReplyTo(event.room_id, event.event_id, "ja", None, event.sender)
        text = visible(words, limit=LONGEST)
        try:
            async with tx.connection.begin_nested():
                one, _ = await self._questions.talk_for(tx, None, room_id=event.room_id)
                await self._questions.ask(tx, one, text, by=event.sender, asked_as=to)
        except Refused as refused:
            await self._outbox.reply(tx, to, refused.text)


class CardEcho:
    """Listener for ``m.room.message``: learns the event id of a card from our own message coming back."""

    def __init__(self, *, questions: Questions, bot: UserId) -> None:
        self._questions, self._bot = questions, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        match event.content:
            case {"m.new_content": _}:
                return None
            case {"jp.oshiyakusho.question": [int(talk), int(number)]} if event.sender == self._bot:
                come = partial(self._questions.came_back, talk=talk, number=number)
                return partial(come, room_id=event.room_id, event_id=event.event_id)
        return None


class Signs:
    """Listener for ``m.reaction`` under a question: a member's vote, or a host's sign."""

    def __init__(self, *, store: Store, questions: Questions, lookup: AskerLookup, bot: UserId) -> None:
        self._store, self._questions, self._lookup, self._bot = store, questions, lookup, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        relation = event.content.get("m.relates_to")
        if event.sender == self._bot or not isinstance(relation, dict) or relation.get("rel_type") != "m.annotation":
            return None
        key, target = relation.get("key"), relation.get("event_id")
        if not isinstance(key, str) or not isinstance(target, str):
            return None
        sign = fold(key[:8])
        step = next((step for each, step in SIGNS.items() if sign == fold(each)), None)
        if step is None and not sign.startswith(VOTE):
            return None
        post = talk_question_post
        async with self._store.reading() as connection:
            query = select(post).where(post.c.event_id == target, post.c.room_id == event.room_id)
            found = (await connection.execute(query)).one_or_none()
        if found is None:
            return None
        if step is None:
            vote = partial(self._questions.vote, talk=found.talk, number=found.number)
            return partial(vote, by=event.sender, reaction=event.event_id)
        by = await self._lookup.look_up(event.sender)
        return partial(self._lead, by=by, talk=found.talk, number=found.number, step=step)

    async def _lead(self, tx: Transaction, *, by: Asker, talk: int, number: int, step: Move) -> None:
        try:
            async with tx.connection.begin_nested():
                await self._questions.lead(tx, talk, number, step, by=by)
        except Refused as refused:
            # Whoever else puts a ✅ under a question applauds; that it was answered already, all can see.
            logger.debug("a sign under a question led to nothing", reason=refused.text.msgid)


class TakenBack:
    """Listener for ``m.room.redaction``: somebody takes their thumb back, or their question."""

    def __init__(self, *, questions: Questions) -> None:
        self._questions = questions

    async def __call__(self, event: InboundEvent) -> Write | None:
        target = event.content.get("redacts")
        return partial(self._questions.take_back, by=event.sender, event_id=target) if isinstance(target, str) else None
