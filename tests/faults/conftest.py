"""The homeservers before which the city hall is killed."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.conftest import ClientOf
from tests.faults.sites import FakeSite, SynapseSite
from tests.support.homeservers import Homeserver


@pytest_asyncio.fixture
async def fake_site() -> AsyncIterator[FakeSite]:
    """The homeserver in memory, open to other processes."""
    site = FakeSite()
    await site.start()
    yield site
    await site.close()


@pytest.fixture
def new_site(homeserver: Homeserver, synapse: object, client_of: ClientOf) -> Callable[..., Awaitable[SynapseSite]]:
    """Makes a fresh installation on the shared Synapse, with a secretary and other people: ``new_site("hanako")``."""

    async def make(*others: str) -> SynapseSite:
        installation = await homeserver.installation()
        people = {name: await client_of(f"{name}-{installation.id}") for name in ("kanri", *others)}
        return SynapseSite(installation, people.pop("kanri"), people)

    return make
