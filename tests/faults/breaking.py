"""What breaks within the process at a step of it: the database is locked, the disk is full, the clock jumps.

Put into the process that serves by ``runner``; the product knows nothing of it. (kill -9 is what ``points`` does.)
"""

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import Pool, event

from oshiyakusho_matrix.core import clock

#: For how long each of them lasts, in seconds.
LASTS = 1.5
#: How far the clock jumps; afterwards it is set right again.
JUMP = timedelta(minutes=5)
#: How long a statement waits for a locked database here, in milliseconds: less than it stays locked.
_BUSY = 200
#: As many pages as SQLite can have; and fewer than there are, which it takes for "as many as there are".
_UNBOUNDED, _FULL = 2**30, 1


class Breaker:
    """Breaks things when ``reached`` comes to a number that ``kinds`` names."""

    def __init__(self, kinds: Mapping[int, str], database: Path) -> None:
        self._kinds = kinds
        self._database = database
        self._full = threading.Event()
        if kinds:
            event.listen(Pool, "checkout", self._prepare)
            clock.datetime = _Jumping  # type: ignore[attr-defined]

    def reached(self, number: int) -> None:
        """Break what is due at this step."""
        match self._kinds.get(number):
            case "locked":
                threading.Thread(target=self._lock, daemon=True).start()
            case "disk full":
                self._full.set()
                _later(self._full.clear)
            case "clock forward":
                _jump(JUMP)
            case "clock back":
                _jump(-JUMP)

    def _lock(self) -> None:
        with closing(sqlite3.connect(self._database, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            threading.Event().wait(LASTS)
            connection.execute("ROLLBACK")

    def _prepare(self, connection: Any, *_rest: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY}")
        cursor.execute(f"PRAGMA max_page_count = {_FULL if self._full.is_set() else _UNBOUNDED}")
        cursor.close()


class _Jumping(datetime):
    """The class that ``core.clock`` asks for the time."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """Return the time that the clock shows."""
        return datetime.now(tz) + cls.ahead


def _jump(ahead: timedelta) -> None:
    _Jumping.ahead = ahead
    _later(lambda: setattr(_Jumping, "ahead", timedelta()))


def _later(then: Any) -> None:
    timer = threading.Timer(LASTS, then)
    timer.daemon = True
    timer.start()
