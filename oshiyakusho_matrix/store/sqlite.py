"""The driver of SQLite, made fit for a house that runs many small statements and may be interrupted in any of them.

aiosqlite runs a connection in a thread of its own, and SQLAlchemy crosses to it four times for a statement: to make a
cursor, to execute, to fetch and to close. Here a statement with few rows is one crossing. Used by ``engine`` alone.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, Self

import aiosqlite

#: So many rows come along at once. A statement that has more is kept open until they are fetched.
_AT_ONCE: Final = 200


def connect(path: str, **options: Any) -> "OneTripConnection":
    """Return a connection that is opened by awaiting it. ``options`` are those of ``sqlite3.connect``."""
    connection = OneTripConnection(lambda: sqlite3.connect(path, factory=RollingBack, **options), _AT_ONCE)
    connection._thread.daemon = True  # as SQLAlchemy has it with those that it opens itself
    return connection


class RollingBack(sqlite3.Connection):
    """A connection that gives its locks back when it is closed.

    When a task is cancelled in the middle of a statement, SQLAlchemy closes the connection, but the statement may still
    be held by the exception, and SQLite keeps a connection with such a statement alive, with its transaction and its
    locks (https://sqlite.org/c3ref/close.html): nobody could write any more until the process ended.
    """

    def close(self) -> None:
        """Roll back and close."""
        self.rollback()
        super().close()


class OneTripCursor:
    """What SQLAlchemy asks of a cursor. Of most statements all is known once they have been executed."""

    arraysize = 1

    def __init__(self, connection: "OneTripConnection") -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self._rest: sqlite3.Cursor | None = None
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Execute a statement; afterwards its first rows are here."""
        await self._connection.run(self._execute, sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Self:
        """Execute a statement once for each of ``parameters``."""
        await self._connection.run(self._execute, sql, parameters, many=True)
        return self

    async def fetchmany(self, size: int) -> list[Any]:
        """Return the next ``size`` rows; fewer if there are no more."""
        if len(self._rows) < size and self._rest is not None:
            await self._connection.run(self._fetch, self._rest, size)
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        if self._rest is not None:
            await self._connection.run(self._fetch, self._rest, None)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Let go of the statement."""
        if self._rest is not None:
            await self._connection.run(self._let_go, self._rest)

    def _execute(self, raw: sqlite3.Connection, sql: str, parameters: Any, *, many: bool) -> None:
        self._rest = cursor = raw.cursor()
        (cursor.executemany if many else cursor.execute)(sql, parameters)
        self.description, self.lastrowid = cursor.description, cursor.lastrowid
        self._fetch(raw, cursor, _AT_ONCE)

    def _fetch(self, _raw: sqlite3.Connection, cursor: sqlite3.Cursor, size: int | None) -> None:
        more = cursor.fetchall() if size is None else cursor.fetchmany(size)
        self._rows += more
        self.rowcount = cursor.rowcount
        if size is None or len(more) < size:
            cursor.close()
            self._rest = None

    def _let_go(self, _raw: sqlite3.Connection, cursor: sqlite3.Cursor) -> None:
        cursor.close()
        self._rest = None


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors are ``OneTripCursor``."""

    def cursor(self) -> Any:
        """Return a cursor."""
        return OneTripCursor(self)

    async def run(self, function: Any, *arguments: Any, **options: Any) -> None:
        """Run a function on the raw connection, in its thread."""
        await self._execute(function, self._conn, *arguments, **options)  # type: ignore[no-untyped-call]
