"""A desk that is open, for tests of what applicants and the secretariat do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.conftest import NewDatabase
from tests.registration.desk import Desk, open_desk
from tests.support.mail import Mailbox


@pytest_asyncio.fixture
async def desk(tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox) -> AsyncIterator[Desk]:
    """The little town with its registration desk, on SQLite."""
    async with open_desk(new_database("sqlite"), tmp_path, mailbox) as running:
        yield running


@pytest_asyncio.fixture
async def either_desk(tmp_path: Path, database_url: str, mailbox: Mailbox) -> AsyncIterator[Desk]:
    """The same, on SQLite and on PostgreSQL."""
    async with open_desk(database_url, tmp_path, mailbox) as running:
        yield running
