"""``serve``: the composed house behind its two listeners, from start to SIGTERM. Used by the command line and the demo.

On ``listen`` is what the homeserver and operators need, on ``web_listen`` the public pages; never mixed.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from oshiyakusho_matrix.app import CityHallApp, Identity, load_from
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.errors import Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.values import Listen
from oshiyakusho_matrix.status import status_routes
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare
from oshiyakusho_matrix.web.pages import public_pages

logger = structlog.get_logger(__name__)


def identity_of(settings: Settings) -> Identity:
    """Return who the settings say that we are."""
    return Identity(
        appservice_id=settings.registration.id,
        server_name=settings.homeserver.server_name,
        bot=settings.bot,
        display_name=settings.display_name,
        secretariat=settings.secretariat,
    )


@asynccontextmanager
async def composed(settings: Settings) -> AsyncIterator[CityHallApp]:
    """Build the house on the real homeserver and database; nothing runs yet. ``Misconfigured`` if one is missing."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings.database_url)
        stack.push_async_callback(engine.dispose)
        await prepare(engine)
        homeserver = MatrixHomeserver(
            settings.homeserver.url,
            bot=settings.bot,
            as_token=settings.registration.as_token,
            concurrency=settings.concurrency,
        )
        stack.push_async_callback(homeserver.close)
        app = CityHallApp(
            identity=identity_of(settings),
            homeserver=homeserver,
            engine=engine,
            load=load_from(settings.rooms),
            concurrency=settings.concurrency,
        )
        await _require_homeserver(app, settings)
        yield app


async def _require_homeserver(app: CityHallApp, settings: Settings) -> None:
    """Say in one sentence what is wrong with the homeserver or our token, before anything begins."""
    try:
        await app.homeserver.versions()
    except (Temporary, Permanent) as error:
        raise Misconfigured(
            f"The homeserver at {settings.homeserver.url} does not answer ({error.reason}): "
            "check homeserver.url and that it runs."
        ) from error
    try:
        await app.homeserver.ensure_bot(settings.display_name)
        who = await app.homeserver.whoami()
    except (Temporary, Permanent) as error:
        raise Misconfigured(
            f"The homeserver does not accept us as an application service ({error.reason}): name the registration "
            "file in its app_service_config_files, restart it, and check that as_token is the same."
        ) from error
    if who != settings.bot:
        raise Misconfigured(
            f"The homeserver takes our token for {who}, but the registration says {settings.bot}: check "
            "homeserver.server_name and sender_localpart."
        )


async def serve(settings: Settings, *, on_ready: Callable[[CityHallApp], None] | None = None) -> None:
    """Run everything until SIGTERM or SIGINT; then drain and return within seconds."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings) as app:
            if on_ready is not None:
                on_ready(app)
            await stop.wait()
            logger.info("stopping")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[CityHallApp]:
    """Run everything while the context is open: listeners first, so that what the homeserver holds back can come."""
    ready = False
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(composed(settings))
        operators = web.Application()
        operators.add_routes(appservice_routes(app.inbox, settings.registration.hs_token))
        operators.add_routes(status_routes(app.status, lambda: ready))
        await _listen(stack, operators, settings.listen)
        await stack.enter_async_context(app.working())
        await app.open()
        if settings.web_listen is not None:
            pages = public_pages(settings.public_url or "", hall=await app.hall_address())
            await _listen(stack, pages, settings.web_listen)
        ready = True
        logger.info("ready", listen=str(settings.listen), bot=settings.bot)
        await app.announce()
        try:
            yield app
        finally:
            ready = False


async def _listen(stack: AsyncExitStack, application: web.Application, where: Listen) -> None:
    # The access log would hold whatever strangers put into a path.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, where.host, where.port).start()
    except OSError as error:
        raise Misconfigured(
            f"Cannot listen on {where} ({error.strerror}): choose another address, or end what holds it."
        ) from error
