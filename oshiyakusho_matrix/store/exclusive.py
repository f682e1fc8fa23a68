"""A SQLite database belongs to one serving process at a time; this is how a second one finds out.

Taken by ``serve`` and by whatever replaces the whole database. The kernel lets go when the process ends, however it
ends, so nothing has to be cleared away after a crash. Commands that only add work for the serving process, like
``rooms apply``, do not need it: SQLite itself keeps their writes apart.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from oshiyakusho_matrix.core.errors import Misconfigured


@contextmanager
def exclusive(database_url: str) -> Iterator[None]:
    """Hold the database of a valid URL for this process. ``Misconfigured`` if another one has it; PostgreSQL is shared.

    The lock is on a file beside the database, because locks on its own file are SQLite's.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        yield
        return
    path = Path(f"{url.database}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                f"database_url: another process (number {file.read().strip() or 'unknown'}) is serving with "
                f"{url.database}: end it first. Several processes can share a PostgreSQL database, not a SQLite file."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
