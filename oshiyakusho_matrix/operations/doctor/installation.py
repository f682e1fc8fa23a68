"""``doctor`` with the real instruments: puts the homeserver, the database and the routes into the doctor's hands."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from sqlalchemy import make_url

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId
from oshiyakusho_matrix.divisions.catalogue import load_from
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.examination import MatrixExaminer
from oshiyakusho_matrix.homeserver.interface import SignUp
from oshiyakusho_matrix.operations.doctor.examine import Instruments, examine
from oshiyakusho_matrix.operations.doctor.findings import Examination
from oshiyakusho_matrix.operations.serving import account_provider, identity_of
from oshiyakusho_matrix.outbox.smtp import SmtpTransport
from oshiyakusho_matrix.roster.tables import managed_rooms
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.status.commands import MOST_NAMED
from oshiyakusho_matrix.status.parking import Parked
from oshiyakusho_matrix.store.engine import create_engine, require_reachable
from oshiyakusho_matrix.store.sealing import missing_keys
from oshiyakusho_matrix.store.unit_of_work import Transaction
from oshiyakusho_matrix.store.upgrade import check_revision, current_revision, is_empty


async def examine_installation(settings: Settings, homeserver_config: Path | None) -> list[Examination]:
    """Examine everything; read-only. ``Misconfigured`` only where nothing can be examined at all."""
    async with AsyncExitStack() as stack:
        engine = create_engine(stack.enter_context(_to_look_at(settings.database_url)))
        stack.push_async_callback(engine.dispose)
        homeserver = MatrixHomeserver(
            settings.homeserver.url, bot=settings.bot, as_token=settings.registration.as_token
        )
        stack.push_async_callback(homeserver.close)
        looker = MatrixExaminer(settings.homeserver.url, bot=settings.bot, as_token=settings.registration.as_token)
        stack.push_async_callback(looker.close)
        app = CityHallApp(
            identity=identity_of(settings), homeserver=homeserver, engine=engine, load=load_from(settings.rooms)
        )

        async def database() -> str | None:
            await require_reachable(engine)
            if await is_empty(engine):
                return None
            await check_revision(engine)
            return await current_revision(engine)

        async def rooms() -> Sequence[tuple[RoomAlias, RoomId]]:
            async with app.store.reading() as connection:
                made = await managed_rooms(connection)
            server = settings.homeserver.server_name
            return [(RoomAlias(f"#{r.alias_localpart}:{server}"), r.room_id) for r in made if r.room_id is not None]

        async def missing() -> Sequence[str]:
            async with app.store.reading() as connection:
                return await missing_keys(connection, settings.sealer)

        async def mail() -> None:
            if settings.mail is not None:
                await SmtpTransport(settings.mail).examine()

        async def accounts() -> SignUp:
            async with account_provider(settings) as provider:
                return SignUp.UNKNOWN if provider is None else await provider.examine()

        async def parked() -> Sequence[Parked]:
            async with app.store.reading() as connection:
                return await app.parking.waiting(Transaction(connection), limit=MOST_NAMED)

        return await examine(
            settings,
            Instruments(
                operations=homeserver,
                reader=homeserver,
                homeserver=looker,
                database=database,
                managed_rooms=rooms,
                office=app.places.office,
                porch=app.places.porch,
                routes=appservice_routes(app.inbox, settings.registration.hs_token),
                homeserver_config=homeserver_config,
                records=app.troubles.records,
                parked=parked,
                missing_keys=missing,
                mail=mail,
                accounts=accounts,
            ),
        )


@contextmanager
def _to_look_at(database_url: str) -> Iterator[str]:
    """Give the database's address, or for a SQLite file that is not there yet that of an empty one for the while.

    Opening a file makes it; the doctor changes nothing, and may run as another account than the service.
    """
    url = make_url(database_url)
    path = Path(str(url.database))
    # Beneath a file there will never be one: left to whoever opens it to say.
    if url.get_backend_name() != "sqlite" or path.exists() or any(parent.is_file() for parent in path.parents):
        yield database_url
        return
    with tempfile.TemporaryDirectory() as empty:
        yield url.set(database=str(Path(empty) / "empty.sqlite3")).render_as_string(hide_password=False)
