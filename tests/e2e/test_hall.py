"""The declared hall is there, as members and outsiders of either server see it."""

import pytest

from tests.e2e.city import City
from tests.e2e.conftest import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it(city: City, person: Person) -> None:
    print(await city.app.status.figures())
