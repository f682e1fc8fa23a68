"""How the service is: numbers for Prometheus, one answer for watchdogs (``/healthz``), words (``!status``)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.reconcile.leases import Counts, ParkedWork
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.reports import Describe
from oshiyakusho_matrix.roster.tables import managed_rooms, members
from oshiyakusho_matrix.store.unit_of_work import Store

#: ``!status`` names this many of the keys that wait for a person; it counts them all.
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """The service in numbers, as of now. ``rooms_made`` of ``rooms`` exist."""

    members: int
    secretariat: int
    rooms: int
    rooms_made: int
    inbox_pending: int
    inbox_parked: int
    outbox_pending: int
    outbox_parked: int
    work: Counts
    parked: list[ParkedWork]
    misfits: int


class Status:
    """Counts; changes nothing."""

    def __init__(self, *, store: Store, inbox: Inbox, sender: OutboxSender, queue: WorkQueue) -> None:
        self._store = store
        self._inbox = inbox
        self._sender = sender
        self._queue = queue

    async def figures(self) -> Figures:
        """Return the numbers."""
        async with self._store.reading() as connection:
            everybody = await members(connection)
            rooms = await managed_rooms(connection)
        inbox, outbox = await self._inbox.counts(), await self._sender.counts()
        return Figures(
            members=len(everybody),
            secretariat=sum(m.secretariat for m in everybody),
            rooms=len(rooms),
            rooms_made=sum(r.room_id is not None for r in rooms),
            inbox_pending=inbox.get("pending", 0),
            inbox_parked=inbox.get("parked", 0),
            outbox_pending=outbox.get("pending", 0),
            outbox_parked=outbox.get("parked", 0),
            work=await self._queue.counts(),
            parked=await self._queue.parked(),
            misfits=self._inbox.misfits,
        )


def in_words(figures: Figures, waiting: Sequence[Text] = ()) -> Text:
    """Say the numbers to the secretariat; ``waiting`` says what is parked and why."""
    f = figures
    lines = [
        say("- Members: {count}, of them secretariat: {office}", count=f.members, office=f.secretariat),
        say("- Rooms: {made} of {count} are made", made=f.rooms_made, count=f.rooms),
        say("- Messages to read: {inbox}; to send: {outbox}", inbox=f.inbox_pending, outbox=f.outbox_pending),
        say("- Work in hand or due: {busy}", busy=f.work.busy),
    ]
    stuck = len(f.parked) + f.inbox_parked + f.outbox_parked
    if not stuck and f.work.retrying:
        return say(
            "{count} things have not worked yet and are tried again by themselves.", *lines, count=f.work.retrying
        )
    if not stuck:
        return say("All is well.", *lines)
    lines += waiting
    if f.inbox_parked or f.outbox_parked:
        lines.append(
            say(
                "- Set aside after errors: {inbox} read, {outbox} to send", inbox=f.inbox_parked, outbox=f.outbox_parked
            )
        )
    return say("{count} things need a person. `!retry` tries them again.", *lines, count=stuck)


class Nothing(BaseModel):
    """A command without arguments."""


def status_command(figures: Callable[[], Awaitable[Figures]], describe: Describe) -> Command[Nothing]:
    """Return ``!status``."""

    async def run(call: Call[Nothing]) -> Answer:
        found = await figures()
        # The command itself is being read while it is answered.
        found = replace(found, inbox_pending=max(found.inbox_pending - 1, 0))
        waiting = [
            say("- Waits for you: {what} ({why})", what=await describe(call.tx, parked.key), why=parked.why)
            for parked in found.parked[:MOST_NAMED]
        ]
        return Answer(in_words(found, waiting))

    return Command(("status", "状態"), say("Says how the service is."), Role.SECRETARIAT, Nothing, run)


def retry_command(queue: WorkQueue, inbox: Callable[[], Inbox], sender: OutboxSender) -> Command[Nothing]:
    """Return ``!retry``: whatever was set aside is tried again, once its cause was mended."""

    async def run(call: Call[Nothing]) -> Answer:
        keys = await queue.retry_parked(call.tx)
        events, messages = await inbox().retry_parked(call.tx), await sender.retry_parked(call.tx)
        count = len(keys) + events + messages
        if not count:
            return Answer(say("Nothing was set aside, so there is nothing to try again."))
        return Answer(say("{count} things were tried again. `!status` shows what is left.", count=count), after=keys)

    return Command(
        ("retry", "再試行"),
        say("Tries again whatever was set aside after errors."),
        Role.SECRETARIAT,
        Nothing,
        run,
        audited=True,
    )


def status_routes(status: Status, ready: Callable[[], bool]) -> list[web.RouteDef]:
    """Return ``GET /healthz`` and ``GET /metrics``, for the operators' listener only."""

    async def healthz(_request: web.Request) -> web.Response:
        if ready():
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "starting"}, status=503)

    async def metrics(_request: web.Request) -> web.Response:
        body = generate_latest(_registry(await status.figures(), ready=ready()))
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return [web.get("/healthz", healthz), web.get("/metrics", metrics)]


def _registry(f: Figures, *, ready: bool) -> CollectorRegistry:
    registry = CollectorRegistry()

    def gauge(name: str, about: str, value: float) -> None:
        Gauge(f"oshiyakusho_{name}", about, registry=registry).set(value)

    gauge("ready", "1 once the service accepts and handles events", ready)
    gauge("members", "current members", f.members)
    gauge("rooms", "managed rooms on record", f.rooms)
    gauge("rooms_made", "managed rooms that exist on the homeserver", f.rooms_made)
    gauge("inbox_pending", "events stored and not handled yet", f.inbox_pending)
    gauge("inbox_parked", "events set aside after errors", f.inbox_parked)
    gauge("inbox_misfits", "events since start that were malformed and left out", f.misfits)
    gauge("outbox_pending", "messages still to be sent", f.outbox_pending)
    gauge("outbox_parked", "messages set aside after errors", f.outbox_parked)
    gauge("work_busy", "keys due, in hand or being tried again", f.work.busy)
    gauge("work_parked", "keys that wait for a person", f.work.parked)
    return registry
