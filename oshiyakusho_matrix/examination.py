"""``doctor`` with the real instruments: puts the homeserver, the database and the routes into the doctor's hands."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from oshiyakusho_matrix.app import CityHallApp, load_from
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId
from oshiyakusho_matrix.doctor import Instruments, examine
from oshiyakusho_matrix.doctor_findings import Examination
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.examination import MatrixExaminer
from oshiyakusho_matrix.roster.tables import managed_rooms
from oshiyakusho_matrix.serving import identity_of
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.store.engine import create_engine, require_reachable
from oshiyakusho_matrix.store.upgrade import check_revision, current_revision


async def examine_installation(settings: Settings, homeserver_config: Path | None) -> list[Examination]:
    """Examine everything; read-only. ``Misconfigured`` only where nothing can be examined at all."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings.database_url)
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
            revision = await current_revision(engine)
            if revision is not None:
                await check_revision(engine)
            return revision

        async def rooms() -> Sequence[tuple[RoomAlias, RoomId]]:
            async with app.store.reading() as connection:
                made = await managed_rooms(connection)
            server = settings.homeserver.server_name
            return [(RoomAlias(f"#{r.alias_localpart}:{server}"), r.room_id) for r in made if r.room_id is not None]

        return await examine(
            settings,
            Instruments(
                operations=homeserver,
                reader=homeserver,
                homeserver=looker,
                database=database,
                managed_rooms=rooms,
                routes=appservice_routes(app.inbox, settings.registration.hs_token),
                homeserver_config=homeserver_config,
            ),
        )
