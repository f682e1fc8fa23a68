"""Parts of a public body that have staff of their own, told by what stands before the body's domain. Pure.

JPNIC asks a body to house its police, boards of education, fire brigades and works below its own domain; so these are
as genuine as the body. Pupils and teachers of schools have mailboxes below such domains, too: they are told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from oshiyakusho_matrix.roster.organisations import Kind, Organisation
from oshiyakusho_matrix.roster.organisations.romaji import reduced

_POLICE: Final = frozenset({"police", "keisatsu", "keisatu"})
_TOKYO: Final = "130001"
_OF_TOKYO: Final = {"keishicho": "警視庁", "police": "警視庁", "keisatsu": "警視庁", "tfd": "東京消防庁"}
#: By reduced spelling: what a part is called behind the name of its body.
_PARTS: Final = {
    "kyoi": "教育委員会", "kyoiku": "教育委員会", "kyoikuinkai": "教育委員会", "kyoikuiinkai": "教育委員会",
    "boe": "教育委員会", "fire": "消防", "shobo": "消防", "shobohonbu": "消防", "suido": "水道", "water": "水道",
    "kotsu": "交通", "hospital": "病院", "byoin": "病院", "gikai": "議会",
}  # fmt: skip
#: Below these, pupils may have mailboxes.
_SCHOOLS: Final = frozenset({"edu", "ed", "school", "schools", "sch", "gakko", "student", "students"})


@dataclass(frozen=True, slots=True)
class Part:
    """A part, None for the body as such; and whether ``schools`` are meant, whose pupils have mailboxes, too."""

    name: str | None = None
    schools: bool = False


def part_of(organisation: Organisation | None, labels: Sequence[str]) -> Part:
    """Return which part the labels before a body's domain mean, the nearest to it first."""
    for label in reversed(labels):
        if label in _SCHOOLS:
            return Part(schools=True)
        if organisation is not None and (name := _named(organisation, label)) is not None:
            return Part(name)
    return Part()


def _named(organisation: Organisation, label: str) -> str | None:
    if organisation.kind is Kind.NATIONAL:
        return None
    if organisation.code == _TOKYO and label in _OF_TOKYO:
        return _OF_TOKYO[label]
    if organisation.kind is Kind.PREFECTURE and label in _POLICE:
        return f"{organisation.name}警察"
    kind = _PARTS.get(reduced(label))
    return f"{organisation.name}{kind}" if kind is not None else None
