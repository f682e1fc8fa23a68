"""The lifecycle of an application, and what is decided about one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.registration.domain import (
    CLAIMABLE,
    ENDED,
    KEPT,
    OPEN,
    STATES,
    TRANSITIONS,
    Application,
    OutOfOrder,
    State,
    Step,
    advance,
    ends_at,
    next_reminder,
)
from oshiyakusho_matrix.registration.particulars import fiscal_year_end

NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
COMPLETE = Application(
    reference="K7M2PQ4X",
    state=State.SUBMITTED,
    organisation="012033",
    organisation_name="小樽市（北海道）",
    domain="city.otaru.lg.jp",
    interests=(),
    has_account=True,
    language="ja",
    flags=frozenset(),
    created_at=NOW,
    changed_at=NOW,
    account=UserId("@taro:city.example"),
    mailbox_proven_at=NOW,
    account_proven_at=NOW,
    submitted_at=NOW,
)


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
def test_what_is_not_in_the_table_is_refused_and_the_refusal_names_the_state(state: State, step: Step) -> None:
    if (state, step) in TRANSITIONS:
        assert advance(state, step, reference="K7M2PQ4X") is TRANSITIONS[state, step]
        return
    with pytest.raises(OutOfOrder) as refused:
        advance(state, step, reference="K7M2PQ4X")
    assert plain(STATES[state]) in plain(refused.value.text)
    assert "K7M2PQ4X" in plain(refused.value.text)


def test_every_state_can_be_reached_and_all_but_the_last_can_be_left() -> None:
    reached = {State.DRAFT}
    while more := {after for (state, _), after in TRANSITIONS.items() if state in reached} - reached:
        reached |= more
    assert reached == set(State)
    assert {state for state in State if not any(before is state for before, _ in TRANSITIONS)} == ENDED


def test_nobody_is_admitted_without_an_approval() -> None:
    assert [before for (before, _), after in TRANSITIONS.items() if after is State.ADMITTED] == [State.APPROVED]
    approved = {before for (before, _), after in TRANSITIONS.items() if after is State.APPROVED}
    assert approved - {State.APPROVED} == OPEN


def test_an_approval_is_taken_back_by_a_step_of_its_own_and_only_before_anybody_is_let_in() -> None:
    """Whoever rejects what waits for a decision never undoes what somebody has decided meanwhile."""
    assert {before for before, step in TRANSITIONS if step is Step.REJECT} == OPEN
    taken_back = {before: after for (before, step), after in TRANSITIONS.items() if step is Step.TAKE_BACK}
    assert taken_back == {State.APPROVED: State.REJECTED}


def test_nothing_is_reviewed_whose_mailbox_is_not_proven() -> None:
    """Whoever is not decided about yet comes there from a draft by the proof of the mailbox alone."""
    assert {step for (before, step), after in TRANSITIONS.items() if before is State.DRAFT and after not in ENDED} == {
        Step.PROVE_MAILBOX
    }


def test_an_account_can_be_tied_wherever_the_lifecycle_knows_it() -> None:
    assert {before for before, step in TRANSITIONS if step is Step.PROVE_ACCOUNT} == CLAIMABLE


def test_drafts_are_kept_seven_days_and_what_was_rejected_ninety() -> None:
    for state in State:
        one = replace(COMPLETE, state=state)
        if state in (State.DRAFT, State.CLAIMING):
            assert ends_at(one) == NOW + timedelta(days=7)
        elif state is State.REJECTED:
            assert ends_at(one) == NOW + timedelta(days=90)
        elif state in (State.SUBMITTED, State.ADMITTED):
            assert ends_at(one) is None
        else:
            assert ends_at(one) == NOW + KEPT[state]


def test_the_secretariat_is_reminded_three_days_after_each_time() -> None:
    assert next_reminder(COMPLETE) == NOW + timedelta(days=3)
    reminded = replace(COMPLETE, reminded_at=NOW + timedelta(days=4))
    assert next_reminder(reminded) == NOW + timedelta(days=7)
    assert next_reminder(replace(COMPLETE, state=State.ASKED)) is None


def test_the_fiscal_year_ends_on_the_next_31_march_in_japan() -> None:
    assert fiscal_year_end(datetime(2026, 11, 2, tzinfo=UTC)) == date(2027, 3, 31)
    assert fiscal_year_end(datetime(2027, 3, 31, 14, 59, tzinfo=UTC)) == date(2027, 3, 31)
    assert fiscal_year_end(datetime(2027, 3, 31, 15, 0, tzinfo=UTC)) == date(2028, 3, 31)
