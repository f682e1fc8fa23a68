"""A clock that stands until it is moved, and a random that is not: so that tests say when."""

from datetime import UTC, datetime, timedelta
from random import Random


class Clock:
    """Call it for the moment."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> datetime:
        self.moment += timedelta(seconds=seconds)
        return self.moment


class Steady(Random):
    """Always draws the highest number, so that delays are their ceilings."""

    def random(self) -> float:
        return 1.0
