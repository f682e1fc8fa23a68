"""One unit of work is one database transaction; whatever must be true together is written in one.

Called by the inbox (one event), the controller loop (one key) and the outbox (one message). Nobody holds a
write transaction open while talking to the homeserver: look first, then write.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Transaction:
    """An open write transaction: ``connection`` for statements, ``after_commit`` for waking sleepers."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once the transaction has been committed; never if it is rolled back."""
        self._after_commit.append(wake)

    def committed(self) -> None:
        """Run what waited for the commit. Called by ``Store`` alone."""
        for wake in self._after_commit:
            wake()


class Store:
    """The way to the database that the rest of the house gets."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a write transaction; commit on leaving, roll back on an error."""
        async with self._engine.begin() as connection:
            transaction = Transaction(connection)
            yield transaction
        transaction.committed()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reading one consistent picture."""
        async with self._engine.connect() as connection:
            yield connection
