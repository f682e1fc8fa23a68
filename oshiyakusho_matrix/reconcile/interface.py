"""What a controller is, and how anybody asks for one to run: by key, with a time, in the same commit as the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True, order=True)
class WorkKey:
    """Names what should be looked at, never what should be done to it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Priority(IntEnum):
    """Lower runs first among keys that are due."""

    GATE = 0
    ASKED = 10
    ROUTINE = 20
    PARENT = 30
    SWEEP = 40


@dataclass(frozen=True, slots=True)
class Settled:
    """What a controller found when it was done.

    ``look_again`` is when the key is due next, None for never by itself. ``said`` is the outcome in words, for
    whoever waits for this key.
    """

    look_again: datetime | None = None
    said: Sequence[Text] = ()


class Controller(Protocol):
    """Makes the homeserver agree with one record."""

    @property
    def kind(self) -> str:
        """The kind of key it serves, as in ``WorkKey.kind``."""

    async def reconcile(self, name: str) -> Settled:
        """Close the difference. Raises ``Temporary`` (tried again) or ``Permanent`` (parked, secretariat told)."""


class Work(Protocol):
    """The work queue as services see it."""

    async def ask(
        self, tx: Transaction, *keys: WorkKey, due: datetime | None = None, priority: Priority = Priority.ROUTINE
    ) -> None:
        """Queue keys (due now unless said); a key that is queued already keeps its earlier time and higher priority.

        Asked while being worked on, it runs once more afterwards.
        """


class FollowUps(Protocol):
    """Answers that wait until keys have been worked on, so that a reply reports the outcome, not the intention."""

    async def promise(self, tx: Transaction, *, to: ReplyTo, keys: Sequence[WorkKey], done: Text) -> None:
        """Reply with ``done`` and what the controllers said, once every key has settled (from now on).

        If that takes longer than a few seconds, or fails, the asker is told so meanwhile.
        """

    async def overtake(self, tx: Transaction, key: WorkKey, instead: Text) -> None:
        """Have answers that still wait for ``key`` say ``instead`` of what they would: it is not so any more."""
