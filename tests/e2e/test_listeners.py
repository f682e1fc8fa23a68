"""The two listeners are never mixed: what is the homeserver's and the operators' is not on the public one."""

import json

import aiohttp
import pytest

from oshiyakusho_matrix.settings.values import Listen
from tests.e2e.city import City

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPERATORS = ("/healthz", "/healthz/live", "/metrics")


async def test_operators_read_health_and_numbers_on_listen(city: City) -> None:
    status, health = await get(city.settings.listen, "/healthz")
    assert (status, json.loads(health)["status"]) == (200, "ready")
    assert await get(city.settings.listen, "/healthz/live") == (200, '{"status": "alive"}')
    status, metrics = await get(city.settings.listen, "/metrics")
    assert status == 200
    assert "oshiyakusho_ready 1.0" in metrics
    assert "@" not in metrics


async def test_the_public_listener_knows_nothing_of_operators_and_homeservers(city: City) -> None:
    for path in (*OPERATORS, "/_matrix/app/v1/transactions/1", "/transactions/1", "/_matrix/app/v1/ping"):
        status, text = await get(public(city), path)
        assert status == 404, path
        assert "oshiyakusho_" not in text
    token = {"Authorization": f"Bearer {city.settings.registration.hs_token}"}
    async with aiohttp.ClientSession() as session:
        url = f"http://{public(city)}/_matrix/app/v1/transactions/public-1"
        async with session.put(url, json={"events": []}, headers=token) as answer:
            assert answer.status in (404, 405)


async def test_the_public_pages_are_on_the_public_listener_alone(city: City) -> None:
    status, page = await get(public(city), "/")
    assert status == 200
    assert "市役所" in page
    for path in ("/", "/en/", "/handbook/", "/robots.txt"):
        assert (await get(city.settings.listen, path))[0] == 404, path


async def test_the_homeservers_door_is_shut_without_its_token(city: City) -> None:
    url = f"http://{city.settings.listen}/_matrix/app/v1/transactions/forged-1"
    async with aiohttp.ClientSession() as session:
        async with session.put(url, json={"events": []}) as answer:
            assert answer.status == 401
        token = {"Authorization": f"Bearer {city.settings.registration.as_token}"}
        async with session.put(url, json={"events": []}, headers=token) as answer:
            assert answer.status == 403


def public(city: City) -> Listen:
    assert city.settings.web_listen is not None
    return city.settings.web_listen


async def get(listen: Listen, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{listen}{path}") as answer:
        return answer.status, await answer.text()
