"""The homeservers before which the city hall is killed, and the databases with which."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import ClientOf
from tests.faults.sites import FakeSite, SynapseSite
from tests.support.databases import Databases, SqliteFiles
from tests.support.homeservers import Homeserver


@pytest_asyncio.fixture
async def fake_site() -> AsyncIterator[FakeSite]:
    """The homeserver in memory, open to other processes."""
    site = FakeSite()
    await site.start()
    yield site
    await site.close()


@pytest.fixture
def databases(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Databases:
    """Where the databases are; each test that asks for it runs once on SQLite and once on PostgreSQL."""
    return SqliteFiles(tmp_path) if database_kind == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def new_site(homeserver: Homeserver, synapse: object, client_of: ClientOf) -> Callable[..., Awaitable[SynapseSite]]:
    """Makes a fresh installation on the shared Synapse, with a secretary and other people: ``new_site("hanako")``."""

    async def make(*others: str) -> SynapseSite:
        installation = await homeserver.installation()
        people = {name: await client_of(f"{name}-{installation.id}") for name in ("kanri", *others)}
        return SynapseSite(installation, people.pop("kanri"), people)

    return make
