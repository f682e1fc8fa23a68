"""A little city hall that stands, for tests of what people do with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.divisions.little_town import write_town
from tests.support.fake_city import FakeCity, fake_city


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    """The little town, running on a homeserver in memory, its secretary inside."""
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running
