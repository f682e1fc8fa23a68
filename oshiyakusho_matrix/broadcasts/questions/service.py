"""Use cases of questions: ask, vote, lead. What the audience reads follows in the same commit.

Called by commands and listeners. A talk's row is locked while its questions change; votes need no lock.
"""

from typing import Final

from sqlalchemy import delete, insert, select, update

from oshiyakusho_matrix.broadcasts.domain import ON, Talk
from oshiyakusho_matrix.broadcasts.questions import words
from oshiyakusho_matrix.broadcasts.questions.board import ask_for_board
from oshiyakusho_matrix.broadcasts.questions.domain import MOST_EACH, Asked, Move, Question, move
from oshiyakusho_matrix.broadcasts.questions.tables import (
    find_question,
    questions_of,
    talk_question,
    talk_question_post,
    talk_vote,
)
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.broadcasts.tables import talks_in
from oshiyakusho_matrix.commands.interface import Asker, Role
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.reconcile.interface import Work
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: What the audience reads, it reads in Japanese.
_AUDIENCE: Final = "ja"


class Questions:
    """Takes questions for the talks of a programme."""

    def __init__(self, *, programme: Programme, work: Work, outbox: Outbox) -> None:
        self._programme, self._work, self._outbox = programme, work, outbox

    async def talk_for(self, tx: Transaction, number: int | None, *, room_id: str) -> tuple[Talk, RoomId]:
        """Return the talk that a question asked in a room is for, and its seats. ``number``: as the asker said.

        Without it that is the talk of these seats; elsewhere the only one that is on. ``Refused`` if there is none.
        """
        house = await self._programme.house(tx.connection)
        on = [each for each in await talks_in(tx.connection, ON) if each.stage in house.stages]
        here = [each for each in on if house.stages[each.stage].seats_id == room_id]
        # While the doors of the next are open, questions are for the one that is on air.
        found = [each for each in on if each.number == number] if number is not None else here[:1] or on
        if not found:
            raise Refused(say("No talk is on, so nothing can be asked. `!talk list` shows those to come."))
        if len(found) > 1:
            raise Refused(words.which(found))
        one = found[0]
        if not one.questions:
            raise Refused(say("No questions are taken in talk {number}.", number=one.number))
        seats = house.stages[one.stage].seats_id
        if seats is None:
            raise Refused(say("The seats are not there yet. Please ask again in some minutes."))
        return one, seats

    async def ask(
        self, tx: Transaction, one: Talk, text: str, *, by: UserId, anonymous: bool = False, asked_as: ReplyTo | None
    ) -> Asked:
        """Take a question, and show it in the seats: ``asked_as`` is its message there, None if asked elsewhere."""
        await self._programme.take_up(tx, one.number)
        if by not in await current_among(tx.connection, [by]):
            raise Refused(say("Only members can ask questions."))
        asked = await questions_of(tx.connection, one.number)
        theirs = [each for each in asked if each.asker == by and each.state is not Question.HIDDEN]
        if len(theirs) >= MOST_EACH:
            raise Refused(say("You have asked {most} questions in this talk; leave some for others.", most=MOST_EACH))
        number = 1 + max((each.number for each in asked), default=0)
        present = now()
        values = {
            "talk": one.number,
            "number": number,
            "state": Question.OPEN,
            "text": text,
            "asker": by,
            "anonymous": anonymous,
            "asked_at": present,
            "changed_at": present,
        }
        await tx.connection.execute(insert(talk_question).values(values))
        if asked_as is not None:
            await self._note_post(tx, one.number, number, asked_as.room_id, asked_as.event_id, ours=False)
        question = await self._take_up(tx, one.number, number)
        await ask_for_board(tx, self._work, one.number)
        await self._show(tx, question, await self._seats(tx, one), asked_as)
        return question

    async def correct(self, tx: Transaction, event_id: str, text: str | None, *, by: UserId) -> None:
        """Follow the asker, who edited the message by which they asked, or deleted it (None): if it is open still."""
        post = talk_question_post
        this = select(post.c.talk, post.c.number).where(post.c.event_id == event_id, ~post.c.ours)
        found = (await tx.connection.execute(this)).one_or_none()
        if found is None:
            return
        one = await self._programme.take_up(tx, found.talk)
        question = await self._take_up(tx, found.talk, found.number)
        if question.asker == by and question.state is Question.OPEN:
            values = {"state": Question.HIDDEN} if text is None else {"text": text}
            which = (talk_question.c.talk == found.talk, talk_question.c.number == found.number)
            await tx.connection.execute(update(talk_question).where(*which).values(**values, changed_at=now()))
            await self._tell(tx, one, question, found.number)

    async def lead(self, tx: Transaction, talk: int, number: int, step: Move, *, by: Asker) -> Asked:
        """Move a question on, as a host; the audience sees it. ``Refused`` if that cannot be."""
        _, one = await self._programme.take_up_as_host(tx, talk, by=by)
        question = await self._take_up(tx, talk, number)
        state = move(question, step)
        await self._write(tx, talk, number, state=state, into=None)
        return await self._tell(tx, one, question, number)

    async def merge(self, tx: Transaction, talk: int, number: int, into: int, *, by: Asker) -> tuple[Asked, Asked]:
        """Count a question's votes for another one; return both."""
        _, one = await self._programme.take_up_as_host(tx, talk, by=by)
        question, other = await self._take_up(tx, talk, number), await self._take_up(tx, talk, into)
        target = other.into or other.number
        if target == number:
            raise Refused(say("A question cannot be merged into itself."))
        state = move(question, Move.MERGE)
        await self._write(tx, talk, number, state=state, into=target)
        # Those that were merged into it before follow it.
        followers = (talk_question.c.talk == talk, talk_question.c.merged_into == number)
        await tx.connection.execute(update(talk_question).where(*followers).values(merged_into=target))
        return await self._tell(tx, one, question, number), await self._take_up(tx, talk, target)

    async def who(self, tx: Transaction, talk: int, number: int, *, by: Asker) -> Asked:
        """Return a question for whoever may know who asked it, anonymous or not: the secretariat."""
        if by.role < Role.SECRETARIAT:
            raise Refused(say("Who asks anonymously, only the secretariat learns."))
        return await self._take_up(tx, talk, number)

    async def vote(self, tx: Transaction, talk: int, number: int, *, by: UserId, reaction: str) -> None:
        """Note a member's 👍. Nothing of anybody else's, nor once the talk is over."""
        if talk not in {each.number for each in await talks_in(tx.connection, ON)}:
            return
        if by in await current_among(tx.connection, [by]):
            values = {"reaction": reaction, "talk": talk, "number": number, "user_id": by}
            row = upsert(tx.connection, talk_vote).values(values)
            await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["reaction"]))
            await ask_for_board(tx, self._work, talk)

    async def take_back(self, tx: Transaction, *, by: UserId, event_id: str) -> None:
        """Forget a vote that somebody took back; take a question away that its asker deleted."""
        await self.correct(tx, event_id, None, by=by)
        theirs = (talk_vote.c.reaction == event_id, talk_vote.c.user_id == by)
        talk = await tx.connection.scalar(delete(talk_vote).where(*theirs).returning(talk_vote.c.talk))
        if talk is not None:
            await ask_for_board(tx, self._work, talk)

    async def came_back(self, tx: Transaction, talk: int, number: int, room_id: RoomId, event_id: EventId) -> None:
        """Note under which id our message stands; put a thumb under it; show what happened meanwhile."""
        question = await find_question(tx.connection, talk, number)
        if question is None or not await self._note_post(tx, talk, number, room_id, event_id, ours=True):
            return
        if question.state is Question.HIDDEN:
            await self._outbox.redact(tx, room_id, event_id)
            return
        await self._outbox.react(tx, room_id, event_id, words.VOTE)
        if question.state is not Question.OPEN:
            text = words.card(question)
            await self._outbox.edit(tx, room_id, event_id, text)

    async def _tell(self, tx: Transaction, one: Talk, before: Asked, number: int) -> Asked:
        """Have the audience see where a question stands now; return it."""
        after = await self._take_up(tx, one.number, number)
        await ask_for_board(tx, self._work, one.number)
        if before.state is Question.HIDDEN:
            # What was taken out of the room cannot be edited: it is shown anew.
            await self._show(tx, after, await self._seats(tx, one), None)
            return after
        ours = select(talk_question_post).where(
            talk_question_post.c.talk == one.number, talk_question_post.c.number == number, talk_question_post.c.ours
        )
        for post in (await tx.connection.execute(ours)).all():
            if after.state is Question.HIDDEN:
                await self._outbox.redact(tx, post.room_id, post.event_id)
                await tx.connection.execute(
                    update(talk_question_post).where(talk_question_post.c.event_id == post.event_id).values(ours=False)
                )
            else:
                text = words.card(after)
                await self._outbox.edit(tx, post.room_id, post.event_id, text)
        return after

    async def _show(self, tx: Transaction, question: Asked, seats: RoomId | None, asked_as: ReplyTo | None) -> None:
        text, extra = words.card(question), words.label(question)
        if asked_as is not None:
            to = ReplyTo(asked_as.room_id, asked_as.event_id, _AUDIENCE, asked_as.thread_root, asked_as.asker)
            await self._outbox.reply(tx, to, text, extra=extra)
        elif seats is not None:
            await self._outbox.post(tx, seats, text, extra=extra)

    async def _seats(self, tx: Transaction, one: Talk) -> RoomId | None:
        stage = (await self._programme.house(tx.connection)).stages.get(one.stage)
        return None if stage is None else stage.seats_id

    async def _take_up(self, tx: Transaction, talk: int, number: int) -> Asked:
        found = await find_question(tx.connection, talk, number)
        if found is None:
            text: Text = say("Talk {talk} has no question {number}. `!question list` shows them.",
                             talk=talk, number=number)  # fmt: skip
            raise Refused(text)
        return found

    @staticmethod
    async def _write(tx: Transaction, talk: int, number: int, *, state: Question, into: int | None) -> None:
        this = (talk_question.c.talk == talk, talk_question.c.number == number)
        values = {"state": state, "merged_into": into, "changed_at": now()}
        await tx.connection.execute(update(talk_question).where(*this).values(values))

    @staticmethod
    async def _note_post(tx: Transaction, talk: int, number: int, room_id: str, event_id: str, *, ours: bool) -> bool:
        values = {"event_id": event_id, "room_id": room_id, "talk": talk, "number": number, "ours": ours}
        row = upsert(tx.connection, talk_question_post).values(values)
        return bool((await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["event_id"]))).rowcount)
