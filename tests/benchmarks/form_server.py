"""The public pages in a process of their own for ``test_form``, with the registration desk and its database behind.

Run as ``python -m tests.benchmarks.form_server DIRECTORY DATABASE_URL``. It says its port on a line of JSON. For each
line on its standard input it works off what is left to do and says what is kept by then; it serves until that ends.
"""

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import func, select

from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.divisions.catalogue import shipped_directory
from oshiyakusho_matrix.operations.listener import listening
from oshiyakusho_matrix.outbox.tables import mail_message
from oshiyakusho_matrix.registration.composition import Policy, Reception
from oshiyakusho_matrix.registration.tables import application, application_code
from oshiyakusho_matrix.settings.values import Listen
from oshiyakusho_matrix.web.pages import public_pages
from tests.benchmarks.test_admission import Nowhere
from tests.support.fake_city import FakeCity, fake_city
from tests.support.ports import ReservedPort

#: As ``web_proxies`` says it: one proxy on this machine, whose word is taken for who asks.
PROXIES: Final = (ip_network("127.0.0.0/8"),)


@asynccontextmanager
async def pages(port: int, database_url: str) -> AsyncIterator[FakeCity]:
    """Serve the shipped city hall's pages as ``serve`` does, behind the listener and the limits that strangers meet."""
    origin = f"http://127.0.0.1:{port}"
    reception = Reception(sealer=Sealer(new_key()), mail=Nowhere(), policy=Policy(public_url=origin))
    async with fake_city(database_url, shipped_directory(), reception=reception) as city:
        application = public_pages(
            origin,
            porch=await city.app.places.porch_address(),
            routes=await city.app.routes("試験事務局"),
            sign=city.app.registration.sign_form,
            proxies=PROXIES,
        )
        async with listening(application, Listen(host="127.0.0.1", port=port)):
            yield city


async def kept(city: FakeCity) -> dict[str, int]:
    """Return how many applications there are, how many of them got a code, and how many mails went out."""
    async with city.app.store.reading() as connection:
        counts = {
            "applications": select(func.count()).select_from(application),
            "codes": select(func.count()).select_from(application_code).where(application_code.c.mailbox != ""),
            "mails": select(func.count()).select_from(mail_message).where(mail_message.c.outcome == "sent"),
        }
        return {name: await connection.scalar(query) or 0 for name, query in counts.items()}


async def main(directory: Path, database_url: str) -> None:
    """Serve until nobody needs it any more."""
    log = (directory / "log").open("w", encoding="utf-8")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
    reserved = ReservedPort()
    port = reserved.open_to_listeners()
    async with pages(port, database_url) as city:
        gc.freeze()  # as ``serving`` does
        print(json.dumps({"port": port}), flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            await city.settle()
            print(json.dumps(await kept(city)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
