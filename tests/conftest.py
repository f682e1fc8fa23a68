"""The fixtures that all tests share. Homeservers and PostgreSQL are real, and start when a test first asks for them.

``synapse`` and ``postgres`` live as long as the test process (each xdist worker has its own); what a test gets on
top of them (``installation``, ``client_of``, ``database_url``) is its own and fresh.
"""

import importlib
import itertools
import pkgutil
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from sqlalchemy.ext.asyncio import AsyncEngine

import oshiyakusho_matrix
from oshiyakusho_matrix.core import clock
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.schema import create_all
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.support.browser import running_browser
from tests.support.homeservers import Authority, Federation, Homeserver
from tests.support.installations import Installation
from tests.support.mail import Mailbox, mail_server
from tests.support.ports import ReservedPort
from tests.support.postgres import Postgres, running_postgres
from tests.support.users import MatrixUser

#: Makes an empty database of a kind and returns its URL.
NewDatabase = Callable[[str], str]


class ClientOf(Protocol):
    """Makes a person with a client: ``alice = await client_of("alice")``."""

    def __call__(
        self, name: str, *, on: EmbeddedSynapse | None = None, display_name: str | None = None
    ) -> Awaitable[MatrixUser]: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker ends minutes after the others."""
    items.sort(key=lambda item: "faults" not in item.path.parts)


@pytest.fixture(autouse=True)
def _no_steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let go of the clock that a test held steady by serving in this process: the next may set it back."""
    monkeypatch.setattr(clock, "_steady", [])


# --- homeservers


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority that the test homeservers trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> AsyncIterator[Homeserver]:
    """The shared homeserver with its pool; tests ask for ``synapse`` and ``installation``."""
    running = Homeserver(tmp_path_factory.mktemp("synapse"), authority)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest.fixture(scope="session")
def synapse(homeserver: Homeserver) -> EmbeddedSynapse:
    """A running Synapse, shared: leave it running, and take names that others will not."""
    return homeserver.synapse


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def federation(
    homeserver: Homeserver, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Federation]:
    """Two Synapses that federate over TLS; the first is ``synapse``."""
    second = Homeserver(tmp_path_factory.mktemp("synapse2"), authority)
    try:
        await second.start()
        yield Federation(homeserver.synapse, second.synapse)
    finally:
        await second.stop()


@pytest_asyncio.fixture
async def installation(homeserver: Homeserver) -> Installation:
    """An application service that ``synapse`` knows and nobody has used; nothing listens at its URL yet."""
    return await homeserver.installation()


@pytest_asyncio.fixture
async def new_synapse(tmp_path: Path) -> AsyncIterator[Callable[..., EmbeddedSynapse]]:
    """Makes a Synapse of the test's own, not started: to be killed, or given a product's real registration.

    Keyword arguments are those of ``EmbeddedSynapse``; the server is named ``localhost`` unless said.
    """
    made: list[tuple[EmbeddedSynapse, ReservedPort]] = []

    def make(**options: object) -> EmbeddedSynapse:
        port = ReservedPort()
        values = {"server_name": "localhost", **options}
        own = EmbeddedSynapse(tmp_path / f"synapse{len(made)}", port=port.open_to_listeners(), **values)  # type: ignore[arg-type]
        made.append((own, port))
        return own

    yield make
    for own, port in made:
        await own.stop()
        port.release()


@pytest_asyncio.fixture
async def client_of(request: pytest.FixtureRequest) -> AsyncIterator[ClientOf]:
    """Makes people with accounts of this test alone, on ``synapse`` unless said, and logs them in."""
    made: list[MatrixUser] = []
    mark = secrets.token_hex(3)

    async def make(name: str, *, on: EmbeddedSynapse | None = None, display_name: str | None = None) -> MatrixUser:
        where = on or shared
        assert where is not None, "this test has no shared synapse: say client_of(name, on=…)"
        user = await MatrixUser.on(where, f"{name}-{mark}", display_name=display_name)
        made.append(user)
        return user

    shared: EmbeddedSynapse | None = None
    if {"synapse", "federation", "installation"} & set(request.fixturenames):
        shared = request.getfixturevalue("synapse")
    yield make
    for user in made:
        await user.close()


# --- mail


@pytest_asyncio.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server that keeps what it is given; ``mailbox.transport()`` leads to it."""
    async with mail_server() as box:
        yield box


# --- a browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A running chromium, shared: each test opens a context of its own. Only for tests in the loop of the session."""
    async with running_browser() as running:
        yield running


# --- databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes empty databases and returns their URLs: ``new_database("sqlite")``, ``new_database("postgresql")``."""
    with ExitStack() as stack:
        numbers = itertools.count()

        def make(kind: str) -> str:
            if kind == "sqlite":
                return f"sqlite+aiosqlite:///{tmp_path / f'{next(numbers)}.sqlite3'}"
            server: Postgres = request.getfixturevalue("postgres")
            return stack.enter_context(server.fresh_database())

        yield make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Either of the two databases: each test that asks for it runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(database_kind: str, new_database: NewDatabase) -> str:
    """The URL of an empty database; each test that asks for it runs once on SQLite and once on PostgreSQL."""
    return new_database(database_kind)


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database that has all tables of the code, and no rows."""
    import_all_tables()
    made = create_engine(database_url)
    try:
        await create_all(made)
        yield made
    finally:
        await made.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> Store:
    """The store on top of ``engine``."""
    return Store(engine)


def import_all_tables() -> None:
    """Import each ``tables`` module of the package, so that the metadata knows every table."""
    for module in pkgutil.walk_packages(oshiyakusho_matrix.__path__, "oshiyakusho_matrix."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
