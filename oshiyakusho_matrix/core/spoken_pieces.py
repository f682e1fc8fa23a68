"""What people say of when something is, piece by piece: made by ``spoken_words``, put together by ``spoken_times``."""

from dataclasses import dataclass
from datetime import timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Day:
    """A day by its numbers; ``year`` and ``month`` are None where they are not said."""

    day: int
    month: int | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """A day so many days or months from today; with ``day`` that day of the month. ``evening``: 今夜, 明晩."""

    days: int = 0
    months: int = 0
    day: int | None = None
    evening: bool = False


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week (Monday 0). ``weeks``: of this week (0), the next (1); None for the next one to come."""

    weekday: int
    weeks: int | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A day of the week in brackets: said to be sure, as in 12/1(火)."""

    weekday: int


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day as it was said; ``period`` is 午後, 朝 and the like, in their Japanese form."""

    hour: int
    minute: int = 0
    period: str = ""


@dataclass(frozen=True, slots=True)
class Length:
    """How long something takes."""

    time: timedelta


@dataclass(frozen=True, slots=True)
class Later:
    """So long from now."""

    time: timedelta


@dataclass(frozen=True, slots=True)
class Zone:
    """Where that time is."""

    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Until:
    """Between a start and an end."""


@dataclass(frozen=True, slots=True)
class EraOver:
    """A year of an era that has ended, or that had not begun."""

    words: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """What was not understood, as it was said."""

    words: str


DaySaid = Day | Ahead | Weekday
Piece = DaySaid | Checked | Time | Length | Later | Zone | Until | EraOver | Unknown
