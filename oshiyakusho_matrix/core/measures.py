"""What one process counts while it works, for whoever watches it; ``operations.monitoring`` reads it at each scrape.

``app`` makes one ``Measures``; the controller loop and whatever takes people out of gated rooms write to it. Nothing is
decided by these numbers, and they begin at 0 with each start.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Final

#: Upper bounds of the classes in which durations are counted, in seconds.
BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


@dataclass(slots=True)
class Spread:
    """How often something took how long: ``total`` seconds in all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def up_to(self) -> Sequence[tuple[str, int]]:
        """Return how many took at most as long as each bound, the last bound being ``+Inf``."""
        return list(zip([*map(str, BOUNDS), "+Inf"], accumulate(self.counts), strict=True))


class Durations:
    """Durations by what took them."""

    def __init__(self) -> None:
        self._spreads: dict[str, Spread] = {}

    def add(self, what: str, duration: timedelta) -> None:
        """Count one. What clocks set back make negative counts as 0."""
        seconds = max(duration.total_seconds(), 0.0)
        spread = self._spreads.setdefault(what, Spread())
        spread.counts[bisect_left(BOUNDS, seconds)] += 1
        spread.total += seconds

    def read(self) -> Mapping[str, Spread]:
        """Return what was counted so far."""
        return self._spreads


@dataclass(slots=True)
class Measures:
    """``latency`` is from when a key was due until it had settled, ``runs`` what the controller took, both by kind.

    ``put_out`` counts those who were in a gated room without belonging there, and were put out: strangers and members
    who were removed, once for each room.
    """

    latency: Durations = field(default_factory=Durations)
    runs: Durations = field(default_factory=Durations)
    put_out: int = 0

    def took_out(self, ended: str | None) -> None:
        """Count somebody who was taken out of a gated room, if the membership that ended was one inside."""
        self.put_out += ended == "join"
