"""Rows that cannot be read: one of them must not hide all the others. Used by the ``tables`` that hold records.

A file that was damaged, a hand that slipped in the database, a program that was newer: what a mapping makes of such a
row is an error of Python, in one of these kinds. Whoever lists passes it over; ``Broken`` names it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Row

from oshiyakusho_matrix.core.text import visible

T = TypeVar("T")

#: What reading a damaged row raises.
UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read: its table, its key there (which may name a person), and what is wrong with it."""

    table: str
    row: str
    why: str


def readable(rows: Iterable[Row[Any]], read: Callable[[Row[Any]], T]) -> Iterator[T]:
    """Yield what is read of the rows that can be."""
    for row in rows:
        try:
            yield read(row)
        except UNREADABLE:
            continue


def broken_among(rows: Iterable[Row[Any]], read: Callable[[Row[Any]], object], table: str) -> Iterator[Broken]:
    """Yield the rows that cannot be read; the first column is the key."""
    for row in rows:
        try:
            read(row)
        except UNREADABLE as error:
            yield Broken(table, str(row[0]), visible(f"{type(error).__name__}: {error}", limit=100))
