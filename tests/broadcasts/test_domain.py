"""The lifecycle of a talk as a table: what leads where, what is refused, what is due when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from oshiyakusho_matrix.broadcasts.domain import (
    DOORS_BEFORE,
    PLANNED,
    TRANSITIONS,
    OutOfOrder,
    State,
    Step,
    Talk,
    advance,
    decide_times,
    due_reminder,
    due_step,
    overlapping,
    reminders,
    steps_to,
)
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId

EIGHT = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TALK = Talk(
    number=1,
    state=State.ANNOUNCED,
    title="やめる勇気",
    host=UserId("@hanako:city.example"),
    guests=(),
    stage="daiichi",
    starts_at=EIGHT,
    ends_at=EIGHT + HOUR,
    questions=timedelta(minutes=15),
    live_url=None,
    divisions=(),
    version=0,
)


@pytest.mark.parametrize("state", State, ids=[state.name for state in State])
def test_whatever_is_not_in_the_table_is_refused(state: State) -> None:
    for step in Step:
        if (state, step) in TRANSITIONS:
            assert advance(state, step, number=1) is TRANSITIONS[state, step]
        else:
            with pytest.raises(OutOfOrder):
                advance(state, step, number=1)


def test_a_talk_can_be_cancelled_from_anywhere_before_it_has_ended() -> None:
    assert {state for state, step in TRANSITIONS if step is Step.CANCEL} == PLANNED


def test_it_runs_by_itself_from_the_announcement_to_the_end() -> None:
    one, steps = TALK, []
    while (due := due_step(one)) is not None:
        steps.append((due[0], due[1] - EIGHT))
        one = replace(one, state=advance(one.state, due[0], number=1))
    assert steps == [
        (Step.OPEN, -DOORS_BEFORE),
        (Step.START, timedelta()),
        (Step.TAKE_QUESTIONS, timedelta(minutes=45)),
        (Step.END, HOUR),
    ]
    assert one.state is State.ENDED


def test_without_questions_it_ends_after_the_talk() -> None:
    assert due_step(replace(TALK, state=State.LIVE, questions=timedelta())) == (Step.END, EIGHT + HOUR)


def test_who_starts_it_early_opens_the_doors_with_it() -> None:
    assert steps_to(State.ANNOUNCED, Step.START, number=1) == [Step.OPEN, Step.START]
    assert steps_to(State.DOORS, Step.START, number=1) == [Step.START]
    for state in (State.DRAFT, State.LIVE, State.ENDED, State.CANCELLED):
        with pytest.raises(OutOfOrder):
            steps_to(state, Step.START, number=1)


def test_reminders_come_before_the_start_each_once() -> None:
    far = EIGHT - timedelta(days=7)
    moments, after = [], far
    while (due := due_reminder(TALK, after=after)) is not None:
        moments.append(EIGHT - due)
        after = due
    assert moments == [timedelta(days=1), HOUR, timedelta(minutes=10)]
    assert due_reminder(replace(TALK, reminded_at=EIGHT - HOUR), after=far) == EIGHT - timedelta(minutes=10)
    assert due_reminder(replace(TALK, state=State.CANCELLED), after=far) is None


@pytest.mark.parametrize(
    ("starts", "reminded"),
    [("2026-12-02 21:59", "2026-12-01 21:59"), ("2026-12-02 22:00", "2026-12-01 21:00"),
     ("2026-12-02 06:59", "2026-11-30 21:00"), ("2026-12-02 07:00", "2026-12-01 07:00")],
    ids=["before ten", "at ten", "before seven", "at seven"],
)  # fmt: skip
def test_nobody_is_woken_by_what_can_be_said_the_evening_before(starts: str, reminded: str) -> None:
    start = datetime.fromisoformat(starts).replace(tzinfo=JST)
    day_before, *shortly = reminders(start)
    assert f"{day_before.astimezone(JST):%Y-%m-%d %H:%M}" == reminded
    assert shortly == [start - HOUR, start - timedelta(minutes=10)]


def test_one_that_begins_when_another_ends_is_no_overlap() -> None:
    def others(start: timedelta, end: timedelta, stage: str = "daiichi", state: State = State.ANNOUNCED) -> list[Talk]:
        return overlapping([replace(TALK, state=state)], stage=stage, starts_at=EIGHT + start, ends_at=EIGHT + end)

    assert others(HOUR / 2, 2 * HOUR)
    assert others(-HOUR, 3 * HOUR)
    assert not others(HOUR, 2 * HOUR)
    assert not others(-HOUR, timedelta())
    assert not others(timedelta(), HOUR, stage="daini")
    assert not others(timedelta(), HOUR, state=State.CANCELLED)


def test_times_that_cannot_be_are_refused() -> None:
    assert decide_times(EIGHT, None, present=EIGHT - HOUR) == (EIGHT, EIGHT + HOUR)
    with pytest.raises(Refused, match="over already"):
        decide_times(EIGHT, None, present=EIGHT)
    with pytest.raises(Refused, match="twelve hours"):
        decide_times(EIGHT, EIGHT + 13 * HOUR, present=EIGHT - HOUR)
