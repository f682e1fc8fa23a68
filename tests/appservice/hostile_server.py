"""The listener with the application service's routes, in a process of its own, so that its memory can be looked at.

Run as ``python -m tests.appservice.hostile_server DIRECTORY HEAD REQUEST`` (seconds). It says its port on a line of its
own and serves until its standard input ends. It has transactions, ``/counts`` and ``/never``, which does not answer.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import structlog
from aiohttp import web

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.routes import appservice_routes
from oshiyakusho_matrix.operations.listener import Limits, listening
from oshiyakusho_matrix.settings.values import Listen
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.schema import create_all
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.appservice.fakes import BOT, Book, RememberingOutbox, handling
from tests.support.ports import ReservedPort

TOKEN = "the-homeservers-token"


async def main(directory: Path, limits: Limits) -> None:
    """Serve until nobody needs it any more."""
    # Not to the standard output, which nobody reads after its first line: once full it would stop everything.
    log = (directory / "log").open("w", encoding="utf-8")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
    engine = create_engine(f"sqlite+aiosqlite:///{directory / 'hostile.db'}")
    await create_all(engine)
    book = Book()
    book.silent = True
    inbox = Inbox(Store(engine), book, RememberingOutbox(), bot=BOT)

    async def counts(_request: web.Request) -> web.Response:
        found = await inbox.backlog()
        return web.json_response({"pending": found.pending, "parked": found.parked, "misfits": inbox.misfits})

    async def never(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    application = web.Application()
    application.add_routes(appservice_routes(inbox, TOKEN))
    application.router.add_get("/counts", counts)
    application.router.add_get("/never", never)
    reserved = ReservedPort()
    port = reserved.open_to_listeners()
    async with handling(inbox), listening(application, Listen("127.0.0.1", port), limits=limits):
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    reserved.release()
    await engine.dispose()


if __name__ == "__main__":
    head, request = (timedelta(seconds=float(seconds)) for seconds in sys.argv[2:4])
    asyncio.run(main(Path(sys.argv[1]), Limits(head=head, request=request)))
