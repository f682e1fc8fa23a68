"""``!q`` for everybody who listens, ``!question`` for hosts."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, StringConstraints

from oshiyakusho_matrix.broadcasts.questions.domain import Move
from oshiyakusho_matrix.broadcasts.questions.service import Questions
from oshiyakusho_matrix.broadcasts.questions.tables import questions_of
from oshiyakusho_matrix.broadcasts.questions.words import list_of, moved, taken
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, say, visible

#: Characters of a question.
LONGEST = 500


def _one_line(text: str) -> str:
    return visible(text, limit=LONGEST)


_TALK = Positional(ja="放送", about=say("The number of the talk."), example="12")
_QUESTION = Positional(ja="質問", about=say("The number of the question."), example="3")


class Ask(BaseModel):
    """Arguments of ``!q``."""

    words: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST),
        AfterValidator(_one_line),
        Rest(ja="質問", about=say("What you ask."), example="最初の一歩は何でしたか"),
    ]
    talk: Annotated[int | None, Option(ja="放送", about=say("Of which talk, if several are on."), example="12")] = None
    anonymous: Annotated[bool, Option(ja="匿名", about=say("The audience does not learn who asks."))] = False


class OfTalk(BaseModel):
    """Arguments of ``!question list``."""

    talk: Annotated[int, _TALK]


class OfQuestion(BaseModel):
    """Arguments of commands about one question."""

    talk: Annotated[int, _TALK]
    question: Annotated[int, _QUESTION]


class Merged(OfQuestion):
    """Arguments of ``!question merge``."""

    into: Annotated[int, Positional(ja="統合先", about=say("The question that it becomes part of."), example="1")]


def question_commands(questions: Questions, programme: Programme) -> tuple[Command[Any], ...]:
    """Return the commands about questions."""

    async def ask(call: Call[Ask]) -> Answer:
        a = call.arguments
        one, seats = await questions.talk_for(call.tx, a.talk, room_id=call.reply_to.room_id)
        in_seats = call.reply_to.room_id == seats
        if a.anonymous and in_seats:
            raise Refused(say("Here everybody sees who writes. Write to me in our direct chat to ask anonymously."))
        asked = await questions.ask(
            call.tx, one, a.words, by=call.asker.user_id, anonymous=a.anonymous,
            asked_as=call.reply_to if in_seats else None,
        )  # fmt: skip
        if in_seats:
            return Answer(None)
        return Answer(taken(asked))

    async def show_list(call: Call[OfTalk]) -> Answer:
        _, one = await programme.take_up_as_host(call.tx, call.arguments.talk, by=call.asker)
        return Answer(list_of(one, await questions_of(call.tx.connection, one.number)))

    async def merge(call: Call[Merged]) -> Answer:
        a = call.arguments
        one, into = await questions.merge(call.tx, a.talk, a.question, a.into, by=call.asker)
        text = say(
            "Question {number} counts for question {into} now, which has 👍{votes}.",
            number=one.number,
            into=into.number,
            votes=into.votes,
        )
        return Answer(text, target=_target(a))

    async def who(call: Call[OfQuestion]) -> Answer:
        one = await questions.who(call.tx, call.arguments.talk, call.arguments.question, by=call.asker)
        text = say("Question {number} was asked by {user}.", number=one.number, user=one.asker)
        return Answer(text, target=_target(call.arguments))

    def leading(names: tuple[str, ...], summary: Text, step: Move) -> Command[OfQuestion]:
        async def run(call: Call[OfQuestion]) -> Answer:
            a = call.arguments
            one = await questions.lead(call.tx, a.talk, a.question, step, by=call.asker)
            return Answer(moved(one), target=_target(a))

        return Command(names, summary, Role.MEMBER, OfQuestion, run, audited=True)

    return (
        Command(("q", "質問"), say("Asks a question in the talk that is on."), Role.MEMBER, Ask, ask),
        Command(("question list", "質疑 一覧"), say("Lists the questions of a talk."), Role.MEMBER, OfTalk, show_list),
        leading(("question take", "質疑 採用"), say("Says that a question is being answered."), Move.TAKE),
        leading(("question answer", "質疑 回答済"), say("Says that a question was answered."), Move.ANSWER),
        leading(("question hide", "質疑 非表示"), say("Takes a question away from the audience."), Move.HIDE),
        leading(("question reopen", "質疑 戻す"), say("Makes a question an open one again."), Move.REOPEN),
        Command(
            ("question merge", "質疑 統合"), say("Counts the votes of a question for another."), Role.MEMBER, Merged,
            merge, audited=True,
        ),
        Command(
            ("question who", "質疑 質問者"), say("Says who asked a question, also anonymously."), Role.SECRETARIAT,
            OfQuestion, who, audited=True, confidential=True,
        ),
    )  # fmt: skip


def _target(a: OfQuestion) -> str:
    return f"{a.talk}/{a.question}"
