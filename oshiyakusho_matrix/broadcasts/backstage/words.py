"""What people read backstage."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from oshiyakusho_matrix.broadcasts.domain import Talk
from oshiyakusho_matrix.broadcasts.words import when
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say

#: What clients show to whoever is taken out.
CLOSED: Final = "控室は終わりました。 / The backstage room is closed."


def name(talk: Talk) -> str:
    """Return what the room is called: as the files' names, in Japanese."""
    return f"控室 第{talk.number}回「{talk.title}」"


def welcome(talk: Talk) -> Text:
    """Return what stands in the room first."""
    return say(
        "This is the backstage room of **{title}**, {when}: for its host and its guests alone.",
        say("- Questions of the audience are listed here, the most wanted first."),
        say("- The room closes 15 minutes after the talk."),
        title=talk.title,
        when=when(talk.starts_at, talk.ends_at),
    )


def farewell(talk: Talk, *, cancelled: bool, at: datetime) -> Text:
    """Say that the room closes."""
    time = _time(at)
    if cancelled:
        return say("**{title}** was cancelled. This room closes at {time}.", title=talk.title, time=time)
    return say("**{title}** is over. Thank you. This room closes at {time}.", title=talk.title, time=time)


def stands(talk: Talk) -> Text:
    """Report that whoever belongs there is invited."""
    return say("Everybody who belongs there is invited to the backstage room of talk {number}.", number=talk.number)


def asked(talk: Talk, user_id: UserId) -> Text:
    """Ask somebody whether they are there."""
    return say(
        "{user}, **{title}** begins at {time}. Please put ✋ under this message or write something, so that we know "
        "you are here.",
        user=user_id,
        title=talk.title,
        time=_time(talk.starts_at),
    )


def missed(talk: Talk, user_id: UserId) -> Text:
    """Call somebody who has not shown up."""
    return say(
        "{user}, **{title}** begins at {time}. Are you there? The secretariat has been told that you are missing.",
        user=user_id,
        title=talk.title,
        time=_time(talk.starts_at),
    )


def complete(talk: Talk) -> Text:
    """Say that nobody is missing."""
    return say("Everybody is here. **{title}** begins at {time}.", title=talk.title, time=_time(talk.starts_at))


def alarm(talk: Talk, missing: Sequence[UserId]) -> Text:
    """Tell the secretariat who is missing shortly before the start."""
    return say(
        "⚠️ Talk {number} “{title}” begins at {time}, and not everybody is backstage. Missing: {missing}. "
        "`!talk change {number}` moves it.",
        number=talk.number,
        title=talk.title,
        time=_time(talk.starts_at),
        missing="、".join(missing),
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(JST):%H:%M}"
