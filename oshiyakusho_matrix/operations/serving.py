"""``serve``: the composed house behind its two listeners, from start to SIGTERM. Used by the command line and the demo.

On ``listen`` is what the homeserver and operators need, on ``web_listen`` the public pages; never mixed.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.clock import hold_steady
from oshiyakusho_matrix.core.errors import Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.divisions.catalogue import load_from, load_what_is_sound
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.homeserver.interface import AccountProvider
from oshiyakusho_matrix.homeserver.mas_accounts import MasAccounts
from oshiyakusho_matrix.homeserver.synapse_accounts import SynapseAccounts
from oshiyakusho_matrix.operations.keys import require_keys
from oshiyakusho_matrix.operations.listener import listening
from oshiyakusho_matrix.operations.lost import refuse_lost
from oshiyakusho_matrix.operations.metrics import Watch
from oshiyakusho_matrix.operations.monitoring import Health, Phase, monitoring_routes
from oshiyakusho_matrix.outbox.smtp import SmtpTransport
from oshiyakusho_matrix.registration.composition import Policy, Reception
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.accounts import MasAccess
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.exclusive import exclusive
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
async def account_provider(settings: Settings) -> AsyncIterator[SynapseAccounts | MasAccounts | None]:
    """Give what makes accounts for those who have none; None where the settings name nothing."""
    access = settings.accounts
    if access is None:
        yield None
        return
    provider: SynapseAccounts | MasAccounts
    if isinstance(access, MasAccess):
        provider = MasAccounts(
            access.url, client_id=access.client_id, client_secret=access.client_secret, where=access.where
        )
    else:
        provider = SynapseAccounts(access.url, access_token=access.token, where=access.where)
    try:
        yield provider
    finally:
        await provider.close()


def reception_of(settings: Settings, accounts: AccountProvider | None = None) -> Reception | None:
    """Return what the registration desk needs; None (it stays closed) without a key, a mail server or public pages."""
    if settings.sealer is None or settings.mail is None or settings.public_url is None:
        return None
    policy = Policy(public_url=settings.public_url, automatic=settings.automatic_approval)
    return Reception(sealer=settings.sealer, mail=SmtpTransport(settings.mail), policy=policy, accounts=accounts)


@asynccontextmanager
async def composed(settings: Settings, *, may_be_lost: bool = False) -> AsyncIterator[CityHallApp]:
    """Build the house on the real homeserver and database; nothing runs yet. ``Misconfigured`` if one is missing, or a
    key is.

    ``RecordsLost`` if the homeserver knows a city hall and the database does not, unless that ``may_be_lost``.
    """
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
        accounts = await stack.enter_async_context(account_provider(settings))
        app = CityHallApp(
            identity=identity_of(settings),
            homeserver=homeserver,
            engine=engine,
            load=load_from(settings.rooms),
            load_at_first=lambda: load_what_is_sound(settings.rooms),
            concurrency=settings.concurrency,
            max_age=settings.command_max_age,
            reception=reception_of(settings, accounts),
            live_hosts=settings.live_hosts,
        )
        await require_keys(settings, app.store)
        await _require_homeserver(app, settings)
        if not may_be_lost:
            await refuse_lost(app)
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
    hold_steady()
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
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(settings.database_url))
        app = await stack.enter_async_context(composed(settings))
        health = Health(app.store, app.homeserver)
        await stack.enter_async_context(health.watching())
        operators = web.Application()
        operators.add_routes(appservice_routes(app.inbox, settings.registration.hs_token))
        operators.add_routes(monitoring_routes(Watch.over(app, health), health))
        await stack.enter_async_context(listening(operators, settings.listen))
        await stack.enter_async_context(app.working())
        await app.open()
        if settings.web_listen is not None:
            pages = public_pages(
                settings.public_url or "",
                porch=await app.places.porch_address(),
                routes=await app.routes(settings.operator),
                sign=app.registration.sign_form,
                proxies=settings.web_proxies,
            )
            await stack.enter_async_context(listening(pages, settings.web_listen))
        # What is there now stays to the end; looking through it for garbage would stop everything for 0.1 s.
        gc.freeze()
        health.phase = Phase.READY
        logger.info("ready", listen=str(settings.listen), bot=settings.bot)
        await app.announce()
        try:
            yield app
        finally:
            health.phase = Phase.STOPPING
