"""Time never goes back, whatever is done to the clock of the machine; and it agrees with it again before long."""

from datetime import UTC, datetime, timedelta

import pytest

from oshiyakusho_matrix.core.clock import SteadyClock

NOON = datetime(2026, 11, 23, 3, tzinfo=UTC)


class Machine:
    """A machine whose clock is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shows, self.runs = NOON, 0.0
        monkeypatch.setattr(SteadyClock, "_look", lambda _: (self.shows, self.runs))

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.shows, self.runs = self.shows + timedelta(seconds=seconds), self.runs + seconds

    def is_set(self, by: timedelta) -> None:
        """Set the clock."""
        self.shows += by


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One whose clock shows noon."""
    return Machine(monkeypatch)


def test_time_goes_as_the_machine_says(machine: Machine) -> None:
    clock = SteadyClock()
    machine.passes(90)
    assert clock.now() == machine.shows
    machine.is_set(timedelta(days=2))
    assert clock.now() == machine.shows


def test_a_clock_that_is_set_back_slows_time_down_until_it_agrees(machine: Machine) -> None:
    clock = SteadyClock()
    machine.is_set(timedelta(minutes=-5))
    assert clock.now() == NOON
    machine.passes(60)
    assert clock.now() == NOON + timedelta(seconds=30)
    for _ in range(60):
        before = clock.now()
        machine.passes(10)
        assert clock.now() > before
    assert clock.now() == machine.shows


def test_what_was_set_forward_by_mistake_and_back_is_not_lost_time_for_work(machine: Machine) -> None:
    clock = SteadyClock()
    machine.is_set(timedelta(minutes=5))
    due = clock.now()
    machine.passes(2)
    machine.is_set(timedelta(minutes=-5))
    assert clock.now() >= due


def test_a_clock_that_was_plainly_wrong_is_followed_at_once(machine: Machine) -> None:
    clock = SteadyClock()
    machine.is_set(timedelta(days=-1))
    assert clock.now() == machine.shows


def test_a_clock_that_does_not_tick_is_not_taken_for_one_that_is_set_back(machine: Machine) -> None:
    clock = SteadyClock()
    for _ in range(100):
        machine.runs += 0.1
        assert clock.now() == NOON
