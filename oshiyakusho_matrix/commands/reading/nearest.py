"""Finds what somebody may have meant. Bounded, so that a wall of text costs nothing."""

from collections.abc import Sequence
from difflib import get_close_matches

_LONGEST = 60


def nearest(typed: str, known: Sequence[str], *, count: int = 3) -> tuple[str, ...]:
    """Return those of ``known`` that look most like ``typed`` (folded, as they are), the nearest first."""
    return tuple(get_close_matches(typed[:_LONGEST], known, n=count, cutoff=0.6))
