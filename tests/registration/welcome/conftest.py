"""A town that welcomes, on the homeserver in memory. It is founded once; each test gets a copy of it as it stands."""

import asyncio
import copy
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.fake_world import FakeWorld
from tests.conftest import NewDatabase
from tests.registration.welcome.town import welcoming_town
from tests.support.fake_city import SERVER, FakeCity, fake_city

BOT = UserId(f"@shiyakusho:{SERVER}")


@dataclass(frozen=True)
class Founded:
    """The town as it stands after its first start: files, records, rooms."""

    rooms: Path
    records: Path
    world: FakeWorld

    def again(self, directory: Path) -> tuple[str, FakeHomeserver]:
        """Return the database and the homeserver of a copy."""
        records = Path(shutil.copy(self.records, directory / "town.sqlite3"))
        homeserver = FakeHomeserver(BOT)
        homeserver.world = copy.deepcopy(self.world)
        return _url(records), homeserver


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """The town, founded."""
    directory = tmp_path_factory.mktemp("town")
    rooms, records, homeserver = welcoming_town(directory / "rooms"), directory / "town.sqlite3", FakeHomeserver(BOT)

    async def found() -> None:
        async with fake_city(_url(records), rooms, hs=homeserver):
            pass

    asyncio.run(found())
    return Founded(rooms, records, homeserver.world)


def _url(records: Path) -> str:
    return f"sqlite+aiosqlite:///{records}"


@pytest_asyncio.fixture
async def city(founded: Founded, tmp_path: Path) -> AsyncIterator[FakeCity]:
    """The town on SQLite."""
    url, homeserver = founded.again(tmp_path)
    async with fake_city(url, founded.rooms, hs=homeserver) as running:
        yield running


@pytest_asyncio.fixture
async def city_on_postgresql(founded: Founded, new_database: NewDatabase) -> AsyncIterator[FakeCity]:
    """The town on PostgreSQL, founded for the test."""
    async with fake_city(new_database("postgresql"), founded.rooms) as running:
        yield running
