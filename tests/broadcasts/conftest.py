"""An evening in the little town, whose clock begins at noon in Japan."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import time_machine

from tests.broadcasts.town import NOON, Evening, evening


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which goes on by itself, and is moved."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


@pytest_asyncio.fixture
async def town(tmp_path: Path, database_url: str, clock: time_machine.Traveller) -> AsyncIterator[Evening]:
    """The town with two stages, on SQLite and on PostgreSQL."""
    async with evening(database_url, tmp_path, clock) as running:
        yield running
