"""Dates as Japanese offices write them: in the era and in the Western calendar. Pure.

Officials type the era, and with whatever keyboard they have; people read both. Stored are plain dates.
"""

import re
from datetime import date
from typing import Final

from oshiyakusho_matrix.core.text import fold

#: 令和 began on 1 May 2019 (政令第143号, 平成31年4月1日); its first year is written 元年.
_ERA: Final = "令和"
_BEGAN: Final = date(2019, 5, 1)
_BEFORE_FIRST: Final = 2018
_DAYS: Final = {"ja": "月火水木金土日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_BETWEEN: Final = r"\s*[./\-ー‐−–]\s*"
_WRITTEN: Final = re.compile(
    rf"(?:(?:令和|r)\s*(?P<of_era>元|\d{{1,2}})|(?P<year>\d{{4}}))(?:\s*年\s*|{_BETWEEN})"
    rf"(?P<month>\d{{1,2}})(?:\s*月\s*|{_BETWEEN})(?P<day>\d{{1,2}})\s*日?"
)
_BARE: Final = re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)", re.ASCII)


def read_date(text: str) -> date:
    """Read 令和8年3月31日, R8.3.31, 2026/3/31, 2026-03-31 or 20260331, full-width too; ValueError if it is no date."""
    bare = fold(text)
    found = _BARE.fullmatch(bare) or _WRITTEN.fullmatch(bare)
    if found is None:
        raise ValueError("not a date")
    parts = found.groupdict()
    of_era = parts.get("of_era")
    year = int(parts["year"]) if of_era is None else _BEFORE_FIRST + (1 if of_era == "元" else int(of_era))
    try:
        day = date(year, int(parts["month"]), int(parts["day"]))
    except ValueError:
        raise ValueError("not a date: there is no such day") from None
    if of_era is not None and day < _BEGAN:
        raise ValueError("not a date: the era had not begun")
    return day


def written(day: date, language: str) -> str:
    """Write a date for people: 令和8年4月1日(水)(2026-04-01); 1 April 2026 (Wed)."""
    weekday = _DAYS[language][day.weekday()]
    if language != "ja":
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year} ({weekday})"
    if day < _BEGAN:
        return f"{day.year}年{day.month}月{day.day}日({weekday})"
    year = day.year - _BEFORE_FIRST
    return f"{_ERA}{'元' if year == 1 else year}年{day.month}月{day.day}日({weekday})({day.isoformat()})"
