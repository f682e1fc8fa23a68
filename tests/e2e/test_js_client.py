"""The hall as a second kind of client enters it: matrix-js-sdk, the library beneath Element, run by Node."""

import asyncio
import fcntl
import json
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.city import DIVISIONS, City
from tests.e2e.conftest import Person
from tests.e2e.talk import enter
from tests.e2e.waiting import eventually
from tests.support.users import PASSWORD

HERE = Path(__file__).parent / "js"

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="Node and npm are not there"),
]


@pytest.fixture(scope="session")
def sdk() -> Path:
    """The script with the locked packages beside it; installed once into a folder that Git ignores."""
    with (Path(tempfile.gettempdir()) / "oshiyakusho-e2e-npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed, locked = HERE / "node_modules" / ".package-lock.json", HERE / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
            # No package's own scripts are run.
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(command, cwd=HERE, check=True, timeout=240, stdout=subprocess.DEVNULL)
    return HERE / "visit.mjs"


@pytest.mark.parametrize("server", ["hub", "neighbour"])
async def test_a_member_with_matrix_js_sdk_walks_the_lobby_enters_writes_and_reacts(
    city: City, person: Person, sdk: Path, server: str
) -> None:
    homeserver = getattr(city, server)
    visitor, reader = await person("js", on=homeserver), await person("reads")
    await city.admit(reader)
    room = (await enter(city, reader, "cityhall-annai"))[0]
    async with city.app.store.transaction() as tx:
        await city.app.roster.admit(tx, visitor.user_id, by=city.bot)
    hall = await city.room("cityhall")

    async def known() -> None:
        async def joined() -> bool | None:
            return await city.membership(hall, visitor.user_id) == "join" or None

        await eventually(joined, reader, what="the join known on the hub")

    seen = await visit(
        sdk,
        known,
        role="member",
        homeserver=homeserver.url,
        user=visitor.user_id,
        password=PASSWORD,
        hall=hall,
        via=city.via,
        links=[city.alias(name) for name in ("ka-zaisei", "ka-zaisei-soudan", "kenjinkai-27-danwa", "cityhall-annai")],
        words="別のクライアントからこんにちは。",
        command="！課　一覧",
    )
    assert "企画・行政運営" in seen["lobby"]
    assert len(seen["entered"]) == 4
    assert seen["entered"][-1] == room
    assert all(name in seen["answer"] for name, _, _ in DIVISIONS.values())
    assert (seen["name"], seen["renamed"]) == ("総合案内", "M_FORBIDDEN")
    heard = await reader.event(room, lambda event: event["event_id"] == seen["message"])
    assert heard["content"]["body"] == "別のクライアントからこんにちは。"
    await reader.event(room, lambda event: event["event_id"] == seen["reaction"])


@pytest.mark.parametrize("server", ["hub", "neighbour"])
async def test_an_outsider_with_matrix_js_sdk_is_refused(city: City, person: Person, sdk: Path, server: str) -> None:
    homeserver = getattr(city, server)
    outsider = await person("jsout", on=homeserver)
    links = [city.alias(name) for name in sorted(await city.gated_rooms()) if name != "cityhall-jimukyoku"]
    seen = await visit(
        sdk,
        None,
        role="outsider",
        homeserver=homeserver.url,
        user=outsider.user_id,
        password=PASSWORD,
        via=city.via,
        links=links,
    )
    assert seen["attempts"] == dict.fromkeys(links, "M_FORBIDDEN")


async def visit(script: Path, known: Callable[[], Awaitable[None]] | None, **order: Any) -> dict[str, Any]:
    """Run a visit and return what it saw; whatever went wrong in it is the failure's message.

    Who joins the hall on the way goes on once ``known`` returns.
    """
    process = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        json.dumps(order),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            if known is not None and await process.stdout.readline() == b"in the hall\n":
                await known()
                process.stdin.write(b"\n")
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()[-3000:]
    seen: dict[str, Any] = json.loads(out)
    return seen
