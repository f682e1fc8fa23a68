"""What people read about questions: the card in the seats, the host's list."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from oshiyakusho_matrix.broadcasts.domain import Talk
from oshiyakusho_matrix.broadcasts.questions.domain import STANDINGS, VOTE, Asked, Question, ranked
from oshiyakusho_matrix.core.text import Text, say

__all__ = ["CONTENT_KEY", "VOTE", "card", "label", "list_of", "moved", "taken", "which"]

#: The key in the content of a card; its value is ``[talk, question]``.
CONTENT_KEY: Final = "jp.oshiyakusho.question"

#: How a card begins, by where its question stands.
_CARDS: Final[Mapping[Question, Text]] = {
    Question.OPEN: say("**Question {number}** ({asker}): {text}"),
    Question.TAKEN: say("🎤 **Question {number}** ({asker}) is being answered: {text}"),
    Question.ANSWERED: say("✅ **Question {number}** ({asker}) was answered: {text}"),
    Question.MERGED: say("➡️ **Question {number}** ({asker}) counts for question {into}: {text}"),
    Question.HIDDEN: say("Question {number} is hidden."),
}
_ANONYMOUS: Final = say("anonymous")


def card(one: Asked) -> Text:
    """Return what the audience reads of a question."""
    return Text(_CARDS[one.state].msgid, _values(one))


def label(one: Asked) -> Mapping[str, Any]:
    """Return what marks the card of a question, by which it is known when it comes back."""
    return {CONTENT_KEY: [one.talk, one.number]}


def list_of(talk: Talk, questions: Sequence[Asked]) -> Text:
    """Return the questions of a talk, the most wanted first. Nobody is named: guests read it, too."""
    if not questions:
        return say("Nobody has asked anything in talk {number} yet.", number=talk.number)
    lines = (
        say(
            "- `{number}` 👍{votes} {standing}: {text}",
            number=each.number,
            votes=each.votes,
            standing=STANDINGS[each.state],
            text=each.text,
        )
        for each in ranked(questions)
        if each.state is not Question.MERGED
    )
    return say("Questions of talk {number} “{title}”:", *lines, number=talk.number, title=talk.title)


def moved(one: Asked) -> Text:
    """Say where a question stands now, to whoever led it there."""
    return say("Question {number} is {state} now.", number=one.number, state=STANDINGS[one.state])


def taken(one: Asked) -> Text:
    """Say that a question was taken, to whoever asked it elsewhere than in the seats."""
    return say("It is question {number} of talk {talk} now.", number=one.number, talk=one.talk)


def which(talks: Sequence[Talk]) -> Text:
    """Ask which talk a question is for."""
    lines = (say("- `{number}` {title}", number=each.number, title=each.title) for each in talks)
    return say("Several talks are on. Say which one your question is for: `!q --talk number words`", *lines)


def _values(one: Asked) -> dict[str, Any]:
    asker = _ANONYMOUS if one.anonymous else one.asker
    return {"number": one.number, "asker": asker, "text": one.text, "into": one.into or 0}
