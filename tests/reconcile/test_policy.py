"""What follows from a failure."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.errors import Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.reconcile.policy import Verdict, backoff, judge
from oshiyakusho_matrix.store.errors import StatementRefused
from tests.reconcile.clocks import Steady


def seconds(*numbers: float) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


def test_the_ceiling_doubles_from_a_second_to_five_minutes() -> None:
    found = [backoff(attempts, Steady()) for attempts in range(1, 12)]
    assert found == seconds(1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300)


@given(st.integers(1, 10**6), st.randoms(use_true_random=False), st.none() | st.integers(-10, 10**6))
def test_the_delay_is_bounded_and_never_shorter_than_the_homeserver_said(
    attempts: int, random: Random, retry_after: int | None
) -> None:
    asked = timedelta(seconds=max(retry_after or 0, 0))
    delay = backoff(attempts, random, None if retry_after is None else timedelta(seconds=retry_after))
    assert asked <= delay <= asked + timedelta(minutes=5)


def test_a_temporary_failure_is_never_given_up_and_told_in_two_steps() -> None:
    verdicts = [judge(Temporary("down"), attempts=n, crashes=0, random=Steady()) for n in (0, 1, 4, 1000)]
    assert verdicts == [
        Verdict(timedelta(seconds=1), "down"),
        Verdict(timedelta(seconds=2), "down", tell_asker=True),
        Verdict(timedelta(seconds=16), "down", tell_asker=True, tell_secretariat=True),
        Verdict(timedelta(seconds=300), "down", tell_asker=True, tell_secretariat=True),
    ]


@pytest.mark.parametrize("error", [Permanent("gone"), Forbidden("gone"), Misconfigured("gone")])
def test_what_trying_again_does_not_mend_is_parked(error: Exception) -> None:
    assert judge(error, attempts=0, crashes=0, random=Steady()) == Verdict(None, "gone")


def test_a_bug_is_tried_three_times_again_and_then_parked_without_its_words() -> None:
    delays = [judge(KeyError("架空"), attempts=n, crashes=n, random=Steady()).delay for n in range(4)]
    assert delays == [*seconds(1, 2, 4), None]
    assert judge(KeyError("架空"), attempts=3, crashes=3, random=Steady()).why == say(
        "a bug in this program ({detail})", detail="KeyError"
    )


def test_a_bug_after_a_long_outage_still_gets_its_tries() -> None:
    assert judge(StatementRefused("a race"), attempts=50, crashes=0, random=Steady()).delay == timedelta(minutes=5)
