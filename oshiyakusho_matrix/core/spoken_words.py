"""The words in which people say when something is: taken apart into pieces, of which ``spoken_times`` makes moments.

Pure. Each pattern below is one way of saying one thing; at each place of the text the first that fits is taken, and
what none fits is what was not understood. Libraries for this (dateparser, parsedatetime) guess where they do not
understand, and know little of 令和, 来週 or 25時.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.spoken_pieces import (
    Ahead,
    Checked,
    Day,
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
from oshiyakusho_matrix.core.text import fold

Match = re.Match[str]

_REIWA_BEFORE: Final = 2018
_WEEKDAYS: Final = "月火水木金土日"
_ENGLISH_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENGLISH_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES: Final = (
    r"mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
)
_MONTH_NAMES: Final = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?"
)
#: How many days from today each word is, and whether it is the evening of that day.
_RELATIVE: Final[Mapping[str, Ahead]] = {
    "今日": Ahead(0), "本日": Ahead(0), "きょう": Ahead(0), "today": Ahead(0), "tonight": Ahead(0, evening=True),
    "今夜": Ahead(0, evening=True), "今晩": Ahead(0, evening=True), "今夕": Ahead(0, evening=True),
    "明日": Ahead(1), "あした": Ahead(1), "あす": Ahead(1), "翌日": Ahead(1), "tomorrow": Ahead(1),
    "明晩": Ahead(1, evening=True), "明夜": Ahead(1, evening=True),
    "明後日": Ahead(2), "あさって": Ahead(2), "day after tomorrow": Ahead(2),
}  # fmt: skip
_WEEKS: Final[Mapping[str, int | None]] = {
    "今週": 0, "来週": 1, "再来週": 2, "次": None, "今度": None, "this": 0, "next": 1,
}  # fmt: skip
_MONTHS: Final = {"今月": 0, "来月": 1, "再来月": 2}
_PERIODS: Final = {"am": "午前", "a.m.": "午前", "pm": "午後", "p.m.": "午後", "晩": "夜", "お昼": "昼"}
_ZONES: Final[Mapping[str, tzinfo]] = {"jst": JST, "日本時間": JST, "utc": UTC, "gmt": UTC, "z": UTC}

# Not the digits of a longer number, nor a part of a longer word.
_N: Final = r"(?<![\d.:])(\d{1,2})"
_END: Final = r"(?![\d:])"
_AM_PM: Final = r"am|pm|a\.m\.|p\.m\."


def pieces(words: str) -> Iterator[Piece]:
    """Take apart what somebody said. Never fails: what is not understood comes as ``Unknown``."""
    text = _KANJI_NUMBER.sub(lambda found: str(_number(found[0])), fold(words))
    at, unknown = 0, ""
    while at < len(text):
        found = next(((m, read) for pattern, read in _PATTERNS if (m := pattern.match(text, at))), None)
        if found is None:
            unknown += text[at]
            at += 1
            continue
        match, read = found
        at = match.end()
        if unknown and read is _any and not match[0].isspace():
            unknown += match[0]  # the の of きのう is no word of its own
            continue
        if unknown:
            yield Unknown(unknown)
            unknown = ""
        yield from read(match)
    if unknown:
        yield Unknown(unknown)


def _number(kanji: str) -> int:
    """Read a number below 100 in kanji; a row of digits (二〇二六) too."""
    digits = {sign: value for value, sign in enumerate("〇一二三四五六七八九")} | {"零": 0}
    if "十" not in kanji:
        return int("".join(str(digits[sign]) for sign in kanji))
    tens, _, ones = kanji.partition("十")
    return _row(tens, digits, empty=1) * 10 + _row(ones.replace("十", ""), digits, empty=0)


def _row(kanji: str, digits: Mapping[str, int], *, empty: int) -> int:
    return int("".join(str(digits[sign]) for sign in kanji)) if kanji else empty


_KANJI_NUMBER: Final = re.compile(r"[〇零一二三四五六七八九十]{1,4}(?=[年月日時分週])")


def _iso(found: Match) -> Iterator[Piece]:
    yield Day(int(found[3]), int(found[2]), int(found[1]))
    yield Time(int(found[4]), int(found[5]))
    if found[6]:
        yield from _offset(found[6])


def _offset(said: str) -> Iterator[Piece]:
    if said == "z":
        yield Zone(UTC)
        return
    away = timedelta(hours=int(said[1:3]), minutes=int(said[-2:]))
    if away >= timedelta(hours=24):
        yield Unknown(said)
        return
    yield Zone(timezone(-away if said[0] == "-" else away))


def _era(found: Match) -> Iterator[Piece]:
    if found[1] not in ("令和", "r"):
        yield EraOver(found[0])
        return
    of_era = 1 if found[2] == "元" else int(found[2])
    if not of_era:
        yield EraOver(found[0])
        return
    yield Day(int(found[4]), int(found[3]), _REIWA_BEFORE + of_era)


def _weekday(found: Match) -> Iterator[Piece]:
    day = found["day"]
    number = _WEEKDAYS.index(day) if day in _WEEKDAYS else _ENGLISH_DAYS.index(day[:3])
    which = found.groupdict().get("which")
    yield Weekday(number, _WEEKS[which] if which else None)


def _checked(found: Match) -> Iterator[Piece]:
    day = found[1]
    yield Checked(_WEEKDAYS.index(day) if day in _WEEKDAYS else _ENGLISH_DAYS.index(day[:3]))


def _time(found: Match) -> Iterator[Piece]:
    said = found.groupdict()
    period = said.get("before") or said.get("after") or ""
    minute = 30 if said.get("half") else int(said.get("minute") or 0)
    yield Time(int(said["hour"]), minute, _PERIODS.get(period, period))


def _length(found: Match) -> Iterator[Piece]:
    yield Length(_long(found))


def _later(found: Match) -> Iterator[Piece]:
    yield Later(_long(found))


def _long(found: Match) -> timedelta:
    said = found.groupdict()
    minutes = 30 if said.get("half") else int(said.get("minutes") or 0)
    return timedelta(hours=float(said.get("hours") or 0), minutes=minutes)


def _one(piece: Piece) -> Callable[[Match], Iterator[Piece]]:
    return lambda _: iter((piece,))


def _any(_: Match) -> Iterator[Piece]:
    """Read nothing: particles between the words."""
    yield from ()


_HOURS: Final = r"(?<![\d.:])(?P<hours>\d{1,2}(?:\.\d)?)"
_MINUTES: Final = r"(?P<minutes>\d{1,3})"
_BEFORE: Final = r"(?P<before>午前|午後|朝|お昼|昼|夕方|夜|晩|am|pm)\s*の?\s*"
_MARK: Final = r"[./\-]"

#: Each way of saying something, the longer before the shorter; full-width and capitals are folded before.
_PATTERNS: Final[tuple[tuple[re.Pattern[str], Callable[[Match], Iterator[Piece]]], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        # 2026-12-01T19:00+09:00
        (
            r"(?<!\d)(\d{4})-(\d\d)-(\d\d)t(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(z|[+-]\d\d:?\d\d)?(?![\d:])",
            _iso,
        ),
        # 令和8年12月1日, R8.12.1; 平成30年… is over
        (
            rf"(令和|平成|昭和|大正|明治|(?<![a-z])[rhs])\s*(元|\d{{1,2}})\s*(?:年|{_MARK})\s*(\d{{1,2}})\s*(?:月|{_MARK})"
            r"\s*(\d{1,2})(?!\d)\s*日?",
            _era,
        ),
        # 2026年12月1日, 2026/12/1
        (
            rf"(?<!\d)(\d{{4}})\s*(?:年|{_MARK})\s*(\d{{1,2}})\s*(?:月|{_MARK})\s*(\d{{1,2}})(?!\d)\s*日?",
            lambda m: iter((Day(int(m[3]), int(m[2]), int(m[1])),)),
        ),
        # 来月1日
        (
            r"(今月|来月|再来月)\s*の?\s*(\d{1,2})\s*日",
            lambda m: iter((Ahead(months=_MONTHS[m[1]], day=int(m[2])),)),
        ),
        # 3日後, 1週間後
        (r"(\d{1,3})\s*日後", lambda m: iter((Ahead(int(m[1])),))),
        (r"(\d{1,2})\s*週間?後", lambda m: iter((Ahead(7 * int(m[1])),))),
        (r"in (\d{1,3}) days?\b", lambda m: iter((Ahead(int(m[1])),))),
        (r"in (\d{1,2}) weeks?\b", lambda m: iter((Ahead(7 * int(m[1])),))),
        # 30分後, 2時間後, 1時間半後, in 30 minutes
        (rf"{_HOURS}\s*時間\s*(?:(?P<half>半)|{_MINUTES}\s*分)?\s*後", _later),
        (rf"{_MINUTES}\s*分後", _later),
        (rf"in {_MINUTES} min(?:ute)?s?\b", _later),
        (rf"in {_HOURS} hours?\b", _later),
        # 12月1日, 12/1, 1日
        (rf"{_N}\s*月\s*(\d{{1,2}})(?!\d)\s*日?", lambda m: iter((Day(int(m[2]), int(m[1])),))),
        (rf"{_N}/(\d{{1,2}})(?![\d/])", lambda m: iter((Day(int(m[2]), int(m[1])),))),
        (rf"{_N}\s*日(?!間)", lambda m: iter((Day(int(m[1])),))),
        # Dec 1, December 1st, 2026; 1 December 2026
        (
            rf"\b({_MONTH_NAMES})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,? (\d{{4}}))?(?![\d:])",
            lambda m: _english(m[2], m[1], m[3]),
        ),
        (
            rf"{_N}(?:st|nd|rd|th)? ({_MONTH_NAMES})\b\.?(?:,? (\d{{4}}))?(?![\d:])",
            lambda m: _english(m[1], m[2], m[3]),
        ),
        # (火), (火曜日), (Tue)
        (rf"\(\s*([{_WEEKDAYS}])(?:曜日?)?\s*\)", _checked),
        (rf"\(\s*({_DAY_NAMES})\.?\s*\)", _checked),
        # 来週の金曜日, 金曜, 金; next Friday
        (rf"(?P<which>今週|来週|再来週|次|今度)\s*の?\s*(?P<day>[{_WEEKDAYS}])(?:曜日?)?", _weekday),
        (rf"(?P<day>[{_WEEKDAYS}])曜日?", _weekday),
        (rf"(?P<day>[{_WEEKDAYS}])(?=[\s\d])", _weekday),
        (rf"(?:(?P<which>this|next) )?\b(?P<day>{_DAY_NAMES})\b\.?", _weekday),
        # 今日, 明晩, the day after tomorrow
        (rf"(?:the )?({'|'.join(sorted(_RELATIVE, key=len, reverse=True))})", lambda m: iter((_RELATIVE[m[1]],))),
        # 90分, 1時間半, 1.5時間, 90 min, 2 hours
        (rf"{_HOURS}\s*時間\s*(?:(?P<half>半)|{_MINUTES}\s*分)?\s*間?", _length),
        (rf"{_HOURS}\s*h(?:ours?|rs?)?\b", _length),
        (rf"{_MINUTES}\s*(?:分間?|min(?:ute)?s?\b)", _length),
        # 午後7時半, 19時30分, 19:00, 7 pm, 正午
        (rf"(?:{_BEFORE})?(?P<hour>\d{{1,2}})\s*時\s*(?:(?P<half>半)|(?P<minute>\d{{1,2}})\s*分?)?{_END}", _time),
        (
            rf"(?:{_BEFORE})?(?<!\d)(?P<hour>\d{{1,2}}):(?P<minute>\d\d)(?::00)?{_END}\s*(?:(?P<after>{_AM_PM})(?![a-z]))?",
            _time,
        ),
        (rf"(?<!\d)(?P<hour>\d{{1,2}})\s*(?P<after>{_AM_PM})(?![a-z])", _time),
        (r"正午|\bnoon\b", _one(Time(12))),
        # JST, +09:00
        (r"(?<![a-z])(jst|utc|gmt|z)(?![a-z])|(日本時間)", lambda m: iter((Zone(_ZONES[m[1] or m[2]]),))),
        (r"\+\d\d:\d\d(?![\d:])", lambda m: _offset(m[0])),
        # From a start to an end
        (r"から|より|[~〜\-‐‑‒–—―−ー→]|\b(?:to|until|till)\b", _one(Until())),
        # Between the words
        (r"[\s,、。の]|に|まで|\b(?:at|on|from|the)\b", _any),
    )
)


def _english(day: str, month: str, year: str | None) -> Iterator[Piece]:
    yield Day(int(day), _ENGLISH_MONTHS.index(month[:3]) + 1, int(year) if year else None)
