"""One statement that is one transaction, as quick as it can be: what the homeserver waits for before each 200.

``Store.write_one`` uses it. Each call of an asynchronous driver crosses to a thread and back, a dozen times for a
transaction of one statement; here all of it is done in one crossing.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Executable, event
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.store.engine import create_sync_engine


class QuickWriter:
    """A connection of its own to the database of ``engine``, in a thread of its own; closed when that is disposed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._url = engine.url
        self._connection: Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        event.listen(engine.sync_engine, "engine_disposed", self._close)

    async def write(self, statement: Executable, values: Mapping[str, Any]) -> None:
        """Run a statement and commit it."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "quick-writer")
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, statement, values)

    def _write(self, statement: Executable, values: Mapping[str, Any]) -> None:
        # Kept open: to take it from a pool each time costs as much as the write.
        if self._connection is None:
            self._connection = create_sync_engine(self._url).connect()
        try:
            with self._connection.begin():
                self._connection.execute(statement, dict(values))
        except BaseException:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _close(self, _engine: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.submit(self._hang_up)
            thread.shutdown()
