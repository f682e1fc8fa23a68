"""Every metric that an operator can read is in the handbook."""

from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from oshiyakusho_matrix.reconcile.leases import Counts
from oshiyakusho_matrix.status import Figures, Status, status_routes
from tests.web.documents import LANGUAGES, code, handbook, table


class Quiet:
    """A service with nothing to count."""

    async def figures(self) -> Figures:
        numbers: dict[str, Any] = dict.fromkeys(Figures.__dataclass_fields__, 0)
        return Figures(**{**numbers, "work": Counts(), "parked": []})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_metric_is_told(language: str) -> None:
    app = web.Application()
    app.add_routes(status_routes(cast("Status", Quiet()), lambda: True))
    async with TestClient(TestServer(app)) as client:
        lines = (await (await client.get("/metrics")).text()).splitlines()
    names = [line.split()[0] for line in lines if not line.startswith("#")]
    assert "oshiyakusho_ready" in names
    assert [code(cells[0])[0] for cells in table(handbook(language, "administrators"), "metrics")] == names
