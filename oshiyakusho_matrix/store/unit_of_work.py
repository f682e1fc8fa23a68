"""One unit of work is one database transaction; whatever must be true together is written in one.

Called by the inbox (one event), the controller loop (one key) and the outbox (one message). Nobody holds a
write transaction open while talking to the homeserver: look first, then write.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from oshiyakusho_matrix.store.engine import WRITING
from oshiyakusho_matrix.store.errors import retyped
from oshiyakusho_matrix.store.quick import QuickWriter


class Transaction:
    """An open write transaction: ``connection`` for statements, ``after_commit`` for waking sleepers.

    What is done on account of an event may have to be done again, when the records are those of a backup and the event
    is older than they are. So whatever it leads to is named by it (``caused_by``, ``new_name``), not at random: said
    again it has the same transaction id, and the homeserver, which remembers that, shows it once.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._after_commit: list[Callable[[], None]] = []
        self._cause: tuple[str, ...] | None = None
        self._named: Counter[tuple[str, ...]] = Counter()

    def after_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once the transaction has been committed; never if it is rolled back."""
        self._after_commit.append(wake)

    @contextmanager
    def caused_by(self, *cause: str) -> Iterator[None]:
        """Within, ``new_name`` follows from ``cause``. One cause serves one transaction that is ever committed."""
        before, self._cause = self._cause, cause
        try:
            yield
        finally:
            self._cause = before

    def new_name(self) -> str:
        """Return 24 hexadecimal digits: by the cause and how many it has had before, at random if there is no cause."""
        if self._cause is None:
            return secrets.token_hex(12)
        self._named[self._cause] += 1
        words = (*self._cause, str(self._named[self._cause]))
        return hashlib.sha256("\0".join(words).encode()).hexdigest()[:24]

    def committed(self) -> None:
        """Run what waited for the commit. Called by ``Store`` alone."""
        for wake in self._after_commit:
            wake()


class Store:
    """The way to the database that the rest of the house gets.

    Both ways in raise ``Temporary`` when the database is not available.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        sqlite = engine.dialect.name == "sqlite"
        #: Whether other processes may work on the same database.
        self.shared = not sqlite
        # SQLite lets one write at a time. Waiting for one's turn here costs nothing; waiting in SQLite is a busy wait.
        self._turn = asyncio.Lock() if sqlite else None
        self._writers: set[asyncio.Task[Any] | None] = set()
        self._writing = engine.execution_options(**{WRITING: True})
        self._quick = QuickWriter(engine)
        # PostgreSQL by itself shows each statement a newer picture; SQLite keeps that of the first statement.
        self._reading = (
            engine if sqlite else engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a write transaction; commit on leaving, roll back on an error.

        It is never opened inside another one of the same task: that could be half committed, and on SQLite it would
        wait for itself. Savepoints are ``tx.connection.begin_nested()``.
        """
        task = asyncio.current_task()
        if task in self._writers:
            raise RuntimeError("a transaction was opened inside a transaction of the same task")
        async with AsyncExitStack() as stack:
            stack.enter_context(retyped())
            if self._turn is not None:
                await stack.enter_async_context(self._turn)
            self._writers.add(task)
            stack.callback(self._writers.discard, task)
            transaction = Transaction(await stack.enter_async_context(self._writing.begin()))
            yield transaction
        transaction.committed()

    async def write_one(self, statement: Executable, values: Mapping[str, Any]) -> None:
        """Run one statement as a transaction of its own, as quickly as can be; it is committed once this returns."""
        async with AsyncExitStack() as stack:
            stack.enter_context(retyped())
            if self._turn is not None:
                await stack.enter_async_context(self._turn)
            await self._quick.write(statement, values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reading one consistent picture."""
        with retyped():
            async with self._reading.connect() as connection:
                yield connection
