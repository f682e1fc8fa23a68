"""The database is lost while the homeserver lives on: nothing begins anew, a backup comes back, or all is rebuilt.

Every step is the operator's own: ``serve``, ``backup``, ``restore``, ``rebuild`` and ``doctor`` as processes.
"""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.conftest import NewDatabase
from tests.divisions.little_town import write_town
from tests.e2e.talk import ask, body
from tests.e2e.waiting import eventually
from tests.support.command_line import assert_told, put_settings, run, start, statuses
from tests.support.ports import ReservedPort
from tests.support.users import MatrixUser

BOT = "@shiyakusho:localhost"


@dataclass
class Town:
    """An installation with its own Synapse; ``process`` is ``serve``."""

    directory: Path
    synapse: EmbeddedSynapse
    port: int
    people: dict[str, MatrixUser]
    process: "subprocess.Popen[str] | None" = None

    @property
    def config(self) -> Path:
        """The settings."""
        return self.directory / "config.yaml"

    async def serve(self) -> None:
        """Start, and wait until it is ready."""
        self.process = start("serve", "--config", self.config)
        await asyncio.to_thread(
            statuses, f"http://127.0.0.1:{self.port}/healthz", last=200, process=self.process, timeout=90
        )

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None

    async def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return await asyncio.to_thread(run, *arguments, "--config", self.config)

    async def person(self, name: str) -> MatrixUser:
        """Return somebody with an account."""
        if name not in self.people:
            self.people[name] = await MatrixUser.on(self.synapse, name, display_name=name)
        return self.people[name]

    async def room(self, localpart: str) -> str:
        """Return the id of a room."""
        return await (await self.person("kanri")).resolve(f"#{localpart}:localhost")

    async def membership(self, localpart: str, name: str) -> str | None:
        """Return somebody's place in a room, as the secretary sees it."""
        return await (await self.person("kanri")).membership(await self.room(localpart), f"@{name}:localhost")

    async def becomes(self, membership: str, localpart: str, name: str) -> None:
        """Wait for somebody's place in a room."""

        async def look() -> bool | None:
            return await self.membership(localpart, name) == membership or None

        await eventually(look, await self.person("kanri"), what=f"{name}: {membership} in {localpart}")

    async def admit(self, name: str) -> MatrixUser:
        """Have the secretary admit somebody, who then enters the hall."""
        person, secretary = await self.person(name), await self.person("kanri")
        await ask(secretary, await self.room("cityhall-jimukyoku"), f"!member admit {person.user_id}", person.user_id)
        hall = await self.room("cityhall")
        await person.invited_to(hall)
        await person.join(hall)
        return person

    async def said(self) -> Counter[str]:
        """Return what the bot has said in 事務局室 so far, after all it is busy saying now."""
        secretary, office = await self.person("kanri"), await self.room("cityhall-jimukyoku")
        await ask(secretary, office, "!language ja")
        return Counter(
            f"{event['content'].get('m.relates_to')} {body(event)}"
            for event in secretary.timeline[office]
            if event["sender"] == BOT and event["type"] == "m.room.message"
        )

    def lose(self, database_url: str | None = None) -> None:
        """Take the database away; the next one is ``database_url``, or the file anew."""
        if database_url is not None:
            put_settings(self.config, database_url=database_url)
            self.config.chmod(0o600)
        for file in self.directory.rglob("oshiyakusho.sqlite3*"):
            file.rename(file.with_name(f"lost-{file.name}"))


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """The little town on SQLite; it serves, and its secretary is inside."""
    ports = [ReservedPort() for _ in range(2)]
    client, listen = (port.open_to_listeners() for port in ports)
    directory = tmp_path / "city"
    written = run(
        *("init", "--homeserver-url", f"http://127.0.0.1:{client}", "--server-name", "localhost"),
        *("--listen", f"127.0.0.1:{listen}", "--secretariat", "@kanri:localhost", "--dir", directory),
    )
    assert written.returncode == 0, written.stderr
    write_town(directory / "town")
    put_settings(directory / "config.yaml", rooms="town")
    synapse = EmbeddedSynapse(
        tmp_path / "synapse", server_name="localhost", port=client, registrations=[directory / "registration.yaml"]
    )
    await synapse.start()
    made = Town(directory, synapse, listen, {})
    try:
        secretary = await made.person("kanri")
        # Served first: what happens while Synapse takes up delivery after an outage, it may hold back for good.
        await made.serve()
        applied = await made.run("rooms", "apply")
        assert applied.returncode == 0, applied.stderr
        for localpart in ("cityhall", "cityhall-jimukyoku"):
            room_id = await made.room(localpart)
            await secretary.invited_to(room_id)
            await secretary.join(room_id)
        yield made
    finally:
        made.kill()
        for person in made.people.values():
            await person.close()
        await synapse.stop()
        for port in ports:
            port.release()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_backup_comes_back_and_the_difference_is_closed(
    store: str, town: Town, new_database: NewDatabase, tmp_path: Path
) -> None:
    secretary, file = await town.person("kanri"), tmp_path / "today.backup"
    office = await town.room("cityhall-jimukyoku")
    await town.admit("hanako")
    kept = await town.run("backup", file)
    assert (kept.returncode, kept.stderr) == (0, ""), kept.stderr
    assert_told(await town.run("backup", file), "exists already")

    # Life goes on.
    await town.admit("taro")
    await ask(secretary, office, "!member remove @hanako:localhost --yes", "@hanako:localhost")
    await town.becomes("leave", "cityhall", "hanako")
    await ask(secretary, office, "!division create atarashii 新しい課 --group zei --purpose 試す", "新しい課")
    assert_told(await town.run("restore", file), "is serving with")
    before = await town.said()
    town.kill()

    town.lose(new_database(store) if store == "postgresql" else None)
    assert_told(await town.run("serve"), "`oshiyakusho-matrix restore`", "rebuild`")
    assert_told(await town.run("rooms", "apply"), "`oshiyakusho-matrix restore`", "rebuild`")
    assert await town.membership("cityhall", "taro") == "join"

    restored = await town.run("restore", file)
    assert restored.returncode == 0, restored.stderr
    assert_told(await town.run("restore", file), "not empty")
    await town.serve()
    await town.becomes("leave", "cityhall", "taro")
    await secretary.message(office, "バックアップ")
    after = await town.said()
    assert {text: count for text, count in after.items() if count > 1} == {}
    assert before - after == Counter()
    # The restored records' notice, and the answer that ``said`` asks for.
    assert len(after - before) <= 3, after - before
    assert "会員" in body(await ask(secretary, office, "!member show @hanako:localhost"))
    doctor = json.loads((await town.run("doctor", "--json")).stdout)
    (forgotten,) = [each for each in doctor if each["name"] == "forgotten rooms"]
    assert forgotten["verdict"] == "warning"
    assert "#ka-atarashii:localhost" in forgotten["found"]
    # What was made since is found, not made twice.
    room = await town.room("ka-atarashii")
    await ask(secretary, office, "!division create atarashii 新しい課 --group zei --purpose 試す", "新しい課")
    assert await town.room("ka-atarashii") == room
    doctor = json.loads((await town.run("doctor", "--json")).stdout)
    assert [each["verdict"] for each in doctor if each["name"] == "forgotten rooms"] == ["ok"]


async def test_a_lost_database_is_rebuilt_from_the_homeserver(town: Town) -> None:
    secretary, office = await town.person("kanri"), await town.room("cityhall-jimukyoku")
    hanako, taro = await town.admit("hanako"), await town.admit("taro")
    jiro = await town.person("jiro")
    await ask(secretary, office, f"!member admit {jiro.user_id}", jiro.user_id)
    await ask(secretary, office, f"!division head zaisei {hanako.user_id}", hanako.user_id)
    await ask(secretary, office, "!division create atarashii 新しい課 --group zei --purpose 試す", "新しい課")
    await ask(secretary, office, "!division create furui 古い課 --group zei --purpose 試した", "古い課")
    await ask(secretary, office, "!division archive furui --yes", "古い課")
    await ask(secretary, office, "!division edit zaisei --name お金の課", "お金の課")
    for person in (hanako, taro):
        for localpart in ("ka-zaisei", "ka-zaisei-danwa", "ka-atarashii"):
            await person.join(f"#{localpart}:localhost")
    chat = await taro.direct_chat(BOT)
    await taro.message(chat, "こんにちは")
    rooms = {each: await town.room(each) for each in ("cityhall", "ka-zaisei", "ka-atarashii", "ka-furui")}
    powers = await hanako.state_content(rooms["ka-zaisei"], "m.room.power_levels")
    await town.said()
    town.kill()
    assert_told(await town.run("rebuild"), "holds a city hall already")

    town.lose()
    assert_told(await town.run("serve"), "`oshiyakusho-matrix restore`", "rebuild`")
    rebuilt = await town.run("rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "3 members (1 of them in the secretariat), 1 heads, 1 direct chats" in rebuilt.stdout
    assert jiro.user_id in rebuilt.stdout
    await town.serve()
    told = body(await secretary.message(office, "記録を書き直しました"))
    assert jiro.user_id in told
    await town.becomes("leave", "cityhall", "jiro")
    await town.said()
    inside = {await town.room(each) for each in ("cityhall", "ka-zaisei", "ka-zaisei-danwa", "ka-atarashii")}
    for person in (hanako, taro):
        assert inside <= await person.joined_rooms()
    assert rooms == {each: await town.room(each) for each in rooms}
    assert await hanako.state_content(rooms["ka-zaisei"], "m.room.power_levels") == powers
    assert "お金の課" in body(await ask(secretary, office, "!division show zaisei"))
    assert hanako.user_id in body(await ask(secretary, office, "!division show zaisei"))
    assert "新しい課" in body(await ask(secretary, office, "!division show atarashii"))
    assert "廃止" in body(await ask(secretary, office, "!division show furui"))
    assert "!ヘルプ" in body(await ask(taro, chat, "help"))
    doctor = json.loads((await town.run("doctor", "--json")).stdout)
    assert {each["name"]: each["found"] for each in doctor if each["verdict"] != "ok"} == {}
