"""The list of public bodies in memory: by code, by name, and by whatever somebody has typed so far.

Read once from ``organisations.csv``, which is part of the package. The form and the page on domains call ``search`` at
each key stroke, the rules on domains and the commands ``get``, ``named`` and iteration.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from oshiyakusho_matrix.roster.organisations.domain import Kind, Organisation
from oshiyakusho_matrix.roster.organisations.folding import fold_japanese
from oshiyakusho_matrix.roster.organisations.romaji import reduced, romanised

#: How well a word fits; the less, the better.
_WHOLE, _BEGINS, _INSIDE, _IN_PREFECTURE = range(4)
#: Longer than any name; more is not looked at.
_LONGEST_QUERY: Final = 60
_MARK: Final = "\0"
#: Who chose a label may search for it again.
_BETWEEN_WORDS: Final = str.maketrans("()" + _MARK, "   ")
_LATIN: Final = re.compile(r"[a-z][a-z'-]*")


@dataclass(frozen=True, slots=True)
class _Entry:
    """An organisation and how it may be typed, folded.

    ``whole`` are its names as such, ``readable`` those of which a part will do, ``qualified`` begin with the
    prefecture. Those but ``whole`` are joined as ``_joined`` does.
    """

    organisation: Organisation
    whole: frozenset[str]
    readable: str
    latin: str
    latin_whole: str
    prefecture: str
    qualified: str


class Organisations:
    """All bodies, local ones first, in the order of their codes, which is the one that officials expect."""

    def __init__(self, organisations: Iterable[Organisation]) -> None:
        self._all = tuple(organisations)
        self._by_code = {each.code: each for each in self._all}
        kana = {each.name: each.kana for each in self._all if each.kind is Kind.PREFECTURE}
        self._entries = [_entry(each, kana.get(each.prefecture, "")) for each in self._all]
        self._by_name: dict[str, list[Organisation]] = {}
        for each in self._all:
            for name in {fold_japanese(name) for name in _names(each)}:
                self._by_name.setdefault(name, []).append(each)

    def __iter__(self) -> Iterator[Organisation]:
        return iter(self._all)

    def get(self, code: str) -> Organisation | None:
        """Return the body of this code."""
        return self._by_code.get(code)

    def named(self, text: str) -> Sequence[Organisation]:
        """Return those of exactly this code, name or label; several where a name is shared."""
        wanted = fold_japanese(text)
        if (found := self._by_code.get(wanted)) is not None:
            return (found,)
        return self._by_name.get(wanted, ())

    def search(self, text: str, limit: int = 10) -> Sequence[Organisation]:
        """Return those that fit what was typed so far, the best first, in the order of codes where equally good.

        A word may be (the beginning of) a name, its reading in any kana or in Latin letters, or the code; words after
        a space narrow it down, by prefecture, too: ``北海道 森``. Nothing typed finds nothing.
        """
        words = fold_japanese(text[:_LONGEST_QUERY]).translate(_BETWEEN_WORDS).split()
        if not words or limit < 1:
            return ()
        queries = [(word, reduced(word) if _LATIN.fullmatch(word) else "") for word in words]
        ranked = [
            (rank, place) for place, entry in enumerate(self._entries) if (rank := _rank(entry, queries)) is not None
        ]
        return [self._all[place] for _, place in sorted(ranked)[:limit]]


def _rank(entry: _Entry, queries: Sequence[tuple[str, str]]) -> int | None:
    """Return how well all words fit, or None if one does not, or if they say no more than the prefecture."""
    total, best = 0, _IN_PREFECTURE
    for word, latin in queries:
        fit = _fit(entry, word, latin)
        if fit is None:
            return None
        total += fit
        best = min(best, fit)
    return None if best is _IN_PREFECTURE else total


def _fit(entry: _Entry, word: str, latin: str) -> int | None:
    if word in entry.whole or (latin and latin == entry.latin):
        return _WHOLE
    if word in entry.readable:
        return _BEGINS if _MARK + word in entry.readable else _INSIDE
    if latin and entry.latin_whole.startswith(latin):
        return _BEGINS
    if _MARK + word in entry.qualified:
        return _IN_PREFECTURE if _MARK + word in entry.prefecture else _BEGINS
    return None


def _joined(names: Iterable[str]) -> str:
    """Return names as one text, which is quicker to look through: each begins with a character that nobody types."""
    return "".join(_MARK + name for name in names)


def _names(each: Organisation) -> tuple[str, ...]:
    whole = f"{each.prefecture}{each.name}" if each.label != each.name else each.name
    return each.name, each.label, whole, each.code, *each.also


def _entry(each: Organisation, prefecture_kana: str) -> _Entry:
    names = [fold_japanese(name) for name in (each.name, each.kana, *each.also)]
    stems = [fold_japanese(name) for name in (each.stem, each.stem_kana)]
    prefecture = [] if each.name == each.prefecture else [(each.prefecture, each.name), (prefecture_kana, each.kana)]
    return _Entry(
        organisation=each,
        whole=frozenset([*names, *stems, each.code]),
        readable=_joined([*names, each.code]),
        latin=reduced(romanised(each.stem_kana)),
        latin_whole=reduced(romanised(each.kana)),
        prefecture=_joined(fold_japanese(lead) for lead, _ in prefecture),
        qualified=_joined(fold_japanese(lead + name) for lead, name in prefecture),
    )


@cache
def organisations() -> Organisations:
    """Return the shipped list."""
    text = files(__package__).joinpath("organisations.csv").read_text(encoding="utf-8")
    return Organisations(
        Organisation(
            code=row["code"],
            kind=Kind(row["kind"]),
            prefecture=row["prefecture"],
            name=row["name"],
            kana=row["kana"],
            also=tuple(row["also"].split()),
            parent=row["parent"],
        )
        for row in csv.DictReader(text.splitlines())
    )
