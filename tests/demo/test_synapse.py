"""The embedded homeserver starts, resumes, and ends with whoever started it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from oshiyakusho_matrix.core.errors import Misconfigured, Permanent
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.support.ports import ReservedPort

MakeSynapse = Callable[..., EmbeddedSynapse]


async def test_accounts_and_logins_survive_a_stop_and_a_kill(new_synapse: MakeSynapse) -> None:
    synapse = new_synapse()
    await synapse.start()
    user_id = await synapse.register_user("hanako", "ひみつ", display_name="市役所 花子")
    assert user_id == "@hanako:localhost"
    token = await synapse.login("hanako", "ひみつ")
    await synapse.stop()
    assert not synapse.running

    await synapse.start()
    assert await whoami(synapse, token) == user_id
    synapse.kill()
    assert not synapse.running

    await synapse.start()
    assert await whoami(synapse, token) == user_id
    assert await synapse.register_user("hanako", "something else") == user_id
    await synapse.login("hanako", "ひみつ")


async def test_a_wrong_password_is_refused(new_synapse: MakeSynapse) -> None:
    synapse = new_synapse()
    await synapse.start()
    await synapse.register_user("taro", "right")
    with pytest.raises(Permanent, match="M_FORBIDDEN"):
        await synapse.login("taro", "wrong")


async def test_admins_are_admins(new_synapse: MakeSynapse) -> None:
    synapse = new_synapse()
    await synapse.start()
    await synapse.register_user("chief", "pw", admin=True)
    await synapse.register_user("clerk", "pw")
    for localpart, may in (("chief", True), ("clerk", False)):
        token = await synapse.login(localpart, "pw")
        assert ("users" in await get(synapse, "/_synapse/admin/v2/users", token)) is may


async def test_a_taken_port_is_said_at_once(new_synapse: MakeSynapse) -> None:
    synapse = new_synapse()
    with socket.create_server(("127.0.0.1", synapse.port)), pytest.raises(Misconfigured, match=str(synapse.port)):
        await synapse.start()
    assert not synapse.running


async def test_one_that_ends_by_itself_shows_its_last_words(new_synapse: MakeSynapse, tmp_path: Path) -> None:
    synapse = new_synapse(registrations=[tmp_path / "missing.yaml"])
    with pytest.raises(Misconfigured, match=r"missing\.yaml"):
        await synapse.start()
    assert not synapse.running


async def test_secrets_are_kept_private(new_synapse: MakeSynapse) -> None:
    synapse = new_synapse()
    await synapse.start()
    for name in ("secrets.json", "signing.key", "homeserver.yaml"):
        assert (synapse.directory / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a child with its parent")
def test_it_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    port = ReservedPort()
    script = (
        "import asyncio, pathlib, sys\n"
        "from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse\n"
        "async def main():\n"
        "    synapse = EmbeddedSynapse(pathlib.Path(sys.argv[1]), server_name='localhost', port=int(sys.argv[2]))\n"
        "    await synapse.start()\n"
        "    print('started', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(port.number)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while listening(port.number):
        assert time.monotonic() < deadline, "Synapse outlived its parent"
        time.sleep(0.05)
    port.release()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def whoami(synapse: EmbeddedSynapse, token: str) -> object:
    return (await get(synapse, "/_matrix/client/v3/account/whoami", token))["user_id"]


async def get(synapse: EmbeddedSynapse, path: str, token: str) -> dict[str, object]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(synapse.url + path) as response,
    ):
        answer: dict[str, object] = await response.json()
    return answer
