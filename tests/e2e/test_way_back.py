"""The way back into 事務局室 when nobody is inside: the service, started again, invites whom the settings name.

In a city of its own, because it is stopped with its homeserver and started again.
"""

from pathlib import Path

import pytest

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.operations.serving import running
from oshiyakusho_matrix.settings import load_settings
from tests.e2e.city import running_city
from tests.e2e.talk import ask, body
from tests.support.homeservers import Authority
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFICE = "cityhall-jimukyoku"


async def test_the_last_secretary_who_left_the_office_is_invited_again_by_a_restart(
    tmp_path: Path, authority: Authority, neighbour: EmbeddedSynapse, database_url: str
) -> None:
    living = running_city(tmp_path, authority=authority, neighbour=neighbour, database_url=database_url)
    async with living as city:
        office = await city.room(OFFICE)
        await ask(city.secretary, office, f"!member remove {city.clerk.user_id} --yes", city.clerk.user_id)
        await city.secretary.leave(office)
        await city.handled(office, city.secretary)
        assert await city.membership(office, city.secretary.user_id) == "leave"
        assert await city.membership(office, city.clerk.user_id) == "leave"

    await city.hub.start()
    try:
        secretary = await MatrixUser.on(city.hub, "kanri")
        async with running(load_settings(tmp_path / "city" / "config.yaml")):
            await secretary.invited_to(office)
            await secretary.join(office)
            assert "会員: 1 人" in body(await ask(secretary, office, "!status"))
        await secretary.close()
    finally:
        await city.hub.stop()
