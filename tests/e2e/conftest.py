"""What the end-to-end tests share: the city hall, and people with accounts on either server.

Everything runs in the loop of the session, because the service does: each test module says
``pytestmark = pytest.mark.asyncio(loop_scope="session")``. Tests share one city, so each takes people of its own and
makes the divisions that it changes.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

import pytest
import pytest_asyncio

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.e2e.city import City, in_its_own_task, running_city
from tests.e2e.law import assert_law_of_the_gate
from tests.support.homeservers import Authority, Homeserver
from tests.support.postgres import Postgres
from tests.support.users import MatrixUser


class Person(Protocol):
    """Makes somebody with a client: ``alice = await person("alice")``, on the hub unless said."""

    def __call__(
        self, name: str, *, on: EmbeddedSynapse | None = None, display_name: str | None = None
    ) -> Awaitable[MatrixUser]: ...


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def neighbour(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[EmbeddedSynapse]:
    """The other server of the federation: a municipality's, say. The city hall has no rights there."""
    second = Homeserver(tmp_path_factory.mktemp("neighbour"), authority)
    try:
        await second.start()
        yield second.synapse
    finally:
        await second.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def city_on_sqlite(
    neighbour: EmbeddedSynapse, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[City]:
    """The city hall as ``init`` makes it."""
    directory = tmp_path_factory.mktemp("city")
    living = running_city(directory, authority=authority, neighbour=neighbour, database_url=None)
    async with in_its_own_task(living) as city:
        yield city


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def city_on_postgresql(
    postgres: Postgres, neighbour: EmbeddedSynapse, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[City]:
    """Another city hall, with its own Synapse, that keeps its records in PostgreSQL."""
    directory = tmp_path_factory.mktemp("city")
    with postgres.fresh_database() as url:
        living = running_city(directory, authority=authority, neighbour=neighbour, database_url=url)
        async with in_its_own_task(living) as city:
            yield city


@pytest.fixture
def chosen_city(request: pytest.FixtureRequest, database_kind: str) -> City:
    """One city, then the other: each test that asks for ``city`` runs in both."""
    return request.getfixturevalue(f"city_on_{database_kind}")  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="session")
async def city(chosen_city: City) -> AsyncIterator[City]:
    """The city hall, on SQLite and on PostgreSQL; after the test, the law of the gate must hold in it."""
    yield chosen_city
    await assert_law_of_the_gate(chosen_city)


@pytest_asyncio.fixture(loop_scope="session")
async def person(city: City) -> AsyncIterator[Person]:
    """Makes people of this test alone, and logs them in."""
    made: list[MatrixUser] = []
    mark = secrets.token_hex(3)

    async def make(name: str, *, on: EmbeddedSynapse | None = None, display_name: str | None = None) -> MatrixUser:
        user = await MatrixUser.on(on or city.hub, f"{name}-{mark}", display_name=display_name)
        made.append(user)
        return user

    yield make
    for user in made:
        await user.close()
