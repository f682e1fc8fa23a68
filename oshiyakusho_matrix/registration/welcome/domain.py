"""A welcome's lifecycle, which divisions it offers, and what a word in the chat asks for. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Final, Protocol, TypeVar

from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.text import fold


class Division(Protocol):
    """What is to be known of a division, or of a prefecture circle (``roster.entrances.Entrance``)."""

    @property
    def slug(self) -> str:
        """Its short name."""

    @property
    def group(self) -> str:
        """The short name of the group it belongs to."""

    @property
    def circle(self) -> bool:
        """Whether it is a circle."""

    @property
    def ja(self) -> str:
        """Its Japanese name."""

    @property
    def en(self) -> str:
        """Its English name."""


D = TypeVar("D", bound=Division)


class State(StrEnum):
    """Where a welcome stands."""

    EXPECTED = "expected"
    DUE = "due"
    GIVEN = "given"
    OVER = "over"


class Step(StrEnum):
    """What can happen to one."""

    ENTER = "enter"
    GREET = "greet"
    REMIND = "remind"
    ARRIVE = "arrive"
    STOP = "stop"


#: All there is; what is not listed changes nothing. Whoever leaves the hall or is removed has no welcome any more.
#: ``ARRIVE``: they were found in a division, so nobody need remind them.
LIFECYCLE: Final[Mapping[tuple[State, Step], State]] = {
    (State.EXPECTED, Step.ENTER): State.DUE,
    (State.DUE, Step.GREET): State.GIVEN,
    (State.GIVEN, Step.REMIND): State.OVER,
    (State.GIVEN, Step.ARRIVE): State.OVER,
    (State.GIVEN, Step.STOP): State.OVER,
}

#: How long after the greeting somebody who has joined no division is reminded, once.
REMIND_AFTER: Final = timedelta(hours=48)
#: How many divisions are suggested, beside the prefecture circle.
SUGGESTED: Final = 3
#: What stands before each offer, and under the greeting as reactions.
SIGNS: Final = ("1️⃣", "2️⃣", "3️⃣", "4️⃣")

_KEYCAP: Final = "\u20e3"
_NUMBER: Final = re.compile(r"([1-9])\s*(?:番目?|つ目)?[.。]?")
_STOP: Final = frozenset(map(fold, ("stop", "ストップ", "不要", "不要です", "いらない", "いりません", "no thanks")))
_QUOTES: Final = "「」『』\"'`。.!！"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """One member's welcome. ``offers`` are slugs, numbered from one; with ``event_id`` the greeting in ``room_id``."""

    user_id: UserId
    reference: str
    state: State
    offers: tuple[str, ...] = ()
    room_id: RoomId | None = None
    event_id: EventId | None = None
    greeted_at: datetime | None = None


def decide_offers(known: Sequence[Division], *, prefecture: str | None, interests: Sequence[str]) -> list[str]:
    """Decide what to offer: the prefecture circle, then three divisions.

    First what they are interested in; then what the hall has by default: the first division of each group, then the
    second ones.
    """
    circles = [each.slug for each in known if each.circle and each.slug == f"kenjinkai-{prefecture}"]
    divisions = [each for each in known if not each.circle]
    slugs = {each.slug for each in divisions}
    wanted = [slug for slug in interests if slug in slugs]
    return [*circles, *dict.fromkeys((*wanted, *_by_default(divisions)))][: len(circles) + SUGGESTED]


def _by_default(divisions: Sequence[Division]) -> list[str]:
    before = Counter[str]()
    ranked = list[tuple[int, str]]()
    for each in divisions:
        ranked.append((before[each.group], each.slug))
        before[each.group] += 1
    return [slug for _, slug in sorted(ranked, key=itemgetter(0))]


def number_in(words: str) -> int | None:
    """Return which offer a word or a reaction names, from zero: ``2``, ``２``, ``2番``, ``2️⃣``."""
    found = _NUMBER.fullmatch(fold(words).replace(_KEYCAP, ""))
    return int(found.group(1)) - 1 if found else None


def says_stop(words: str) -> bool:
    """Tell whether somebody wants no reminder."""
    return fold(words).strip(_QUOTES) in _STOP


def division_in(words: str, known: Sequence[D]) -> D | None:
    """Return the division that is named, by its name in either language or its short name; None if there is no one."""
    wanted = fold(fold(words).strip(_QUOTES))
    by_slug = [each for each in known if wanted == each.slug]
    found = by_slug or [each for each in known if wanted in (fold(each.ja), fold(each.en))]
    return found[0] if len(found) == 1 else None
