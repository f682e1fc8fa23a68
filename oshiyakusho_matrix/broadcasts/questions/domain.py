"""A question's lifecycle as a table, and the order in which the host reads them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say


class Question(StrEnum):
    """Where a question stands."""

    OPEN = "open"
    TAKEN = "taken"
    ANSWERED = "answered"
    HIDDEN = "hidden"
    MERGED = "merged"


class Move(StrEnum):
    """What a host does with a question."""

    TAKE = "take"
    ANSWER = "answer"
    HIDE = "hide"
    MERGE = "merge"
    REOPEN = "reopen"


#: Everything that may be done, and where it leads; whatever is not in it is refused.
TRANSITIONS: Final[Mapping[tuple[Question, Move], Question]] = {
    (Question.OPEN, Move.TAKE): Question.TAKEN,
    (Question.OPEN, Move.ANSWER): Question.ANSWERED,
    (Question.OPEN, Move.HIDE): Question.HIDDEN,
    (Question.OPEN, Move.MERGE): Question.MERGED,
    (Question.TAKEN, Move.ANSWER): Question.ANSWERED,
    (Question.TAKEN, Move.HIDE): Question.HIDDEN,
    (Question.TAKEN, Move.MERGE): Question.MERGED,
    (Question.TAKEN, Move.REOPEN): Question.OPEN,
    (Question.ANSWERED, Move.REOPEN): Question.OPEN,
    (Question.HIDDEN, Move.REOPEN): Question.OPEN,
    (Question.MERGED, Move.REOPEN): Question.OPEN,
}

#: What a host puts under a question instead of a command.
SIGNS: Final[Mapping[str, Move]] = {"🎤": Move.TAKE, "✅": Move.ANSWER, "🙈": Move.HIDE}
#: What a member puts under a question to vote for it; skin tones follow it.
VOTE: Final = "👍"
#: How many questions one member may ask in one talk.
MOST_EACH: Final = 10

#: How the host's list is ordered: what is being answered, what waits, what is done.
_ORDER: Final = (Question.TAKEN, Question.OPEN, Question.ANSWERED, Question.MERGED, Question.HIDDEN)

STANDINGS: Final[Mapping[Question, Text]] = {
    Question.OPEN: say("open"),
    Question.TAKEN: say("being answered"),
    Question.ANSWERED: say("answered"),
    Question.HIDDEN: say("hidden"),
    Question.MERGED: say("merged"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of a talk. ``anonymous``: only the secretariat learns who asks. ``into``: what it was merged into."""

    talk: int
    number: int
    state: Question
    text: str
    asker: UserId
    anonymous: bool
    asked_at: datetime
    into: int | None = None
    votes: int = 0


def move(one: Asked, step: Move) -> Question:
    """Return the state that a step leads to; ``Refused`` for what is not in the table."""
    after = TRANSITIONS.get((one.state, step))
    if after is None:
        raise Refused(
            say(
                "Question {number} is {state} already; `!question reopen` puts it back first.",
                number=one.number,
                state=STANDINGS[one.state],
            )
        )
    return after


def ranked(questions: Iterable[Asked]) -> Sequence[Asked]:
    """Return questions in the order in which a host wants them: by state, then votes, then who asked first."""
    return sorted(questions, key=lambda each: (_ORDER.index(each.state), -each.votes, each.number))
