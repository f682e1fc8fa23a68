"""The steps of a process: before and after each call to the homeserver, each write and each commit to the database.

The runner puts ``watched`` around its homeserver and ``watch`` on its engine; the product knows nothing of it. At the
step that the order names, the process gets SIGKILL from itself: nothing of it runs any more, no handler, no rollback.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from oshiyakusho_matrix.homeserver.interface import Homeserver

_WRITES = ("INSERT", "UPDATE", "DELETE")
#: Where a connection notes that its transaction has written something, and then that this is being committed.
_WROTE, _COMMITTING = "faults.wrote", "faults.committing"


class Points:
    """Counts steps from 1, writes each to ``log``, and kills the process at number ``kill_at`` (None: never).

    ``then`` is told the number of each step that was outlived.
    """

    def __init__(self, kill_at: int | None, log: Path, then: Callable[[int], None] | None = None) -> None:
        self._kill_at = kill_at
        self._then = then
        self._number = 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def count_from_here(self, kill_at: int | None) -> None:
        """Forget the steps so far."""
        self._kill_at, self._number = kill_at, 0
        os.ftruncate(self._log, 0)
        os.lseek(self._log, 0, os.SEEK_SET)

    def reach(self, what: str) -> None:
        """Note a step, and die if it is the one."""
        self._number += 1
        os.write(self._log, f"{self._number} {what}\n".encode())
        if self._number == self._kill_at:
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


def watch(engine: AsyncEngine, points: Points) -> None:
    """Make steps of each writing statement and of each commit of something written."""

    def before_statement(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        verb = statement.lstrip().split(" ", 1)[0].upper()
        if verb in _WRITES:
            connection.info[_WROTE] = True
            points.reach(f"before {' '.join(statement.split()[:4])}")

    def before_commit(connection: Connection) -> None:
        if connection.info.pop(_WROTE, False):
            points.reach("before commit")
            connection.info[_COMMITTING] = True

    def rolled_back(connection: Connection) -> None:
        connection.info.pop(_WROTE, None)

    def given_back(_dbapi: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # There is no event right after a commit; between the two nothing of the product runs.
        if record.info.pop(_COMMITTING, False):
            points.reach("after commit")

    event.listen(engine.sync_engine, "before_cursor_execute", before_statement)
    event.listen(engine.sync_engine, "commit", before_commit)
    event.listen(engine.sync_engine, "rollback", rolled_back)
    event.listen(engine.sync_engine, "checkin", given_back)
