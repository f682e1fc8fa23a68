"""``make demo``: an embedded homeserver and the whole city hall on it, until Ctrl-C. Called by the command line alone.

A first start that was interrupted is finished by the next; one that was cut off (kill -9, power) is begun anew by it.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.demo import furnishing
from oshiyakusho_matrix.demo.cast import SERVER_NAME, Passwords
from oshiyakusho_matrix.demo.home import Home, opened
from oshiyakusho_matrix.demo.places import look_around
from oshiyakusho_matrix.demo.ports import refuse_taken
from oshiyakusho_matrix.demo.post import post_office
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.demo.tour import play
from oshiyakusho_matrix.demo.welcome import print_welcome, standings
from oshiyakusho_matrix.divisions.catalogue import load_declaration
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.operations.lost import RecordsLost
from oshiyakusho_matrix.operations.serving import running
from oshiyakusho_matrix.settings import load_settings
from oshiyakusho_matrix.settings.accounts import SynapseAccess

#: How long a port may still be held by the homeserver of a demo that was killed a moment ago.
_LINGERING = 15.0


async def run_demo(data_dir: Path, *, fresh: bool = False, tour: bool = False, rooms: Path | None = None) -> None:
    """Run until SIGINT or SIGTERM, or to the end of the tour; then nothing is left running.

    ``fresh`` deletes the demo in ``data_dir`` first. ``rooms`` is another city hall than the shipped one, taken over at
    the first start. ``Misconfigured`` if it cannot start; ``Permanent`` if something is not as it must be.
    """
    if find_spec("synapse") is None:
        raise Misconfigured("The demo embeds Synapse, which is not installed: pip install 'oshiyakusho-matrix[demo]'.")
    if rooms is not None:
        load_declaration(rooms)
    with _until_signal(), opened(data_dir, fresh=fresh) as home:
        home.install(rooms)
        passwords = home.passwords()
        await _until_free(home)
        with home.first_start():
            async with post_office(home.mail_port), _homeserver(home) as synapse:
                await furnishing.open_accounts(synapse, passwords)
                await _run(home, synapse, passwords, tour=tour)


async def _run(home: Home, synapse: EmbeddedSynapse, passwords: Passwords, *, tour: bool) -> None:
    access = SynapseAccess(url=synapse.url, token=await synapse.administrator(), where=home.homeserver_url)
    settings = replace(load_settings(home.city / "config.yaml"), accounts=access)
    home.log.parent.mkdir(exist_ok=True)
    with home.log.open("a", encoding="utf-8") as log:
        terminal.set_up_log(settings.log, log)
        logging.getLogger("nio").setLevel(logging.WARNING)  # it notes each event that our people's clients see
        async with _explained(home), running(settings) as app:
            if not home.state.furnished:
                await _furnish(app, synapse.url, passwords)
                home.note_furnished()
            if tour:
                await play(app, synapse.url, passwords)
                return
            print_welcome(home, await look_around(app), passwords, await standings(app))
            await asyncio.Event().wait()


@asynccontextmanager
async def _explained(home: Home) -> AsyncIterator[None]:
    """Say of a demo that lost its database what helps here: nobody keeps backups of one."""
    try:
        yield
    except RecordsLost:
        raise Misconfigured(
            f"The demo in {home.directory} has kept its homeserver and lost its database, so nobody would be a member: "
            "start over with --fresh."
        ) from None


async def _furnish(app: CityHallApp, url: str, passwords: Passwords) -> None:
    await furnishing.register(app)
    with terminal.progress() as bar:
        await furnishing.settle(app, bar)
    await furnishing.move_in(app, url, passwords)


@asynccontextmanager
async def _homeserver(home: Home) -> AsyncIterator[EmbeddedSynapse]:
    synapse = EmbeddedSynapse(
        home.synapse,
        server_name=SERVER_NAME,
        port=home.state.client_port,
        registrations=[home.city / "registration.yaml"],
    )
    try:
        await synapse.start()
        yield synapse
    finally:
        await synapse.stop()


async def _until_free(home: Home) -> None:
    """Wait until nothing holds the demo's ports, for as long as a homeserver takes to end; then say which is taken."""
    end = asyncio.get_running_loop().time() + _LINGERING
    for port in home.state.ports:
        while True:
            try:
                refuse_taken(port)
                break
            except Misconfigured as error:
                if asyncio.get_running_loop().time() > end:
                    raise Misconfigured(
                        f"The demo in {home.directory} lives on port {port}, and another program holds it: end that "
                        "one, or start over with --fresh, which chooses free ports."
                    ) from error
            await asyncio.sleep(0.1)


@contextmanager
def _until_signal() -> Iterator[None]:
    """Leave the block, in good order, when SIGINT or SIGTERM comes, wherever it is; a second one changes nothing."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked and task is not None:
            asked = True
            task.cancel()

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not asked or task is None:
            raise
        task.uncancel()
        print(terminal.words(say("The demo has ended.")))
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
