"""The tables as the code declares them, put into a database at once: for tests, which need no history.

An installation is set up by ``upgrade`` alone. Whoever calls this imports the ``tables`` modules first: the store lies
below them and knows none.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.store.engine import WRITING
from oshiyakusho_matrix.store.metadata import metadata


async def create_all(engine: AsyncEngine) -> None:
    """Make every table that is registered on ``metadata`` so far and is missing in the database."""
    async with engine.execution_options(**{WRITING: True}).begin() as connection:
        await connection.run_sync(metadata.create_all)
