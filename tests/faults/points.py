"""The steps of a process: before and after each call to the homeserver, each write and each commit to the database.

The runner puts ``watched`` around its homeserver, and ``watch`` looks at every database engine of the process; the
product knows nothing of it. At the step that the order names, the process gets SIGKILL from itself: nothing of it runs
any more, no handler, no rollback.

A step has a number, and a name: ``after create_room #3`` is the third of that kind. What runs side by side comes in
another order each time, so the same number may be another step in the next run; the same name is not.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from oshiyakusho_matrix.homeserver.interface import Homeserver

_WRITES = ("INSERT", "UPDATE", "DELETE")
#: The number of a step, or its name.
Step = int | str
#: Where a connection notes what its transaction wrote first, and then that this is being committed.
_WROTE, _COMMITTING = "faults.wrote", "faults.committing"


class Points:
    """Counts steps from 1, writes the name of each to ``log``, and kills the process at ``kill_at`` (None: never).

    ``then`` is told the number of each step that was outlived.
    """

    def __init__(self, kill_at: Step | None, log: Path, then: Callable[[int], None] | None = None) -> None:
        self._kill_at = kill_at
        self._then = then
        self._number = 0
        self._names = Counter[str]()
        # The product writes from more than one thread.
        self._lock = threading.Lock()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def count_from_here(self, kill_at: Step | None) -> None:
        """Forget the steps so far."""
        with self._lock:
            self._kill_at, self._number = kill_at, 0
            self._names.clear()
            os.ftruncate(self._log, 0)
            os.lseek(self._log, 0, os.SEEK_SET)

    def reach(self, what: str) -> None:
        """Note a step, and die if it is the one."""
        with self._lock:
            self._number += 1
            self._names[what] += 1
            name = f"{what} #{self._names[what]}"
            os.write(self._log, f"{name}\n".encode())
            if self._kill_at in (self._number, name):
                os.kill(os.getpid(), signal.SIGKILL)
            if self._then is not None:
                self._then(self._number)


class _Watched:
    """Any homeserver, with a step on either side of each call."""

    def __init__(self, homeserver: object, points: Points) -> None:
        self._homeserver = homeserver
        self._points = points

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self._homeserver, name)

        async def watched_call(*args: Any, **options: Any) -> Any:
            self._points.reach(f"before {name}")
            answer = await call(*args, **options)
            self._points.reach(f"after {name}")
            return answer

        return watched_call


def watched(homeserver: object, points: Points) -> Homeserver:
    """Return the homeserver with a step on either side of each call."""
    return cast(Homeserver, _Watched(homeserver, points))


def watch(points: Points) -> None:
    """Make steps of each writing statement and of each commit of something written, on whatever connection."""

    def before_statement(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        words = statement.split(maxsplit=3)
        if words[0].upper() in _WRITES:
            # "INSERT INTO member", "DELETE FROM work", "UPDATE work"
            what = " ".join(words[: 2 if words[0].upper() == "UPDATE" else 3])
            connection.info.setdefault(_WROTE, what)
            points.reach(f"before {what}")

    def before_commit(connection: Connection) -> None:
        if what := connection.info.pop(_WROTE, None):
            points.reach(f"before commit of {what}")
            connection.info[_COMMITTING] = what

    def rolled_back(connection: Connection) -> None:
        connection.info.pop(_WROTE, None)

    def given_back(_dbapi: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # There is no event right after a commit; between the two nothing of the product runs.
        if what := record.info.pop(_COMMITTING, None):
            points.reach(f"after commit of {what}")

    event.listen(Engine, "before_cursor_execute", before_statement)
    event.listen(Engine, "commit", before_commit)
    event.listen(Engine, "rollback", rolled_back)
    event.listen(Engine, "checkin", given_back)
