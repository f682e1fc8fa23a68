"""What ``/metrics`` shows: numbers of the whole service from the database, and what this process has counted itself.

``serving`` makes one ``Watch`` a process; ``monitoring`` serves its page. ``deploy/observability`` holds alerts on
these. Where several processes share a database, gauges are the same from each, but for ``ready`` and
``homeserver_reachable``; counters and durations are each process's own and to be added up.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.measures import Durations, Measures
from oshiyakusho_matrix.operations.monitoring import Health, Phase
from oshiyakusho_matrix.status.figures import Figures, Status

_LEAD = "oshiyakusho_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where the numbers come from. ``unreadable`` is how many records could not be read at the last look."""

    status: Status
    health: Health
    measures: Measures
    failures: Mapping[tuple[str, str], int]
    unreadable: Callable[[], int]

    @classmethod
    def over(cls, app: CityHallApp, health: Health) -> "Watch":
        """Watch a composed house."""
        return cls(
            status=app.status,
            health=health,
            measures=app.measures,
            failures=app.homeserver.failures,
            unreadable=lambda: app.troubles.found,
        )

    async def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Now([*self._gauges(await self.status.figures()), *self._counters()]))
        return generate_latest(registry)

    def _gauges(self, f: Figures) -> Iterator[Metric]:
        def age(since: datetime | None) -> float:
            return max((f.at - since).total_seconds(), 0.0) if since else 0.0

        homeserver = self.health.homeserver.reachable is True
        yield _gauge("ready", "1 once the service accepts and handles events", self.health.phase is Phase.READY)
        yield _gauge("homeserver_reachable", "1 if the homeserver answered when it was last asked", homeserver)
        yield _gauge(
            "gate_violations", "people found in gated rooms who do not belong, not out yet", f.roster.outsiders
        )
        yield _gauge("members", "current members", f.roster.members)
        yield _gauge("members_leaving", "removed members who are still to be taken out of rooms", f.roster.leaving)
        yield _gauge("rooms", "managed rooms on record", f.roster.rooms)
        yield _gauge("rooms_made", "managed rooms that exist on the homeserver", f.roster.rooms_made)
        yield _gauge("records_unreadable", "records that could not be read when last looked at", self.unreadable())
        yield _gauge("inbox_pending", "events stored and not handled yet", f.inbox.pending)
        yield _gauge("inbox_oldest_seconds", "how long the oldest of them has waited", age(f.inbox.oldest))
        yield _gauge("inbox_held", "events that wait for the one they are about", f.inbox.held)
        yield _gauge("inbox_parked", "events set aside after errors", f.inbox.parked)
        yield _gauge("outbox_pending", "messages still to be sent", f.outbox.pending)
        yield _gauge("outbox_oldest_seconds", "how long the oldest of them has waited", age(f.outbox.oldest))
        yield _gauge("outbox_parked", "messages set aside after errors", f.outbox.parked)
        yield _gauge("mail_pending", "e-mails still to be sent", f.mail.pending)
        yield _gauge("mail_oldest_seconds", "how long the oldest of them has waited", age(f.mail.oldest))
        yield _gauge("work_due", "keys due and in nobody's hands", f.work.due)
        yield _gauge("work_busy", "keys due, in hand or being tried again", f.work.busy)
        yield _gauge("work_oldest_seconds", "how long the key has been due that is due longest", age(f.work_oldest))
        yield _gauge("work_retrying", "keys that failed and are tried again", f.work.retrying)
        yield _gauge("work_parked", "keys that wait for a person", f.work.parked)
        misfits = CounterMetricFamily(_LEAD + "inbox_misfits", "events that were malformed and left out")
        misfits.add_metric([], f.misfits)
        yield misfits

    def _counters(self) -> Iterator[Metric]:
        put_out = CounterMetricFamily(_LEAD + "gate_put_out", "people put out of gated rooms where they did not belong")
        put_out.add_metric([], self.measures.put_out)
        yield put_out
        about = "calls that the homeserver refused or did not answer"
        errors = CounterMetricFamily(_LEAD + "homeserver_errors", about, labels=["call", "code"])
        for (call, code), count in sorted(self.failures.items()):
            errors.add_metric([call, code], count)
        yield errors
        yield _histogram("work_latency_seconds", "from when a key was due until it settled", self.measures.latency)
        yield _histogram("work_run_seconds", "what the run that settled a key took", self.measures.runs)


class _Now(Collector):
    """Hands on what was found for one scrape."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        yield from self._found


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(_LEAD + name, about, value=float(value))


def _histogram(name: str, about: str, durations: Durations) -> Metric:
    family = HistogramMetricFamily(_LEAD + name, about, labels=["controller"])
    for kind, spread in sorted(durations.read().items()):
        family.add_metric([kind], buckets=spread.up_to(), sum_value=spread.total)
    return family
