"""The shipped city hall, all 340 rooms of it, on an empty Synapse: for what a small hall cannot show."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.registration import registration, registration_yaml
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.divisions.catalogue import load_from, shipped_directory
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.registration.composition import Reception
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare
from tests.support.ports import ReservedPort

TOKEN, HS_TOKEN, SERVER = "as-" + "a" * 40, "hs-" + "h" * 40, "shipped.example"
BOT = UserId(f"@shiyakusho:{SERVER}")


@asynccontextmanager
async def fresh_synapse(directory: Path, *, others: Sequence[Path] = ()) -> AsyncIterator[tuple[EmbeddedSynapse, int]]:
    """A Synapse with an empty database that knows our registration, and ``others``; and where it expects us."""
    client, ours = ReservedPort(), ReservedPort()
    path = directory / "registration.yaml"
    port, listen = client.open_to_listeners(), ours.open_to_listeners()
    values = registration(
        id="shipped", url=f"http://127.0.0.1:{listen}", as_token=TOKEN, hs_token=HS_TOKEN, server_name=SERVER
    )
    path.write_text(registration_yaml(values))
    synapse = EmbeddedSynapse(directory / "synapse", server_name=SERVER, port=port, registrations=[path, *others])
    await synapse.start()
    try:
        yield synapse, listen
    finally:
        await synapse.stop()
        client.release()
        ours.release()


@asynccontextmanager
async def composed(
    url: str,
    listen: int,
    directory: Path,
    *,
    rooms: Path | None = None,
    secretariat: Sequence[UserId] = (),
    reception: Reception | None = None,
) -> AsyncIterator[CityHallApp]:
    """The product as ``serve`` composes it, before the homeserver at ``url``: its real listener takes transactions.

    ``rooms`` declares another hall than the shipped one.
    """
    async with AsyncExitStack() as stack:
        engine = create_engine(f"sqlite+aiosqlite:///{directory}/city.db")
        stack.push_async_callback(engine.dispose)
        await prepare(engine)
        homeserver = MatrixHomeserver(url, bot=BOT, as_token=TOKEN)
        stack.push_async_callback(homeserver.close)
        await homeserver.ensure_bot("市役所")
        identity = Identity(appservice_id="shipped", server_name=SERVER, bot=BOT, secretariat=secretariat)
        load = load_from(rooms or shipped_directory())
        app = CityHallApp(identity=identity, homeserver=homeserver, engine=engine, load=load, reception=reception)
        listener = web.Application()
        listener.add_routes(appservice_routes(app.inbox, HS_TOKEN))
        runner = web.AppRunner(listener, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", listen).start()
        yield app
