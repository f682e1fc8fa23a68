"""Moments as people say them: 12/1 19:00, 来週金曜20時, 令和8年12月1日 19時から90分. In Japan, unless said otherwise.

``spoken_words`` takes the words apart; here the pieces become moments. What is not understood, or could be meant in two
ways, is refused in words, never guessed. Pure: ``present`` decides everything, the machine's time zone nothing.
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, TypeVar

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.spoken_pieces import (
    Ahead,
    Checked,
    Day,
    DaySaid,
    EraOver,
    Later,
    Length,
    Piece,
    Time,
    Unknown,
    Until,
    Weekday,
    Zone,
)
from oshiyakusho_matrix.core.spoken_words import pieces
from oshiyakusho_matrix.core.text import Text, say, visible

T = TypeVar("T")

#: The days of the week, from Monday.
WEEKDAYS: Final = (say("Mon"), say("Tue"), say("Wed"), say("Thu"), say("Fri"), say("Sat"), say("Sun"))
#: Longer than anybody says a time.
_LONGEST_WORDS: Final = 200
#: A day without a year that has passed by less is a mistake, not one of next year.
_LATELY: Final = timedelta(days=60)
#: What is further away is a slip of the keyboard.
_FAR: Final = timedelta(days=2 * 366)
#: From a start to an end.
_LONGEST: Final = timedelta(hours=24)
#: Broadcasters count the hours after midnight on: 25時 is 1時 of the next day.
_LAST_HOUR: Final = 29
_NOON: Final = 12
#: The hours that each word goes with, and what is added to them.
_PERIODS: Final[Mapping[str, Mapping[int, int]]] = {
    "午前": dict.fromkeys(range(12), 0),
    "朝": dict.fromkeys(range(4, 12), 0),
    "昼": {11: 0, 12: 0} | dict.fromkeys(range(1, 5), 12),
    "午後": dict.fromkeys(range(12), 12) | dict.fromkeys(range(13, 24), 0),
    "夕方": dict.fromkeys(range(3, 8), 12) | dict.fromkeys(range(15, 20), 0),
    "夜": dict.fromkeys(range(5, 12), 12) | dict.fromkeys(range(17, 24), 0),
}


@dataclass(frozen=True, slots=True)
class Span:
    """When something begins and, if that was said, when it ends. Aware, in UTC."""

    start: datetime
    end: datetime | None = None


def read_moment(words: str, *, present: datetime) -> datetime:
    """Read when something is. ``Refused`` says what is not understood, or that an end was said, too."""
    span = read_span(words, present=present)
    if span.end is not None:
        raise Refused(say("Give one time, without an end."))
    return span.start


def read_span(words: str, *, present: datetime) -> Span:
    """Read when something begins and, if that is said, when it ends. ``Refused`` says what is not understood."""
    if len(words) > _LONGEST_WORDS:
        raise Refused(say("That is too long for a time. For example: 12/1 19:00-20:00"))
    first, *rest = _sides(pieces(words))
    here = present.astimezone(first.zone or (rest[0].zone if rest else None) or JST)
    start, length = _start(first, here), _only(first.lengths)
    end = _end(rest[0], start, here) if rest else None
    if length is not None:
        _only([length, *rest])
        end = start + length
    if start <= here:
        raise Refused(say("{when} is over already.", when=_written(start)))
    if start > here + _FAR:
        raise Refused(say("{when} is very far away. Is the year right?", when=_written(start)))
    if end is not None and end <= start:
        raise Refused(say("The end is before the start."))
    if end is not None and end - start > _LONGEST:
        raise Refused(say("From the start to the end it is more than a day. Is the end right?"))
    return Span(start.astimezone(UTC), None if end is None else end.astimezone(UTC))


@dataclass(slots=True)
class _Side:
    """What was said before, or after, the word that parts a start from an end."""

    days: list[DaySaid] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    lengths: list[timedelta] = field(default_factory=list)
    later: list[timedelta] = field(default_factory=list)
    zone: tzinfo | None = None

    def take(self, piece: Piece) -> None:
        """Put a piece where it belongs."""
        match piece:
            case Unknown(said):
                raise Refused(_not_understood(said))
            case EraOver(said):
                raise Refused(say("“{word}” is no year to come.", word=visible(said, limit=40)))
            case Day() | Ahead() | Weekday():
                self.days.append(piece)
            case Checked(weekday):
                self.days.append(Weekday(weekday))
            case Time():
                self.times.append(piece)
            case Length(time):
                self.lengths.append(time)
            case Later(time):
                self.later.append(time)
            case Zone(zone):
                self.zone = zone

    def day(self, here: datetime, minutes: int) -> date | None:
        """Return the day that was said, None if none was. A day of the week beside it must be right."""
        weekdays = [said for said in self.days if isinstance(said, Weekday) and said.weeks is None]
        others = [said for said in self.days if said not in weekdays]
        said = _only(others or weekdays[:1])
        if said is None:
            return None
        day = _day(said, here, minutes)
        for each in weekdays:
            if each.weekday != day.weekday():
                raise Refused(
                    say(
                        "{when} is a {weekday}. Is the day right, or the day of the week?",
                        when=f"{day.year}/{day.month}/{day.day}",
                        weekday=WEEKDAYS[day.weekday()],
                    )
                )
        return day

    @property
    def evening(self) -> bool:
        """Return whether the day was said as an evening."""
        return any(isinstance(said, Ahead) and said.evening for said in self.days)


def _only(said: Sequence[T]) -> T | None:
    """Return the one thing that was said, None for nothing. ``Refused`` if it is more than one."""
    if len(said) > 1:
        raise Refused(say("Two days or two times are said. Write the end after 〜: 12/1 19:00〜20:00"))
    return said[0] if said else None


def _sides(said: Iterable[Piece]) -> Sequence[_Side]:
    sides = [_Side()]
    for piece in said:
        if isinstance(piece, Until):
            sides.append(_Side())
        else:
            sides[-1].take(piece)
    if len(sides) > 1 and sides[-1] == _Side():
        sides.pop()  # 19時から
    _only(sides[1:])
    return sides


def _start(side: _Side, here: datetime) -> datetime:
    later, said = _only(side.later), _only(side.times)
    if later is not None:
        _only([later, *side.days, *side.times])
        return (here + later).replace(second=0, microsecond=0)
    if said is None:
        raise Refused(say("The time of day is missing. For example: 12/1 19:00"))
    minutes = _minutes(said, evening=side.evening)
    day = side.day(here, minutes)
    if day is None:
        raise Refused(say("The day is missing. For example: 12/1 19:00, 明日 19時, 来週金曜 20時"))
    return _at(day, minutes, here)


def _end(side: _Side, start: datetime, here: datetime) -> datetime:
    """Read the end, which may leave out the day, or say how long it takes."""
    length, said = _only(side.lengths), _only(side.times)
    if length is not None and said is None and not side.days:
        return start + length
    if said is None or length is not None or side.later:
        raise Refused(say("The end is not understood. For example: 12/1 19:00〜20:00"))
    minutes = _minutes(said, evening=side.evening)
    # Days that are counted are counted from today, those with a number from the start.
    day = side.day(start if any(isinstance(said, Day) for said in side.days) else here, minutes)
    if day is not None:
        return _at(day, minutes, start)
    end = _at(start.date(), minutes, start)
    # 23:00-1:00 ends the next day.
    return end if end >= start else _at(start.date() + timedelta(days=1), minutes, start)


def _minutes(said: Time, *, evening: bool) -> int:
    """Return how many minutes after midnight a time of day is; more than a day's for 25時."""
    period = said.period or ("夜" if evening and said.hour < _NOON else "")
    hours = _PERIODS[period] if period else dict.fromkeys(range(_LAST_HOUR + 1), 0)
    if said.hour not in hours or said.minute > 59:
        words = f"{said.period}{said.hour}:{said.minute:02}"
        if period in ("午前", "午後") and said.hour == _NOON:
            raise Refused(say("“{word}” is noon to some and midnight to others. Write 12:00 or 24:00.", word=words))
        raise Refused(say("There is no time {word}. For example: 19:00, 午後7時", word=words))
    return (said.hour + hours[said.hour]) * 60 + said.minute


def _at(day: date, minutes: int, here: datetime) -> datetime:
    """Return a day's moment, in the time zone of ``here``."""
    return datetime.combine(day, time(), tzinfo=here.tzinfo) + timedelta(minutes=minutes)


def _day(said: DaySaid, here: datetime, minutes: int) -> date:
    """Return the day that was meant."""
    today = here.date()
    match said:
        case Ahead(days, 0, None):
            return today + timedelta(days=days)
        case Ahead(_, months, number) if number is not None:
            return _in_month(today, months, number)
        case Weekday(weekday, None):
            ahead = today + timedelta(days=(weekday - today.weekday()) % 7)
            return ahead if _at(ahead, minutes, here) > here else ahead + timedelta(days=7)
        case Weekday(weekday, int(weeks)):
            return today + timedelta(days=weekday - today.weekday() + 7 * weeks)
        case Day(number, None):
            return _in_month(today, 0 if number >= today.day else 1, number)
        case Day(number, int(month), None):
            return _of_some_year(today, month, number)
        case Day(number, int(month), int(year)):
            return _date(year, month, number)
    raise AssertionError(said)


def _in_month(today: date, months: int, number: int) -> date:
    """Return a day of the month that is so many months from now."""
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    return _date(year, month + 1, number)


def _of_some_year(today: date, month: int, number: int) -> date:
    """Return the next such day. One that has just passed is a mistake, and not meant for next year."""
    if (month, number) == (2, 29):
        leap = next(year for year in range(today.year, today.year + 9) if calendar.isleap(year))
        if date(leap, 2, 29) - today > timedelta(days=366):
            raise Refused(_no_such_day(f"{month}/{number}"))
        return date(leap, 2, 29)
    day = _date(today.year, month, number)
    if day >= today:
        return day
    if today - day <= _LATELY:
        raise Refused(
            say("{when} is over already. If you mean next year, write the year, too.", when=f"{month}/{number}")
        )
    return _date(today.year + 1, month, number)


def _date(year: int, month: int, number: int) -> date:
    try:
        return date(year, month, number)
    except ValueError:
        raise Refused(_no_such_day(f"{year}/{month}/{number}")) from None


def _written(moment: datetime) -> str:
    return f"{moment:%Y/%m/%d %H:%M}"


def _no_such_day(words: str) -> Text:
    return say("There is no day {word}.", word=words)


def _not_understood(words: str) -> Text:
    return say(
        "I do not understand “{word}” as a time. For example: 12/1 19:00, 来週金曜 20時, 令和8年12月1日 午後7時",
        word=visible(words, limit=40),
    )
