"""The border where the database's errors become ours: what may pass by itself is ``Temporary``, the rest is a bug.

Used by ``Store`` around every unit of work. PostgreSQL quotes the values of a refused row in its errors; those are
people's names and words, so its own message goes no further than this file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from oshiyakusho_matrix.core.errors import CityHallError, Temporary


class StatementRefused(CityHallError):
    """A statement is wrong, or a row breaks a constraint: a bug (or a race). Whoever runs the work counts and parks."""


@contextmanager
def retyped() -> Iterator[None]:
    """Turn what the database may get over (locked, restarted, out of connections, deadlock) into ``Temporary``."""
    try:
        yield
    except PoolTimeout as error:
        raise Temporary("the database has no free connection") from error
    except DBAPIError as error:
        if _may_pass(error):
            raise Temporary(f"the database is not available ({type(error.orig).__name__})") from error
        raise StatementRefused(f"the database refused a statement: {_cause(error)}") from None


def _may_pass(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.OperationalError):
        # Python's sqlite3 calls a wrong statement "operational", too; SQLite's own code tells it apart.
        return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _cause(error: DBAPIError) -> str:
    """Say what was refused in names of tables and columns alone."""
    # PostgreSQL's driver has it. It is not imported for that: on SQLite nothing else needs its 8 MiB.
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        names = (diagnosis.table_name, diagnosis.column_name, diagnosis.constraint_name)
        return " ".join([type(error.orig).__name__, *(name for name in names if name)])
    return str(error.orig)  # SQLite names the constraint and quotes no values
