"""The command line beside a real Synapse: what ``init`` writes serves, is planned, applied and examined."""

import json
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.divisions.little_town import ROOMS, SECOND, write_town
from tests.support.command_line import assert_told, put_settings, run, start, status_of, statuses
from tests.support.ports import ReservedPort


@dataclass(frozen=True)
class Place:
    """An installation that the homeserver at ``synapse`` has loaded; its city hall is the little town."""

    directory: Path
    synapse: EmbeddedSynapse
    port: int
    web_port: int

    @property
    def config(self) -> Path:
        """The settings."""
        return self.directory / "config.yaml"

    @property
    def url(self) -> str:
        """What operators ask."""
        return f"http://127.0.0.1:{self.port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One installation for all tests of this module, written by ``init``; each test leaves it as it found it."""
    ports = [ReservedPort() for _ in range(3)]
    client, listen, web = (port.open_to_listeners() for port in ports)
    directory = tmp_path_factory.mktemp("installation") / "city"
    written = run(
        *("init", "--homeserver-url", f"http://127.0.0.1:{client}", "--server-name", "localhost"),
        *("--listen", f"127.0.0.1:{listen}", "--web-listen", f"127.0.0.1:{web}"),
        *("--public-url", f"http://127.0.0.1:{web}", "--secretariat", "@kanri:localhost", "--dir", directory),
    )
    assert written.returncode == 0, written.stderr
    write_town(directory / "town")
    put_settings(directory / "config.yaml", rooms="town")
    synapse = EmbeddedSynapse(
        tmp_path_factory.mktemp("synapse"),
        server_name="localhost",
        port=client,
        registrations=[directory / "registration.yaml"],
    )
    await synapse.start()
    await synapse.register_user("kanri", "an invented password")
    try:
        yield Place(directory, synapse, listen, web)
    finally:
        await synapse.stop()
        for port in ports:
            port.release()


@contextmanager
def serving(place: Place) -> Iterator["subprocess.Popen[str]"]:
    """Run ``serve`` until it says that it is ready; end it whatever happens."""
    process = start("serve", "--config", place.config)
    try:
        statuses(f"{place.url}/healthz", last=200, process=process)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def plan(place: Place) -> "subprocess.CompletedProcess[str]":
    return run("rooms", "plan", "--config", place.config)


def applied(place: Place) -> None:
    """Apply the town as it is declared now."""
    result = run("rooms", "apply", "--config", place.config)
    assert result.returncode == 0, result.stdout + result.stderr


def audited(place: Place) -> list[tuple[str, ...]]:
    """Return who did what, from the audit table."""
    return in_database(place, "SELECT actor, command, outcome FROM audit ORDER BY id")


def in_database(place: Place, statement: str) -> list[tuple[str, ...]]:
    """Run one statement on the installation's own database."""
    (database,) = place.directory.rglob("oshiyakusho.sqlite3")
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement).fetchall()


def figure(place: Place, name: str) -> float:
    with urllib.request.urlopen(f"{place.url}/metrics", timeout=10) as answer:  # noqa: S310 - our own URL
        text = answer.read().decode()
    return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"oshiyakusho_{name} ")))


def test_the_city_hall_is_planned_applied_and_then_as_declared_without_a_serve(place: Place) -> None:
    applied(place)
    after = plan(place)
    assert (after.returncode, len(after.stdout.splitlines())) == (0, 1), after.stdout
    again = run("rooms", "apply", "--config", place.config, "--json")
    assert json.loads(again.stdout) == {"complete": True, "rooms": ROOMS, "failed": []}
    assert audited(place)[-2:] == [("command line", "rooms apply", "done")] * 2


def test_plan_tells_by_its_exit_code_and_as_json_whether_there_is_something_to_do(place: Place) -> None:
    applied(place)
    file = place.directory / "town" / "divisions" / "juumin.yaml"
    file.write_text(SECOND.replace("住民課", "市民課"), encoding="utf-8")
    try:
        changed = plan(place)
        assert changed.returncode == 2
        assert "市民課" in changed.stdout
        as_json = run("rooms", "plan", "--config", place.config, "--json")
        found = json.loads(as_json.stdout)
        assert (as_json.returncode, found["empty"]) == (2, False)
        # The space's record, and its three rooms.
        assert len(found["changes"]) == 4
        done = run("rooms", "apply", "--config", place.config, "--json")
        # Nothing but the answer is on standard output.
        assert json.loads(done.stdout) == {"complete": True, "rooms": ROOMS, "failed": []}
        file.write_text(SECOND.replace("group: zei", "group: nanika"), encoding="utf-8")
        assert_told(plan(place), "juumin.yaml", "nanika")
        assert_told(run("rooms", "apply", "--config", place.config), "juumin.yaml")
    finally:
        file.write_text(SECOND, encoding="utf-8")
    applied(place)
    assert plan(place).returncode == 0


def test_apply_beside_a_running_serve_shares_the_work(place: Place) -> None:
    file = place.directory / "town" / "divisions" / "juumin.yaml"
    with serving(place):
        file.write_text(SECOND.replace("住民課", "市民課"), encoding="utf-8")
        try:
            applied(place)
            assert plan(place).returncode == 0
        finally:
            file.write_text(SECOND, encoding="utf-8")
        applied(place)
        assert figure(place, "rooms_made") == ROOMS
        assert figure(place, "work_parked") == 0


def test_apply_and_serve_are_not_kept_by_what_has_nothing_to_do_with_them(place: Place) -> None:
    applied(place)
    in_database(
        place,
        "INSERT INTO work (kind, name, priority, due_at, asked, attempts, crashes, created_at, parked_at, last_error) "
        """SELECT 'member', '@dareka:localhost', 20, now, 1, 0, 0, now, now, '"why"' """
        "FROM (SELECT max(at) AS now FROM audit)",
    )
    file = place.directory / "town" / "divisions" / "juumin.yaml"
    try:
        applied(place)
        # The records are what serve works by; the files matter when they are applied.
        file.write_text("slug: [", encoding="utf-8")
        with serving(place):
            assert status_of(f"http://127.0.0.1:{place.web_port}/") == 200
    finally:
        file.write_text(SECOND, encoding="utf-8")
        in_database(place, "DELETE FROM work WHERE name = '@dareka:localhost'")


def test_serve_is_starting_then_ready_tells_figures_and_ends_within_seconds(place: Place) -> None:
    applied(place)
    process = start("serve", "--config", place.config)
    try:
        seen = statuses(f"{place.url}/healthz", last=200, process=process)
        assert seen in ([503, 200], [200])
        assert figure(place, "ready") == 1
        assert figure(place, "members") == 1
        assert figure(place, "rooms_made") == ROOMS
        # Never mixed: the public pages have nothing of this, and operators' address has no pages.
        web = f"http://127.0.0.1:{place.web_port}"
        assert status_of(f"{web}/") == 200
        assert {status_of(f"{web}{path}") for path in ("/metrics", "/healthz", "/_matrix/app/v1/ping")} == {404}
        assert status_of(f"{place.url}/") == 404
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert time.monotonic() - began < 10
        assert "Traceback" not in out + err
        assert status_of(f"{place.url}/healthz") is None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_a_port_that_is_taken_is_told(place: Place) -> None:
    with socket.create_server(("127.0.0.1", place.port)):
        result = run("serve", "--config", place.config)
    assert_told(result, f"127.0.0.1:{place.port}", "listen")


def test_a_token_that_the_homeserver_does_not_know_is_told_without_showing_it(place: Place) -> None:
    for command in (["serve"], ["rooms", "plan"]):
        result = run(*command, "--config", place.config, OSHIYAKUSHO_AS_TOKEN="x" * 40)
        assert_told(result, "app_service_config_files", "as_token")
        assert "x" * 40 not in result.stderr


def test_doctor_finds_nothing_failed_on_a_sound_installation(place: Place) -> None:
    applied(place)
    result = run("doctor", "--config", place.config, "--json")
    rows = json.loads(result.stdout)
    assert [row for row in rows if row["verdict"] == "failed"] == []
    assert result.returncode == 0
    with serving(place):
        assert run("doctor", "--config", place.config).returncode == 0


def test_doctor_names_a_wrong_token_and_broken_files(place: Place) -> None:
    file = place.directory / "town" / "divisions" / "juumin.yaml"
    file.write_text("slug: [", encoding="utf-8")
    try:
        result = run("doctor", "--config", place.config, "--json", OSHIYAKUSHO_AS_TOKEN="x" * 40)
    finally:
        file.write_text(SECOND, encoding="utf-8")
    assert result.returncode == 1
    failed = {row["name"] for row in json.loads(result.stdout) if row["verdict"] == "failed"}
    assert "rooms" in failed
    assert "as_token" in failed
    assert "x" * 40 not in result.stdout + result.stderr
