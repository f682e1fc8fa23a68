"""A server in a process of its own for ``test_transactions``: the product, or a handler that parses and forgets.

Run as ``python -m tests.benchmarks.transaction_server bare|ours DIRECTORY``. It says its port, the rooms of its city
hall and the size of what it began with on a line of JSON; then it serves until its standard input ends.
"""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiohttp import web

from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.operations.listener import listening
from oshiyakusho_matrix.settings.values import Listen
from tests.divisions.small_hall import write_hall
from tests.support.fake_city import OFFICE, SECRETARY, alias, fake_city
from tests.support.memory import resident_mib
from tests.support.ports import ReservedPort

TOKEN = "the-homeservers-token"


def parse_and_forget() -> web.Application:
    """Return the floor: what the least handler does that answers at all."""

    async def transaction(request: web.Request) -> web.Response:
        data = await request.json()
        return web.json_response({} if isinstance(data["events"], list) else None)

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_put("/_matrix/app/v1/transactions/{txn_id}", transaction)
    return application


@asynccontextmanager
async def bare(port: int) -> AsyncIterator[dict[str, object]]:
    """Serve the floor."""
    runner = web.AppRunner(parse_and_forget(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield {}
    finally:
        await runner.cleanup()


@asynccontextmanager
async def ours(port: int, directory: Path) -> AsyncIterator[dict[str, object]]:
    """Serve a small city hall on the homeserver in memory: everything that ``serve`` runs in this process."""
    database_url = f"sqlite+aiosqlite:///{directory / 'city.db'}"
    async with fake_city(database_url, write_hall(directory / "rooms", {})) as city:

        async def counts(_request: web.Request) -> web.Response:
            for room in city.hs.world.rooms.values():
                del room.timeline[:-100]  # what the homeserver remembers of all answers is none of our memory
            found = await city.app.inbox.backlog()
            return web.json_response({"pending": found.pending, "parked": found.parked, "mib": resident_mib()})

        application = web.Application()
        application.add_routes(appservice_routes(city.app.inbox, TOKEN))
        application.router.add_get("/counts", counts)
        async with listening(application, Listen(host="127.0.0.1", port=port)):
            rooms = [OFFICE, alias("cityhall"), alias("ka-zaisei"), alias("ka-zaisei-danwa")]
            found = [city.hs.room(name).room_id for name in rooms if name in city.hs.world.aliases]
            yield {"rooms": found, "secretary": SECRETARY}


async def main(which: str, directory: Path) -> None:
    """Serve until nobody needs it any more."""
    log = (directory / "log").open("w", encoding="utf-8")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
    reserved = ReservedPort()
    port = reserved.open_to_listeners()
    async with bare(port) if which == "bare" else ours(port, directory) as facts:
        gc.freeze()  # as ``serving`` does
        print(json.dumps({"port": port, "mib": resident_mib(), **facts}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
