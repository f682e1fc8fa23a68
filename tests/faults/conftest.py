"""The homeservers before which the city hall is killed."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.faults.sites import FakeSite


@pytest_asyncio.fixture
async def fake_site() -> AsyncIterator[FakeSite]:
    """The homeserver in memory, open to other processes."""
    site = FakeSite()
    await site.start()
    yield site
    await site.close()
