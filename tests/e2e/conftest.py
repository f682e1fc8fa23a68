"""What the end-to-end tests share: the city hall, and people with accounts on either server.

Everything runs in the loop of the session, because the service does: each test module says
``pytestmark = pytest.mark.asyncio(loop_scope="session")``. Tests share one city, so each takes people of its own and
makes the divisions that it changes.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.e2e.city import Cities, City
from tests.e2e.law import assert_law_of_the_gate
from tests.support.homeservers import Authority, Homeserver
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
async def cities() -> AsyncIterator[Cities]:
    """The cities that stand; they end with the session."""
    kept = Cities()
    yield kept
    await kept.close()


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A fresh database on PostgreSQL, for as long as the session lasts."""
    with ExitStack() as stack:
        yield stack.enter_context(request.getfixturevalue("postgres").fresh_database())


@pytest_asyncio.fixture(loop_scope="session")
async def city(
    request: pytest.FixtureRequest,
    cities: Cities,
    neighbour: EmbeddedSynapse,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[City]:
    """The city hall on SQLite (``ON_BOTH`` runs a test on PostgreSQL too); afterwards the law of the gate must hold."""
    database = getattr(request, "param", "sqlite")
    found = cities.find(database)
    if found is None:
        url = request.getfixturevalue("postgres_url") if database == "postgresql" else None
        directory: Path = tmp_path_factory.mktemp(f"city-{database}")
        found = await cities.open(database, directory, authority=authority, neighbour=neighbour, url=url)
    yield found
    await assert_law_of_the_gate(found)


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
