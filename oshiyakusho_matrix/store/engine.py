"""Opens the database: SQLite in a file (embedded, the default) or PostgreSQL, set up so that both behave alike.

Called once a process, by ``operations`` or ``db upgrade``; ``Store`` and ``upgrade`` get what it returns. On SQLite a
transaction that will write says so when it begins (``BEGIN IMMEDIATE``), because one that turns from reading to writing
half-way is refused with SQLITE_BUSY however long it would wait (https://sqlite.org/lang_transaction.html).
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.store.sqlite import connect

#: Execution option of connections whose transactions write.
WRITING: Final = "oshiyakusho_writing"

#: The driver that we use, by what a URL may begin with.
DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}

#: What stands for JSON that cannot be read; where an object or a list is expected, it is neither.
UNREADABLE: Final = "(unreadable)"

_EXPECTED: Final = "sqlite+aiosqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
_PRAGMAS: Final = (
    "PRAGMA busy_timeout = 10000",  # first, so that the next one waits as well; milliseconds
    "PRAGMA journal_mode = WAL",
    # FULL, not NORMAL: once the homeserver has had its 200 it forgets the events, so a commit must survive the loss of
    # power. In WAL mode NORMAL keeps the file whole but may lose the latest commits (https://sqlite.org/pragma.html).
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten, however SQLite was built: applications are to be gone when their time is over.
    "PRAGMA secure_delete = ON",
)
#: Within a transaction nothing is waited for but the database and files, so none of ours rests so long; milliseconds.
_LET_GO: Final = "SET idle_in_transaction_session_timeout = 10000"


def create_engine(url: str) -> AsyncEngine:
    """Return an engine for ``url``; nothing is connected yet, but the file of a SQLite database is made (mode 0600).

    Raises ``Misconfigured`` for a URL that names no database we can use; the message never holds the password.
    """
    parsed = _parse(url)
    # Values stay out of error messages: they are other people's words and names.
    common: dict[str, Any] = {"hide_parameters": True, "pool_size": 10, "max_overflow": 10, "pool_timeout": 30}
    common["json_deserializer"] = _read_json
    if parsed.get_backend_name() == "sqlite":
        _make_private(parsed)
        engine = create_async_engine(parsed, connect_args={"async_creator_fn": connect}, **common)
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    # A database that was restarted has closed our connections: pre_ping finds out before a statement is lost.
    engine = create_async_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 10}, **common)
    event.listen(engine.sync_engine, "connect", _set_up_postgresql)
    return engine


def create_sync_engine(url: URL) -> Engine:
    """Return an engine that writes, for one thread, on the database of an engine that ``create_engine`` made."""
    if url.get_backend_name() != "sqlite":
        engine = sqlalchemy.create_engine(url, hide_parameters=True, pool_size=1, connect_args={"connect_timeout": 10})
        event.listen(engine, "connect", _set_up_postgresql)
        return engine
    engine = sqlalchemy.create_engine(url.set(drivername="sqlite"), hide_parameters=True, pool_size=1)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "connect", _leave_checkpoints)
    event.listen(engine, "begin", _begin_sqlite)
    return engine.execution_options(**{WRITING: True})


async def require_reachable(engine: AsyncEngine) -> None:
    """Connect once; ``Misconfigured`` in one sentence if that fails. For the start, where waiting would not help."""
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SELECT 1")
    except (DBAPIError, OSError, ValueError) as error:
        where = engine.url.render_as_string(hide_password=True)
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise Misconfigured(f"database_url: {where} cannot be opened ({cause[0] if cause else 'no reason'}).") from None


def _read_json(text: str) -> Any:
    """Read a JSON column. Damaged text becomes ``UNREADABLE``, or no row beside it could be read either."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Misconfigured(f"database_url: this is not the address of a database; expected {_EXPECTED}.") from None
    driver = DRIVERS.get(parsed.drivername)
    if driver is None:
        raise Misconfigured(f"database_url: {parsed.drivername} is not supported; expected {_EXPECTED}.")
    if driver == DRIVERS["sqlite"] and parsed.database in (None, "", ":memory:"):
        raise Misconfigured("database_url: a SQLite database needs a file; expected sqlite+aiosqlite:///PATH.")
    return parsed.set(drivername=driver)


def _make_private(url: URL) -> None:
    """Make the file before SQLite does: it, its -wal and its -shm then get mode 0600, whatever the umask."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise Misconfigured(f"database_url: {path} cannot be opened ({error.strerror}).") from None


def _set_up_sqlite(dbapi_connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    dbapi_connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    cursor = dbapi_connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
    finally:
        cursor.close()


def _set_up_postgresql(dbapi_connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Have the server end what is left open: a process that hangs, or a machine that is gone, must stop no other."""
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(_LET_GO)
        dbapi_connection.commit()
    finally:
        cursor.close()


def _leave_checkpoints(dbapi_connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Leave it to the others to bring the log into the file: whoever waits for this writer does not wait for that."""
    dbapi_connection.execute("PRAGMA wal_autocheckpoint = 0").close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
