"""What goes wrong in one day, and when: drawn from a seed, so that a day that failed can be lived through again.

A fault has its place in a row of like things: the requests to the homeserver, the transactions from it, or the steps
of the process (``points``). How fast the machine is moves faults by a few places; what they are stays.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Where(StrEnum):
    """Which row of things a fault is numbered in."""

    OUTWARD = "request"
    INWARD = "transaction"
    WITHIN = "step"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with number ``at`` (from 1) of its row, and with so many (``times``) after it."""

    kind: str
    at: int
    times: int = 1

    @property
    def where(self) -> Where:
        """Its row."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        several = f" to {self.at + self.times - 1}" if self.times > 1 else ""
        return f"{self.kind} at {self.where} {self.at}{several}"


#: Every kind, and where it happens.
KINDS: Mapping[str, Where] = {
    "429 with retry_after_ms": Where.OUTWARD,
    "429 without retry_after_ms": Where.OUTWARD,
    "401": Where.OUTWARD,
    "403": Where.OUTWARD,
    "404 of a proxy": Where.OUTWARD,
    "404 M_UNRECOGNIZED": Where.OUTWARD,
    "404 M_NOT_FOUND": Where.OUTWARD,
    "502": Where.OUTWARD,
    "504 before": Where.OUTWARD,
    "504 after": Where.OUTWARD,
    "reset before": Where.OUTWARD,
    "reset after": Where.OUTWARD,
    "timeout before": Where.OUTWARD,
    "timeout after": Where.OUTWARD,
    "truncated": Where.OUTWARD,
    "slow": Where.OUTWARD,
    "replayed": Where.INWARD,
    "replayed under a new id": Where.INWARD,
    "twice at once": Where.INWARD,
    "delayed": Where.INWARD,
    "refused": Where.INWARD,
    "dropped before": Where.INWARD,
    "dropped after": Where.INWARD,
    "locked": Where.WITHIN,
    "disk full": Where.WITHIN,
    "clock forward": Where.WITHIN,
    "clock back": Where.WITHIN,
    "kill -9": Where.WITHIN,
}
#: What the service takes for an answer of the homeserver, as it must; people have to say ``!retry`` afterwards.
REFUSALS = frozenset({"403", "404 M_UNRECOGNIZED", "404 M_NOT_FOUND"})
#: How many there are of each in an undisturbed day, about.
_LENGTH = {Where.OUTWARD: 80, Where.INWARD: 75, Where.WITHIN: 720}
#: These come in bursts, as they do when a homeserver is away.
_BURSTS = {"502", "504 before", "reset before", "429 without retry_after_ms", "refused"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults of one day."""

    seed: int
    faults: tuple[Fault, ...] = ()
    #: How much the service does at once.
    hands: int = 8

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Draw a plan. So many seeds that follow one another as there are kinds have each kind at least once."""
        dice = random.Random(seed)  # noqa: S311 - a test that is the same each time
        kinds = list(KINDS)
        chosen = [kinds[seed % len(kinds)], *dice.choices(kinds, k=dice.randint(2, 7))]
        # People would lose patience with a homeserver that refuses all day what it should not.
        refusing = [kind for kind in chosen if kind in REFUSALS][2:]
        for kind in refusing:
            chosen.remove(kind)
        # One burst a row: after two that meet, the service waits longer than people do.
        bursts = {KINDS[kind]: number for number, kind in enumerate(chosen) if kind in _BURSTS}
        faults = tuple(_draw(dice, kind, burst=bursts.get(KINDS[kind]) == number) for number, kind in enumerate(chosen))
        return cls(seed, faults, dice.choice((1, 8)))

    @property
    def refuses(self) -> bool:
        """Whether something is refused, so that it is right to park it."""
        return any(fault.kind in REFUSALS for fault in self.faults)

    def of_row(self, where: Where) -> dict[int, str]:
        """Return the kinds of one row by number."""
        return {
            fault.at + step: fault.kind for fault in self.faults if fault.where == where for step in range(fault.times)
        }

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.hands} hands: " + ("; ".join(map(str, self.faults)) or "undisturbed")


def _draw(dice: random.Random, kind: str, *, burst: bool) -> Fault:
    return Fault(kind, dice.randint(1, _LENGTH[KINDS[kind]]), dice.randint(1, 4) if burst else 1)
