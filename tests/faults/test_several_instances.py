"""Two processes on one PostgreSQL behind one address: any takes transactions and pages; one killed, nothing is lost."""

import asyncio
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest_asyncio
from aiohttp import web

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.divisions.little_town import write_town
from tests.e2e.talk import answers_to
from tests.e2e.waiting import eventually
from tests.support.command_line import assert_told, put_settings, run, start, status_of, statuses
from tests.support.ports import ReservedPort
from tests.support.postgres import Postgres
from tests.support.proxy import Forward, Proxy, Reply
from tests.support.users import MatrixError, MatrixUser

OFFICE = "#cityhall-jimukyoku:localhost"


@dataclass
class Instances:
    """Serving processes of one installation, and the address before them that the homeserver knows."""

    config: Path
    ports: Sequence[int]
    web_ports: Sequence[int]
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    #: Each transaction goes to all of them, as after a time-out of a load balancer.
    to_all: bool = False
    taken: Counter[int] = field(default_factory=Counter)

    def begin(self) -> None:
        """Start them all."""
        for number, (port, web_port) in enumerate(zip(self.ports, self.web_ports, strict=True)):
            listen = {"OSHIYAKUSHO_LISTEN": f"127.0.0.1:{port}", "OSHIYAKUSHO_WEB_LISTEN": f"127.0.0.1:{web_port}"}
            self.processes.append(start("serve", "--config", self.config, **listen))
            statuses(f"http://127.0.0.1:{port}/healthz", last=200, process=self.processes[number])

    def kill(self, number: int) -> None:
        """Kill one, without a word."""
        self.processes[number].send_signal(signal.SIGKILL)
        self.processes[number].wait()

    def end(self) -> None:
        """End all."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    async def balance(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        """Hand a request to one after the other in turn; to the next one if one is gone."""
        turn = self.taken.total()
        order = [(turn + step) % len(self.ports) for step in range(len(self.ports))]
        answers: list[Reply] = []
        for number in order:
            try:
                answers.append(await forward(f"http://127.0.0.1:{self.ports[number]}"))
            except aiohttp.ClientError:
                continue
            self.taken[number] += 1
            if not self.to_all:
                break
        return answers[0].response() if answers else web.Response(status=502)


@dataclass(frozen=True)
class Hall:
    """Two instances before a Synapse, and one of the secretariat with a client."""

    instances: Instances
    secretary: MatrixUser
    office: str

    async def asked(self, *commands: str) -> list[str]:
        """Say commands, one after the other without waiting; return the event ids."""
        return [await self.secretary.say(self.office, command) for command in commands]

    async def answered_once(self, event_ids: Sequence[str]) -> None:
        """Wait until each has its answer, then look whether one has two."""

        def all_answered() -> bool | None:
            return all(answers_to(self.secretary, self.office, each) for each in event_ids) or None

        await self.secretary.until(all_answered, timeout=90, what="an answer to each")
        # Whatever would come twice comes before the answer to what is asked now, in the same room.
        last = await self.secretary.say(self.office, "!status")
        await self.secretary.until(lambda: answers_to(self.secretary, self.office, last) or None, timeout=60)
        counted = {each: len(answers_to(self.secretary, self.office, each)) for each in event_ids}
        assert set(counted.values()) == {1}, counted


@pytest_asyncio.fixture
async def hall(tmp_path: Path, postgres: Postgres) -> AsyncIterator[Hall]:
    """The little town, provisioned by two processes at once."""
    ports = [ReservedPort() for _ in range(6)]
    client, front, *behind = (port.open_to_listeners() for port in ports)
    directory = tmp_path / "city"
    written = run(
        *("init", "--homeserver-url", f"http://127.0.0.1:{client}", "--server-name", "localhost"),
        *("--listen", f"127.0.0.1:{front}", "--web-listen", f"127.0.0.1:{behind[2]}"),
        *("--public-url", "https://cityhall.example", "--secretariat", "@kanri:localhost", "--dir", directory),
    )
    assert written.returncode == 0, written.stderr
    write_town(directory / "town")
    synapse = EmbeddedSynapse(
        tmp_path / "synapse", server_name="localhost", port=client, registrations=[directory / "registration.yaml"]
    )
    instances = Instances(directory / "config.yaml", behind[:2], behind[2:])
    await synapse.start()
    secretary = await MatrixUser.on(synapse, "kanri")
    try:
        with postgres.fresh_database() as url:
            put_settings(directory / "config.yaml", rooms="town", database_url=url)
            async with Proxy("", meddle=instances.balance).running(front):
                try:
                    await asyncio.to_thread(instances.begin)
                    office = await secretary.resolve(OFFICE)
                    await secretary.invited_to(office)
                    await secretary.join(office)
                    yield Hall(instances, secretary, office)
                finally:
                    await asyncio.to_thread(instances.end)
    finally:
        await secretary.close()
        await synapse.stop()
        for port in ports:
            port.release()


async def test_both_take_their_share_and_whatever_reaches_both_is_answered_once(hall: Hall) -> None:
    hall.instances.to_all = True
    await hall.answered_once(await hall.asked(*["!status", "!課 一覧"] * 8))
    hall.instances.to_all = False
    await hall.answered_once(await hall.asked(*["!status"] * 8))
    assert min(hall.instances.taken[number] for number in (0, 1)) > 8
    for port in hall.instances.web_ports:
        assert await asyncio.to_thread(status_of, f"http://127.0.0.1:{port}/") == 200


async def test_one_is_killed_in_the_middle_and_the_other_ends_what_it_had_begun(hall: Hall) -> None:
    commands = [f"!課 新設 ka{number} 第{number}課 --部 zei" for number in range(3)]
    before = await hall.asked(*["!status"] * 5, *commands)
    await asyncio.to_thread(hall.instances.kill, 0)
    after = await hall.asked(*["!status"] * 5)
    await hall.secretary.until(
        lambda: all(answers_to(hall.secretary, hall.office, each) for each in (*before, *after)) or None, timeout=120
    )
    for number in range(3):
        for room in ("", "-oshirase", "-danwa"):
            await made(hall.secretary, f"#ka-ka{number}{room}:localhost")
    # A long command may say first that it is being worked on; what is said at the end is said once.
    said = [[str(e["content"]["body"]) for e in answers_to(hall.secretary, hall.office, each)] for each in before]
    assert all(len(set(answers)) == len(answers) for answers in said), said
    assert [len(answers) for answers in said[:5]] == [1] * 5
    plan = await asyncio.to_thread(run, "rooms", "plan", "--config", hall.instances.config)
    assert plan.returncode == 0, plan.stdout + plan.stderr


async def made(person: MatrixUser, alias: str) -> None:
    """Wait until there is a room of this name."""

    async def look() -> str | None:
        try:
            return await person.resolve(alias)
        except MatrixError as error:
            if error.errcode != "M_NOT_FOUND":
                raise
            return None

    await eventually(look, person, what=alias)


async def test_a_second_process_on_sqlite_is_refused_in_one_sentence(tmp_path: Path) -> None:
    ports = [ReservedPort() for _ in range(2)]
    client, listen = (port.open_to_listeners() for port in ports)
    directory = tmp_path / "city"
    assert (
        run(
            *("init", "--homeserver-url", f"http://127.0.0.1:{client}", "--server-name", "localhost"),
            *("--listen", f"127.0.0.1:{listen}", "--secretariat", "@kanri:localhost", "--dir", directory),
        ).returncode
        == 0
    )
    synapse = EmbeddedSynapse(
        tmp_path / "synapse", server_name="localhost", port=client, registrations=[directory / "registration.yaml"]
    )
    write_town(directory / "town")
    put_settings(directory / "config.yaml", rooms="town")
    await synapse.start()
    first = await asyncio.to_thread(start, "serve", "--config", directory / "config.yaml")
    try:
        await asyncio.to_thread(statuses, f"http://127.0.0.1:{listen}/healthz", last=200, process=first)
        second = await asyncio.to_thread(run, "serve", "--config", directory / "config.yaml")
        assert_told(second, f"another process (number {first.pid})", "end it first", "PostgreSQL")
        assert first.poll() is None
    finally:
        first.kill()
        await asyncio.to_thread(first.communicate)
        await synapse.stop()
        for port in ports:
            port.release()
