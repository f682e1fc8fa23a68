"""``stage``: each contract test runs on the fake and on a real Synapse. One installation serves a whole module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conftest import ClientOf
from tests.homeserver.stages import BOT_NAME, Stage, client_for, fake_stage, synapse_stage
from tests.support.homeservers import Homeserver
from tests.support.installations import Installation


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_installation(homeserver: Homeserver) -> Installation:
    """An installation of this module's own."""
    return await homeserver.installation()


@pytest_asyncio.fixture
async def real_stage(synapse: object, shared_installation: Installation, client_of: ClientOf) -> AsyncIterator[Stage]:
    """The stage on Synapse."""
    homeserver = client_for(shared_installation, shared_installation.bot)
    await homeserver.ensure_bot(BOT_NAME)
    yield synapse_stage(homeserver, shared_installation, client_of)
    await homeserver.close()


@pytest.fixture(params=["fake", "synapse"])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The homeserver under contract."""
    if request.param == "fake":
        return fake_stage()
    real: Stage = request.getfixturevalue("real_stage")
    return real
