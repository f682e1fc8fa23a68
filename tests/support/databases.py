"""Databases for tests, whichever of the two it is: empty ones, copies, and a look inside behind the product's back."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, NullPool, create_engine, make_url


class Databases(Protocol):
    """Where databases are made: ``SqliteFiles`` or a ``Postgres``."""

    def fresh_database(self, *, like: str | None = None) -> AbstractContextManager[str]:
        """Make an empty database, or one ``like`` another that nobody uses now; yields its URL, and drops it after."""


class SqliteFiles:
    """Each database is a file in a folder of its own below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def fresh_database(self, *, like: str | None = None) -> Iterator[str]:
        """See ``Databases``."""
        with tempfile.TemporaryDirectory(dir=self._directory, prefix="database-") as folder:
            file = Path(folder) / "city.db"
            if like is not None:
                shutil.copy(str(make_url(like).database), file)
            yield f"sqlite+aiosqlite:///{file}"


@contextmanager
def opened(database_url: str) -> Iterator[Connection]:
    """Open a database in one transaction, to read or change what the product keeps there."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="sqlite")
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
