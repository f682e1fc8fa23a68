"""Every metric that an operator can read is in the handbook; every alert that is shipped asks for metrics there are."""

import re
from collections import Counter
from typing import Any, cast

import pytest
import yaml

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.measures import Measures
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.operations.metrics import Watch
from oshiyakusho_matrix.operations.monitoring import Health
from oshiyakusho_matrix.reconcile.leases import Counts
from oshiyakusho_matrix.roster.figures import RosterFigures
from oshiyakusho_matrix.status.figures import Figures, Status
from oshiyakusho_matrix.store.lanes import Backlog
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.web.documents import LANGUAGES, ROOT, code, handbook, table

ALERTS = ROOT / "deploy" / "observability" / "alerts.yaml"
#: What Prometheus itself knows of whom it asks.
ITS_OWN = {"up"}


class Quiet:
    """A service with nothing to count."""

    async def figures(self) -> Figures:
        return Figures(now(), RosterFigures(), Backlog(), Backlog(), Counts(), None, 0)


def watch(health: Health) -> Watch:
    """Watch a service with nothing to count."""
    return Watch(
        status=cast("Status", Quiet()), health=health, measures=Measures(), failures=Counter(), unreadable=lambda: 0
    )


async def names() -> list[str]:
    page = (await watch(Health(cast("Store", None), FakeHomeserver())).page()).decode()
    return re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_metric_is_told(language: str) -> None:
    known = await names()
    assert "oshiyakusho_ready" in known
    assert [code(cells[0])[0] for cells in table(handbook(language, "administrators"), "metrics")] == known


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    assert set(content) == {"groups"}
    found: list[dict[str, Any]] = [rule for group in content["groups"] for rule in group["rules"]]
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
async def test_an_alert_asks_for_metrics_there_are_and_says_what_to_do(rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    asked = set(re.findall(r"[a-z_:]+(?=[\s{\[)]|$)", re.sub(r'"[^"]*"|\{[^}]*\}', "", expression)))
    metrics = {name for name in asked if name.startswith("oshiyakusho_") or name in ITS_OWN}
    known = {*await names(), *ITS_OWN}
    assert metrics
    assert {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in metrics} <= known
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}


def test_what_an_operator_must_know_has_an_alert() -> None:
    told = " ".join(rule["expr"] for rule in rules())
    for name in (
        "ready",
        "homeserver_reachable",
        "gate_violations",
        "members_leaving",
        "records_unreadable",
        "inbox_oldest_seconds",
        "inbox_parked",
        "outbox_oldest_seconds",
        "outbox_parked",
        "mail_oldest_seconds",
        "work_oldest_seconds",
        "work_parked",
    ):
        assert f"oshiyakusho_{name}" in told, name
    assert len({rule["alert"] for rule in rules()}) == len(rules())
