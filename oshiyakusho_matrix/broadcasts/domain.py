"""A talk's lifecycle as a table, what is due when, and what is decided about times and stages. Pure.

The service moves talks by ``advance`` alone; the diagram in the handbook is drawn from ``TRANSITIONS``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say


class State(StrEnum):
    """Where a talk stands."""

    DRAFT = "draft"
    ANNOUNCED = "announced"
    DOORS = "doors open"
    LIVE = "live"
    QUESTIONS = "questions"
    ENDED = "ended"
    ARCHIVED = "archived"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What happens to a talk."""

    ANNOUNCE = "announce"
    OPEN = "open"
    PUT_OFF = "put off"
    START = "start"
    TAKE_QUESTIONS = "take questions"
    END = "end"
    ARCHIVE = "archive"
    CANCEL = "cancel"


#: Everything that may happen, and where it leads; whatever is not in it is refused.
#: ``PUT_OFF``: the start was moved after the doors had opened, to when they are closed again.
TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = {
    (State.DRAFT, Step.ANNOUNCE): State.ANNOUNCED,
    (State.DRAFT, Step.CANCEL): State.CANCELLED,
    (State.ANNOUNCED, Step.OPEN): State.DOORS,
    (State.ANNOUNCED, Step.CANCEL): State.CANCELLED,
    (State.DOORS, Step.START): State.LIVE,
    (State.DOORS, Step.PUT_OFF): State.ANNOUNCED,
    (State.DOORS, Step.CANCEL): State.CANCELLED,
    (State.LIVE, Step.TAKE_QUESTIONS): State.QUESTIONS,
    (State.LIVE, Step.END): State.ENDED,
    (State.LIVE, Step.CANCEL): State.CANCELLED,
    (State.QUESTIONS, Step.END): State.ENDED,
    (State.QUESTIONS, Step.CANCEL): State.CANCELLED,
    (State.ENDED, Step.ARCHIVE): State.ARCHIVED,
}

#: Those that occupy their stage at their time.
PLANNED: Final = frozenset({State.DRAFT, State.ANNOUNCED, State.DOORS, State.LIVE, State.QUESTIONS})
#: Those that are on: speakers have the word.
ON: Final = frozenset({State.DOORS, State.LIVE, State.QUESTIONS})
#: Those of which the public was told, and that are still to be.
PUBLIC: Final = frozenset({State.ANNOUNCED, State.DOORS, State.LIVE, State.QUESTIONS})

#: How long before the start the doors open, speakers try their voices, and the audience gets the link.
DOORS_BEFORE: Final = timedelta(minutes=15)
#: When those who put their hand up are reminded, before the start; the longest first.
REMINDERS: Final = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
#: Nobody is woken by what can be said the evening before: hours in Japan, and when it is said instead.
QUIET_FROM: Final = 22
QUIET_UNTIL: Final = 7
BEFORE_QUIET: Final = 21
#: By how much something may be late without anybody being told so.
PUNCTUAL: Final = timedelta(minutes=2)
#: A talk of which no end was said.
USUAL_LENGTH: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A talk. ``version`` counts what was changed since it was announced. ``divisions`` are slugs.

    ``questions`` is how long before the end the questions begin; zero: none are taken. ``reminded_at`` is the moment
    for which those who come were reminded last.
    """

    number: int
    state: State
    title: str
    host: UserId
    guests: tuple[str, ...]
    stage: str
    starts_at: datetime
    ends_at: datetime
    questions: timedelta
    live_url: str | None
    divisions: tuple[str, ...]
    version: int
    reminded_at: datetime | None = None


class OutOfOrder(Refused):
    """A step that the state does not allow; the text names both."""


def advance(state: State, step: Step, *, number: int) -> State:
    """Return the state that a step leads to; ``OutOfOrder`` for what is not in the table."""
    after = TRANSITIONS.get((state, step))
    if after is None:
        raise OutOfOrder(
            say(
                "Talk {number} is {state}; that cannot be done with it any more or not yet.",
                number=number,
                state=STATES[state],
            )
        )
    return after


def due_step(talk: Talk) -> tuple[Step, datetime] | None:
    """Return what comes next by the clock, and when; None for what waits for people."""
    match talk.state:
        case State.ANNOUNCED:
            return Step.OPEN, talk.starts_at - DOORS_BEFORE
        case State.DOORS:
            return Step.START, talk.starts_at
        case State.LIVE if talk.questions:
            return Step.TAKE_QUESTIONS, talk.ends_at - talk.questions
        case State.LIVE | State.QUESTIONS:
            return Step.END, talk.ends_at
    return None


def due_reminder(talk: Talk, *, after: datetime) -> datetime | None:
    """Return when those who come are to be reminded next, later than ``after``; None if never."""
    if talk.state is not State.ANNOUNCED and talk.state is not State.DOORS:
        return None
    since = max(after, talk.reminded_at or after)
    return min((moment for moment in reminders(talk.starts_at) if moment > since), default=None)


def reminders(starts_at: datetime) -> Sequence[datetime]:
    """Return when those who come are reminded. What comes a day before heeds the quiet hours; the others cannot."""
    day_before, *shortly = (starts_at - before for before in REMINDERS)
    here = day_before.astimezone(JST)
    if here.hour >= QUIET_FROM or here.hour < QUIET_UNTIL:
        evening = here if here.hour >= QUIET_FROM else here - timedelta(days=1)
        day_before = evening.replace(hour=BEFORE_QUIET, minute=0, second=0, microsecond=0).astimezone(UTC)
    return [day_before, *shortly]


def steps_to(state: State, step: Step, *, number: int) -> Sequence[Step]:
    """Return the steps by which people get a talk where they want it: who starts it opens the doors with it.

    ``OutOfOrder`` if it cannot get there.
    """
    if (state, step) not in TRANSITIONS and step is Step.START:
        return [*steps_to(state, Step.OPEN, number=number), Step.START]
    advance(state, step, number=number)
    return [step]


def decide_times(starts_at: datetime, ends_at: datetime | None, *, present: datetime) -> tuple[datetime, datetime]:
    """Decide when a talk begins and ends. ``Refused`` if it cannot be then."""
    end = ends_at or starts_at + USUAL_LENGTH
    if starts_at <= present:
        raise Refused(say("That is over already. Give a time to come."))
    if end - starts_at > LONGEST:
        raise Refused(say("A talk takes twelve hours at most. Give an earlier end."))
    return starts_at, end


def overlapping(talks: Iterable[Talk], *, stage: str, starts_at: datetime, ends_at: datetime) -> list[Talk]:
    """Return the talks that are on a stage at a time; that one begins when another ends is no overlap."""
    return [
        each
        for each in talks
        if each.state in PLANNED and each.stage == stage and each.starts_at < ends_at and starts_at < each.ends_at
    ]


STATES: Final[Mapping[State, Text]] = {
    State.DRAFT: say("a draft"),
    State.ANNOUNCED: say("announced"),
    State.DOORS: say("about to begin"),
    State.LIVE: say("on air"),
    State.QUESTIONS: say("taking questions"),
    State.ENDED: say("over"),
    State.ARCHIVED: say("in the archive"),
    State.CANCELLED: say("cancelled"),
}

STEPS: Final[Mapping[Step, Text]] = {
    Step.ANNOUNCE: say("it is announced"),
    Step.OPEN: say("the doors open, 15 minutes before the start"),
    Step.PUT_OFF: say("the start is put off"),
    Step.START: say("it starts"),
    Step.TAKE_QUESTIONS: say("questions are taken"),
    Step.END: say("it ends"),
    Step.ARCHIVE: say("it goes into the archive"),
    Step.CANCEL: say("it is cancelled"),
}
