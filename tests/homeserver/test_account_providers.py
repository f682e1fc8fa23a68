"""Account providers: the same tests on the fake, on a real Synapse, and on a double of the authentication service."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.homeserver.fake_accounts import FakeAccounts
from oshiyakusho_matrix.homeserver.interface import AccountProvider, Forbidden, NotDone, SignUp
from oshiyakusho_matrix.homeserver.mas_accounts import MasAccounts
from oshiyakusho_matrix.homeserver.synapse_accounts import SynapseAccounts
from tests.conftest import ClientOf
from tests.support.mas import CLIENT_ID, CLIENT_SECRET, MasDouble, mas_double
from tests.support.ports import ReservedPort

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stage:
    """A provider, and somebody who tries to make an account with a token: True if that went well."""

    provider: AccountProvider
    sign_up: Callable[[str], Awaitable[bool]]


async def register(url: str, username: str, token: str) -> int:
    """Make an account as clients do (client-server API, m.login.registration_token); return the last status."""
    async with ClientSession() as client:
        body: dict[str, object] = {"username": username, "password": "correct horse", "inhibit_login": True}
        async with client.post(f"{url}/_matrix/client/v3/register", json=body) as response:
            steps = await response.json()
        assert response.status == 401
        assert steps["flows"] == [{"stages": ["m.login.registration_token"]}] or all(
            flow["stages"][0] == "m.login.registration_token" for flow in steps["flows"]
        )
        for stage in steps["flows"][0]["stages"]:
            auth = {"type": stage, "session": steps["session"], "token": token}
            async with client.post(f"{url}/_matrix/client/v3/register", json={**body, "auth": auth}) as response:
                answer = await response.json()
            if response.status == 401 and stage not in answer.get("completed", []):
                return 401
        return response.status


def fake_stage() -> Stage:
    fake = FakeAccounts()

    async def sign_up(token: str) -> bool:
        try:
            fake.sign_up(token)
        except Forbidden:
            return False
        return True

    return Stage(fake, sign_up)


@pytest_asyncio.fixture
async def synapse_accounts(synapse: EmbeddedSynapse) -> AsyncIterator[SynapseAccounts]:
    provider = SynapseAccounts(synapse.url, access_token=await synapse.administrator(), where="here")
    yield provider
    await provider.close()


@pytest_asyncio.fixture
async def mas() -> AsyncIterator[MasDouble]:
    async with mas_double() as double:
        yield double


@pytest_asyncio.fixture
async def mas_accounts(mas: MasDouble) -> AsyncIterator[MasAccounts]:
    provider = MasAccounts(mas.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, where="here")
    yield provider
    await provider.close()


@pytest.fixture(params=["fake", "synapse", "mas"])
def stage(request: pytest.FixtureRequest) -> Stage:
    """Whoever makes accounts."""
    if request.param == "fake":
        return fake_stage()
    if request.param == "mas":
        provider: AccountProvider = request.getfixturevalue("mas_accounts")
        double: MasDouble = request.getfixturevalue("mas")

        async def with_mas(token: str) -> bool:
            return double.sign_up(token)

        return Stage(provider, with_mas)
    synapse: EmbeddedSynapse = request.getfixturevalue("synapse")

    async def with_synapse(token: str) -> bool:
        return await register(synapse.url, f"x{secrets.token_hex(6)}", token) == 200

    return Stage(request.getfixturevalue("synapse_accounts"), with_synapse)


def new_token() -> str:
    return f"test.{secrets.token_hex(8)}~-_"


async def test_a_token_makes_one_account(stage: Stage) -> None:
    token = new_token()
    assert await stage.provider.taken(token) is None
    assert not await stage.sign_up(token)
    await stage.provider.offer(token, now() + WEEK)
    assert await stage.provider.taken(token) is False
    assert await stage.sign_up(token)
    assert await stage.provider.taken(token) is True
    assert not await stage.sign_up(token)


async def test_a_token_that_is_offered_again_is_the_same_one_used_or_not(stage: Stage) -> None:
    token, end = new_token(), now() + WEEK
    for _ in range(2):
        await stage.provider.offer(token, end)
    assert await stage.sign_up(token)
    await stage.provider.offer(token, end)
    assert not await stage.sign_up(token)


async def test_a_token_that_was_withdrawn_is_good_for_nothing(stage: Stage) -> None:
    token = new_token()
    await stage.provider.offer(token, now() + WEEK)
    for _ in range(2):
        await stage.provider.withdraw(token)
    assert not await stage.sign_up(token)
    await stage.provider.withdraw(new_token())


async def test_a_token_that_was_used_can_be_withdrawn(stage: Stage) -> None:
    token = new_token()
    await stage.provider.offer(token, now() + WEEK)
    assert await stage.sign_up(token)
    await stage.provider.withdraw(token)
    assert not await stage.sign_up(token)


# --- Synapse


async def test_a_token_of_synapse_ends_when_it_should(
    synapse: EmbeddedSynapse, synapse_accounts: SynapseAccounts
) -> None:
    token = new_token()
    await synapse_accounts.offer(token, now() + timedelta(seconds=1))
    async with ClientSession() as client:
        path = f"{synapse.url}/_matrix/client/v1/register/m.login.registration_token/validity"

        async def valid() -> bool:
            async with client.get(path, params={"token": token}) as response:
                return bool((await response.json())["valid"])

        assert await valid()
        end = now() + timedelta(seconds=20)
        while await valid():
            assert now() < end
    with pytest.raises(Permanent) as caught:
        await synapse_accounts.offer(new_token(), now() - timedelta(seconds=1))
    assert "M_INVALID_PARAM" in caught.value.reason


async def test_no_error_of_synapse_repeats_a_token(synapse: EmbeddedSynapse, client_of: ClientOf) -> None:
    member = await client_of("plain")
    token = new_token()
    for access_token, error in ((member.client.access_token, Forbidden), ("syt_nobody_knows_it", NotDone)):
        provider = SynapseAccounts(synapse.url, access_token=access_token, where="here")
        for asked in (provider.offer(token, now() + WEEK), provider.taken(token), provider.withdraw(token)):
            with pytest.raises(error) as caught:
                await asked
            assert token not in str(caught.value)
            assert access_token not in str(caught.value)
            assert (error is NotDone) is ("accounts.token" in str(caught.value))
        with pytest.raises(error):
            await provider.examine()
        await provider.close()


async def test_a_sentence_that_quotes_the_token_is_left_out() -> None:
    token = new_token()

    async def quote(_request: web.Request) -> web.Response:
        return web.json_response({"errcode": "M_UNKNOWN", "error": f"Token already exists: {token}"}, status=400)

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", quote)
    async with TestServer(application) as server:
        provider = SynapseAccounts(str(server.make_url("")), access_token="x", where="here")
        with pytest.raises(Permanent) as caught:
            await provider.offer(token, now() + WEEK)
        await provider.close()
    assert "M_UNKNOWN" in caught.value.reason
    assert token not in caught.value.reason


async def test_what_synapse_lets_people_do_is_seen(synapse_accounts: SynapseAccounts) -> None:
    assert await synapse_accounts.examine() is SignUp.INVITED


async def test_a_homeserver_that_is_away_is_tried_again() -> None:
    port = ReservedPort()
    for provider in (
        SynapseAccounts(f"http://127.0.0.1:{port.number}", access_token="x", where="here"),
        MasAccounts(f"http://127.0.0.1:{port.number}", client_id="x", client_secret="y", where="here"),
    ):
        with pytest.raises(Temporary):
            await provider.offer(new_token(), now() + WEEK)
        await provider.close()
    port.release()


# --- the authentication service


async def test_one_access_token_serves_until_it_ends_and_another_is_fetched_then(
    mas: MasDouble, mas_accounts: MasAccounts
) -> None:
    for _ in range(3):
        await mas_accounts.offer(new_token(), now() + WEEK)
    assert mas.authorised == 1
    mas.bearers.clear()  # ended before its time
    await mas_accounts.offer(new_token(), now() + WEEK)
    assert mas.authorised == 2
    mas.lasts = 10  # shorter than the margin: each is used once
    mas.bearers.clear()
    for _ in range(2):
        await mas_accounts.offer(new_token(), now() + WEEK)
    assert mas.authorised == 4


async def test_a_token_among_hundreds_is_found(mas: MasDouble, mas_accounts: MasAccounts) -> None:
    tokens = [new_token() for _ in range(205)]
    for token in tokens:
        await mas_accounts.offer(token, now() + WEEK)
    assert mas.sign_up(tokens[0])
    assert await mas_accounts.taken(tokens[0]) is True
    assert await mas_accounts.taken(tokens[1]) is False
    assert await mas_accounts.taken(new_token()) is None
    await mas_accounts.withdraw(tokens[2])
    assert not mas.sign_up(tokens[2])
    assert mas.sign_up(tokens[3])


async def test_what_the_authentication_service_refuses_is_told_without_secrets(mas: MasDouble) -> None:
    wrong = MasAccounts(mas.url, client_id=CLIENT_ID, client_secret="wrong-secret-word", where="here")
    with pytest.raises(NotDone) as caught:
        await wrong.examine()
    assert "accounts.client_id" in caught.value.reason
    assert "wrong-secret-word" not in caught.value.reason
    await wrong.close()

    provider = MasAccounts(mas.url, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, where="here")
    mas.admin = False
    with pytest.raises(NotDone):
        await provider.examine()
    mas.admin = True
    assert await provider.examine() is SignUp.UNKNOWN
    assert mas.tokens == {}
    its_own, proxy = '{"errors": [{"title": "no"}]}', "<html>no</html>"
    for status, text, error in (
        (503, proxy, Temporary),
        (500, its_own, Temporary),
        (404, proxy, Temporary),
        (403, its_own, Forbidden),
        (400, its_own, Permanent),
    ):
        mas.instead = status, text
        with pytest.raises(error) as caught_refused:
            await provider.offer(new_token(), now() + WEEK)
        assert type(caught_refused.value) is error, status
    await provider.close()
