"""What the work queue hands out: leases on keys, and counts. Made by ``queue``, read by the loop and by commands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.text import Value
from oshiyakusho_matrix.reconcile.interface import WorkKey


class LeaseLost(CityHallError):
    """The lease ran out and somebody else has the key: what was about to be written is theirs to write."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on ``key`` for a while.

    ``asked`` is the latest request that the run answers. ``told``: 事務局室 has been told that the key fails.
    ``told_parked``: the reason for which it was parked before, as 事務局室 was told. ``reference`` is that of the event
    which asked for it last. ``due_at`` is since when it was due.
    """

    key: WorkKey
    token: str
    asked: int
    attempts: int
    crashes: int
    told: bool
    told_parked: str | None = None
    reference: str | None = None
    due_at: datetime | None = None


def lease_of(row: Row[Any], token: str) -> Lease:
    """Return the lease on the key of a row of the work queue."""
    return Lease(
        WorkKey(row.kind, row.name),
        token,
        row.asked,
        row.attempts,
        row.crashes,
        told=row.told_at is not None,
        told_parked=row.told_parked,
        reference=row.reference,
        due_at=row.due_at,
    )


@dataclass(frozen=True, slots=True)
class ParkedWork:
    """A key that is not tried again until somebody asks for it. Keys that one event asked for share a reference."""

    key: WorkKey
    why: Value
    since: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class FailingWork:
    """A key whose runs have failed ``attempts`` times since ``since`` and that is tried again, next at ``due_at``."""

    key: WorkKey
    why: Value
    attempts: int
    since: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How many keys are due, in somebody's hands, waiting for another attempt, due later, parked."""

    due: int = 0
    leased: int = 0
    retrying: int = 0
    later: int = 0
    parked: int = 0

    @property
    def busy(self) -> int:
        """Keys whose outcome is still to come."""
        return self.due + self.leased + self.retrying
