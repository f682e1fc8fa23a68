"""The process that is killed: the city hall as ``serve`` composes it, with steps counted around it.

Forked from a server process that has imported everything and has neither threads nor a loop, so a start takes
milliseconds. It drives the product until all is quiet, or until it is told to finish and then until all is quiet.
"""

import asyncio
import multiprocessing
import os
import signal
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import Engine, event, make_url

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.clock import hold_steady
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.outbox.smtp import MailServer, Security, SmtpTransport
from oshiyakusho_matrix.registration.composition import Policy, Reception
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare
from oshiyakusho_matrix.web.pages import public_pages
from tests.faults.breaking import Breaker
from tests.faults.points import Points, Step, watch, watched
from tests.faults.remote import SCHEME, RemoteHomeserver
from tests.support.installations import Installation

STEPS, OUTPUT, EDITED = "steps.log", "output.log", "edited"
#: Stops listening to the homeserver.
Deaf = Callable[[], Awaitable[None]]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "tests.faults.runner"])


@dataclass(frozen=True, slots=True)
class Counter:
    """An open registration desk: the key it seals with, where the mail server is, and where its pages are to be."""

    key: str
    mail_port: int
    web_port: int

    @property
    def url(self) -> str:
        """Where people reach the pages."""
        return f"http://127.0.0.1:{self.web_port}"

    def reception(self) -> Reception:
        """Return what the product needs of it."""
        server = MailServer(
            host="localhost",
            port=self.mail_port,
            sender=Sender("cityhall@cityhall.example.jp", "市役所"),
            security=Security.NONE,
            timeout=timedelta(seconds=20),
        )
        return Reception(
            sealer=Sealer(self.key), mail=SmtpTransport(server), policy=Policy(public_url=self.url, automatic=False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to do. ``directory`` holds what it leaves for the test to read.

    ``hands`` is the product's concurrency: with one, the steps of two runs are nearly the same. ``serves``: it works
    until ``finish``, and steps count from when the start is over and all is quiet, unless they count ``from_start``.
    ``edited`` is what is declared as soon as there is a file ``EDITED``; ``breaks`` says what breaks at which step
    (``breaking``); ``timeout`` is how long it waits for the homeserver, in seconds. ``counter``: the registration desk
    is open.
    """

    directory: Path
    database_url: str
    installation: Installation
    declaration: Declaration
    secretary: UserId
    kill_at: Step | None = None
    serves: bool = False
    from_start: bool = True
    hands: int = 1
    edited: Declaration | None = None
    breaks: Mapping[int, str] = field(default_factory=dict)
    timeout: float = 30.0
    counter: Counter | None = None

    def declared(self) -> Declaration:
        """Return what the files declare now."""
        return self.edited if self.edited is not None and (self.directory / EDITED).exists() else self.declaration


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: was it killed, and the steps that it had reached."""

    killed: bool
    steps: list[str]


class Running:
    """A process under way."""

    def __init__(self, order: Order) -> None:
        self._order = order
        # Not a signal: one that comes before there is a handler for it would kill.
        theirs, self._line = _FORKS.Pipe()
        self._process = _FORKS.Process(target=_main, args=(order, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.ended = asyncio.create_task(asyncio.to_thread(self._process.join))

    async def at_rest(self) -> None:
        """Wait until the start is over and steps count, for a process whose steps do not count ``from_start``."""
        await asyncio.to_thread(self._line.recv)

    @property
    def exitcode(self) -> int | None:
        """How it ended: 0 as it should, below 0 by a signal; None while it runs."""
        return self._process.exitcode

    def finish(self) -> None:
        """Have it come to rest and end, if it has not been killed yet."""
        self._line.close()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()

    async def ending(self) -> Ending:
        """Wait for its end; AssertionError if it failed by itself."""
        await self.ended
        self._line.close()
        code = self._process.exitcode
        output = (self._order.directory / OUTPUT).read_text("utf-8")
        assert code in (0, -signal.SIGKILL), f"a process of ours ended with {code}:\n{output[-4000:]}"
        return Ending(code != 0, (self._order.directory / STEPS).read_text("utf-8").splitlines())


def _main(order: Order, line: Connection) -> None:
    output = os.open(order.directory / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        asyncio.run(_live(order, line))
    except BaseException:
        traceback.print_exc()
        raise


async def _live(order: Order, line: Connection) -> None:
    enough, loop = asyncio.Event(), asyncio.get_running_loop()

    def finish() -> None:
        loop.remove_reader(line.fileno())
        enough.set()

    loop.add_reader(line.fileno(), finish)
    hold_steady()  # as ``serve`` does
    breaker = Breaker(order.breaks, Path(str(make_url(order.database_url).database)))
    points = Points(order.kill_at if order.from_start else None, order.directory / STEPS, breaker.reached)
    async with _composed(order, points) as (app, deaf):
        async with app.working():
            await app.open()
            await app.announce()
            await _open_counter(app, order)
            if order.serves:
                if not order.from_start:
                    await _quiet(app)
                    points.count_from_here(order.kill_at)
                    line.send("at rest")
                await enough.wait()
            await _quiet(app)
            # What came in until now is handled, too: nothing may lie in the inbox only because the end was near.
            await deaf()
            await _quiet(app)
        points.reach("at the end")


@asynccontextmanager
async def _composed(order: Order, points: Points) -> AsyncIterator[tuple[CityHallApp, Deaf]]:
    """Build the house; also return how to stop listening to the homeserver."""
    one = order.installation
    engine = create_engine(order.database_url)
    if engine.dialect.name == "sqlite":
        event.listen(Engine, "connect", _do_not_wait)
    watch(points)
    await prepare(engine)
    remote = one.homeserver_url.startswith(SCHEME)
    homeserver: RemoteHomeserver | MatrixHomeserver = (
        RemoteHomeserver(one.homeserver_url)
        if remote
        else MatrixHomeserver(one.homeserver_url, bot=one.bot, as_token=one.as_token, timeout=order.timeout)
    )
    await homeserver.ensure_bot("市役所")
    app = CityHallApp(
        identity=Identity(
            appservice_id=one.id, server_name=one.server_name, bot=one.bot, secretariat=(order.secretary,)
        ),
        homeserver=watched(homeserver, points),
        engine=engine,
        load=order.declared,
        concurrency=order.hands,
        reception=order.counter.reception() if order.counter else None,
    )
    listener = web.Application()
    listener.add_routes(appservice_routes(app.inbox, one.hs_token))
    runner = web.AppRunner(listener, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", one.port).start()
    try:
        yield app, runner.cleanup
    finally:
        await runner.cleanup()
        await homeserver.close()
        await engine.dispose()


async def _open_counter(app: CityHallApp, order: Order) -> None:
    """Serve the pages until the process ends."""
    if order.counter is None:
        return
    pages = public_pages(
        order.counter.url,
        porch=await app.places.porch_address(),
        routes=await app.routes("試験事務局"),
        sign=app.registration.sign_form,
    )
    runner = web.AppRunner(pages, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", order.counter.web_port).start()


def _do_not_wait(connection: Any, _record: object) -> None:
    """What the page cache holds survives a kill; waiting for the disk guards against loss of power, not tested here."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.close()


async def _quiet(app: CityHallApp) -> None:
    """Wait until nothing is left to handle, to put right or to say."""
    while True:
        await app.inbox.idle()
        counts = await app.loop.settle_all(timedelta(seconds=60))
        assert counts.busy == 0, f"after a minute there still is {counts}"
        await app.sender.idle()
        if app.mailer is not None:
            await app.mailer.idle()
        figures = await app.status.figures()
        if not (figures.inbox.pending or figures.work.busy or figures.outbox.pending or figures.mail.pending):
            return
