"""Whoever has no account, from the approval to the invitation: on a Synapse that makes accounts with tokens alone."""

import re
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.ids import RoomAlias, UserId
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.operations.doctor.findings import Verdict
from oshiyakusho_matrix.operations.doctor.installation import examine_installation
from oshiyakusho_matrix.operations.installation import Order, write_installation
from oshiyakusho_matrix.operations.serving import running
from oshiyakusho_matrix.registration.composition import Registration
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.views import CodeResult, OfferState, StatusView, Ticket
from oshiyakusho_matrix.settings import Settings, load_settings
from oshiyakusho_matrix.settings.accounts import SynapseAccess
from tests.e2e.city import shrink
from tests.e2e.waiting import eventually
from tests.registration.desk import FORM
from tests.support.mail import Mailbox
from tests.support.ports import ReservedPort
from tests.support.users import MatrixUser

WITHOUT = replace(FORM, has_account=False)


@dataclass(frozen=True, slots=True)
class Town:
    """A running city hall with an open desk, its homeserver, and one of the secretariat."""

    app: CityHallApp
    settings: Settings
    synapse: EmbeddedSynapse
    secretary: MatrixUser

    async def status(self, ticket: Ticket) -> StatusView:
        """Return what the status page shows."""
        assert isinstance(self.app.registration, Registration)
        async with self.app.store.reading() as connection:
            view = await self.app.registration.desk.status(connection, ticket)
        assert view is not None
        return view


@pytest_asyncio.fixture
async def town(tmp_path: Path, new_synapse: Callable[..., EmbeddedSynapse], mailbox: Mailbox) -> AsyncIterator[Town]:
    """What ``init`` writes, with the smallest hall; the settings name the account provider."""
    place = tmp_path / "city"
    synapse = new_synapse(registrations=[place / "registration.yaml"])
    ports = [ReservedPort() for _ in range(2)]
    listen, web_listen = (port.open_to_listeners() for port in ports)
    write_installation(
        Order(
            directory=place,
            homeserver_url=synapse.url,
            server_name=synapse.server_name,
            listen=f"127.0.0.1:{listen}",
            secretariat=[synapse.user_id("kanri")],
            web_listen=f"127.0.0.1:{web_listen}",
            public_url=f"http://127.0.0.1:{web_listen}",
        )
    )
    shrink(place / "rooms")
    await synapse.start()
    access = SynapseAccess(url=synapse.url, token=await synapse.administrator(), where=synapse.server_name)
    settings = replace(load_settings(place / "config.yaml"), accounts=access, mail=mailbox.server())
    secretary = await MatrixUser.on(synapse, "kanri")
    try:
        async with running(settings) as app:
            yield Town(app, settings, synapse, secretary)
    finally:
        await secretary.close()
        for port in ports:
            port.release()


async def test_an_approved_applicant_without_account_makes_one_and_is_invited(
    town: Town, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    registration = town.app.registration
    assert isinstance(registration, Registration)
    found = {each.name: each for each in await examine_installation(town.settings, None)}
    assert found["accounts"].verdict is Verdict.OK, found["accounts"]

    async with town.app.store.transaction() as tx:
        ticket = await registration.desk.file(tx, WITHOUT, token="one")
    await mailbox.until(1)
    code = re.search(r"\d{8}", mailbox.received[0].subject)
    assert code is not None
    async with town.app.store.transaction() as tx:
        assert await registration.desk.prove_mailbox(tx, ticket, code.group()) is CodeResult.PROVEN
    async with town.app.store.transaction() as tx:
        await registration.decisions.approve(tx, ticket.reference, by=UserId(town.secretary.user_id))

    async def ready() -> StatusView | None:
        view = await town.status(ticket)
        return view if view.offer is not None and view.offer.state is OfferState.READY else None

    view = await eventually(ready, town.secretary, what="a registration token on the status page")
    assert view.offer is not None
    assert view.claim is not None
    name = f"{view.offer.suggestion}{secrets.token_hex(2)}"
    made, login = await sign_up(town.synapse.url, name, view.offer.token)
    assert made == 200
    assert login["user_id"] == town.synapse.user_id(name)
    assert (await sign_up(town.synapse.url, "another", view.offer.token))[0] == 401
    assert (await sign_up(town.synapse.url, "another", "guessed"))[0] == 401

    newcomer = await MatrixUser.on(town.synapse, name)
    try:
        await newcomer.knock(await town.app.places.porch_address(), reason=view.claim)
        hall = await town.app.homeserver.resolve_alias(RoomAlias(await town.app.places.hall_address()))
        assert hall is not None
        await newcomer.invited_to(hall)
        after = await town.status(ticket)
        assert (after.application.state, after.application.account) == (State.ADMITTED, newcomer.user_id)
        assert after.offer is None
    finally:
        await newcomer.close()
    written = capfd.readouterr()
    assert view.offer.token not in written.out + written.err


async def sign_up(url: str, name: str, token: str) -> tuple[int, dict[str, str]]:
    """Make an account as clients do: ask for the steps, and go through each."""
    path = f"{url}/_matrix/client/v3/register"
    body: dict[str, object] = {"username": name, "password": "correct horse"}
    async with ClientSession() as client:
        async with client.post(path, json=body) as response:
            steps = await response.json()
        answer: dict[str, str] = {}
        for stage in steps["flows"][0]["stages"]:
            auth = {"type": stage, "session": steps["session"], "token": token}
            async with client.post(path, json={**body, "auth": auth}) as response:
                answer = await response.json()
            if response.status == 401 and stage not in answer.get("completed", ()):
                break
        return response.status, answer
