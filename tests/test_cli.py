"""The command line without a homeserver: what is wrong is one sentence on stderr and exit code 1, never a traceback."""

import asyncio
import json
import logging
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from oshiyakusho_matrix import __version__
from oshiyakusho_matrix.cli import cli
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.sealing import Sealer, new_key, read_keys
from oshiyakusho_matrix.settings import load_settings
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.sealing import note_key
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.divisions.little_town import SECOND, write_town
from tests.support.command_line import assert_told, put_settings, run


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Put the log back as it was: the command line sets it up for its process, and here other tests follow in it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def invoke(*arguments: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def quickly(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command in this process that fails before there is anything to run; any other error is a traceback."""
    result = invoke(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess([str(a) for a in arguments], result.exit_code, result.stdout, result.stderr)


def order(directory: Path, url: str = "http://127.0.0.1:1", listen: str = "127.0.0.1:9010") -> list[str]:
    return ["init", "--homeserver-url", url, "--server-name", "localhost", "--listen", listen,
            "--secretariat", "@kanri:localhost", "--dir", str(directory)]  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A fresh installation whose homeserver does not answer."""
    result = invoke(*order(tmp_path / "city"))
    assert result.exit_code == 0, result.output
    return tmp_path / "city"


def test_version() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, __version__)


def test_without_arguments_there_is_help() -> None:
    result = run()
    assert "Usage" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words", ["rooms plan --nix", "rooms plan x", "rooms", "rooms plann", "--nix", "serve --config", "init", "doctor x"]
)
def test_a_command_line_that_is_not_understood_is_told_from_changes_by_its_exit_code(words: str) -> None:
    result = invoke(*words.split())
    assert result.exit_code == 64, result.output
    assert result.output.strip()


def test_help_tells_the_exit_codes() -> None:
    told = " ".join(invoke("--help").stdout.split()) + " ".join(invoke("rooms", "plan", "--help").stdout.split())
    assert told.count("64") == 2
    assert "2: changes" in told


def test_init_says_what_to_do_next_and_never_overwrites(directory: Path) -> None:
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    result = run(*order(directory))
    assert_told(result, "rooms, registration.yaml, sealing.key, config.yaml. init overwrites nothing")
    assert_told(
        run(*order(directory), LC_ALL="ja_JP.UTF-8"),
        "rooms, registration.yaml, sealing.key, config.yaml。",
        "上書きしません",
    )
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def test_init_with_a_wrong_option_writes_nothing(tmp_path: Path) -> None:
    assert_told(quickly(*order(tmp_path / "city", url="ftp://x")), "--homeserver-url")
    assert_told(quickly(*order(tmp_path / "city", listen="nowhere")), "--listen")
    assert not (tmp_path / "city").exists()


def test_init_in_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert_told(quickly(*order(tmp_path / "file" / "city")), "cannot be written")


# --- rooms check


def test_rooms_check_names_file_line_and_mistake(tmp_path: Path) -> None:
    rooms = write_town(tmp_path, {"divisions/juumin.yaml": SECOND.replace("group: zei", "group: nanika")})
    result = invoke("rooms", "check", rooms)
    assert result.exit_code == 1
    assert f"{rooms / 'divisions/juumin.yaml'}:4:" in result.stdout
    assert "nanika" in result.stdout
    as_json = invoke("rooms", "check", rooms, "--json")
    (finding,) = json.loads(as_json.stdout)
    assert (finding["file"], finding["line"]) == ("divisions/juumin.yaml", 4)
    assert as_json.exit_code == 1


def test_rooms_check_of_sound_files(tmp_path: Path, directory: Path) -> None:
    result = invoke("rooms", "check", write_town(tmp_path / "rooms"))
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert json.loads(invoke("rooms", "check", write_town(tmp_path / "rooms"), "--json").stdout) == []
    assert invoke("rooms", "check", "--config", directory / "config.yaml").exit_code == 0


def test_rooms_check_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    result = run("rooms", "check", tmp_path / "nowhere")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert str(tmp_path / "nowhere") in result.stdout


def test_rooms_schema_is_written_or_the_reason_told(tmp_path: Path) -> None:
    assert invoke("rooms", "schema", tmp_path / "schema").exit_code == 0
    assert {path.suffix for path in (tmp_path / "schema").iterdir()} == {".json"}
    (tmp_path / "file").write_text("x")
    assert_told(quickly("rooms", "schema", tmp_path / "file"), str(tmp_path / "file"))


# --- what is wrong with an installation


COMMANDS = [["serve"], ["doctor"], ["rooms", "plan"], ["rooms", "apply"], ["rooms", "check"], ["db", "upgrade"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_configuration_that_is_not_there(tmp_path: Path, command: list[str]) -> None:
    assert_told(quickly(*command, "--config", tmp_path / "config.yaml"), str(tmp_path / "config.yaml"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lisen": "127.0.0.1:9010"}, ["lisen", "listen"]),
        ({"concurrency": "many"}, ["concurrency", "number"]),
        ({"listen": "here"}, ["listen", "HOST:PORT"]),
        ({"secretariat": "[]"}, ["secretariat"]),
        ({"database_url": "mysql://x"}, ["database_url"]),
        ({"homeserver": "[1]"}, ["homeserver"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else next(iter(value)),
)
def test_a_wrong_setting(directory: Path, settings: dict[str, str], words: list[str]) -> None:
    put_settings(directory / "config.yaml", **settings)
    if "homeserver" in settings:
        text = (directory / "config.yaml").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.startswith(("  url:", "  server_name:"))]
        (directory / "config.yaml").write_text("\n".join(lines), encoding="utf-8")
    assert_told(quickly("serve", "--config", directory / "config.yaml"), *words, "config.yaml")


def test_a_missing_token(directory: Path) -> None:
    registration = directory / "registration.yaml"
    lines = registration.read_text(encoding="utf-8").splitlines(keepends=True)
    registration.write_text("".join(line for line in lines if not line.startswith("as_token")), encoding="utf-8")
    assert_told(quickly("serve", "--config", directory / "config.yaml"), "as_token")


@pytest.mark.parametrize("command", [["serve"], ["rooms", "plan"], ["rooms", "apply"]], ids=" ".join)
def test_a_homeserver_that_does_not_answer(directory: Path, command: list[str]) -> None:
    result = run(*command, "--config", directory / "config.yaml")
    assert_told(result, "http://127.0.0.1:1", "homeserver.url")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_in_the_place_of_the_directory_for_data(directory: Path, command: list[str]) -> None:
    (directory / "data").write_text("x")
    result = quickly(*command, "--config", directory / "config.yaml")
    assert_told(result, "config.yaml", f"data is set to {directory / 'data'}, which is a file")


def test_a_database_beneath_a_file_is_told_by_the_doctor_too(directory: Path) -> None:
    (directory / "file").write_text("x")
    put_settings(directory / "config.yaml", database_url="sqlite:///file/city.db")
    (directory / "config.yaml").chmod(0o600)
    assert_told(quickly("doctor", "--config", directory / "config.yaml"), "database_url", "file/city.db")


# --- the database


def test_db_upgrade_sets_up_an_empty_database_and_says_the_revision(directory: Path) -> None:
    first = run("db", "upgrade", "--config", directory / "config.yaml")
    assert first.returncode == 0, first.stderr
    again = run("db", "upgrade", "--config", directory / "config.yaml")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert first.stdout.strip()


@pytest.mark.parametrize("command", [["serve"], ["rooms", "plan"], ["db", "upgrade"]], ids=" ".join)
def test_a_database_that_is_newer_than_the_code(directory: Path, command: list[str]) -> None:
    assert run("db", "upgrade", "--config", directory / "config.yaml").returncode == 0
    (file,) = (directory / "data").glob("*.sqlite3")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert_told(run(*command, "--config", directory / "config.yaml"), "newer", "9999")


# --- the key that seals personal data


def test_a_new_key_is_printed_or_written_and_never_over_another(tmp_path: Path) -> None:
    printed = invoke("key", "new").stdout
    assert read_keys(printed, "x").fingerprint != read_keys(invoke("key", "new").stdout, "x").fingerprint
    file = tmp_path / "sealing.key"
    written = invoke("key", "new", "--file", str(file))
    assert (written.exit_code, str(file) in written.stdout) == (0, True)
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text(encoding="utf-8")
    assert read_keys(before, "x")
    assert_told(quickly("key", "new", "--file", str(file)), "never overwritten")
    assert file.read_text(encoding="utf-8") == before
    assert_told(quickly("key", "new", "--file", str(tmp_path / "no" / "x")), "cannot be written")


def note(directory: Path, sealer: Sealer) -> None:
    """Have the database know that something may be sealed with a key."""

    async def write() -> None:
        engine = create_engine(load_settings(directory / "config.yaml").database_url)
        async with Store(engine).transaction() as tx:
            await note_key(tx, sealer, at=now())
        await engine.dispose()

    assert quickly("db", "upgrade", "--config", str(directory / "config.yaml")).returncode == 0
    asyncio.run(write())


def test_a_lost_key_is_one_sentence_at_the_start_until_it_is_back_or_given_up(directory: Path) -> None:
    file, config = directory / "sealing.key", directory / "config.yaml"
    kept = file.read_text(encoding="utf-8")
    lost = read_keys(kept, "x").fingerprint
    note(directory, read_keys(kept, "x"))
    assert_told(quickly("serve", "--config", str(config)), "homeserver")  # with the key, it is asked next
    file.write_text(new_key(), encoding="utf-8")
    assert_told(quickly("serve", "--config", str(config)), lost, "it is not in", str(file), f"key forget {lost}")
    file.unlink()
    assert_told(quickly("rooms", "plan", "--config", str(config)), lost, "there is no key")
    found = json.loads(quickly("doctor", "--config", str(config), "--json").stdout)
    (key,) = (row for row in found if row["name"] == "sealing key")
    assert (key["verdict"], lost in key["found"]) == ("failed", True)
    file.write_text(f"{new_key()}\n{kept}", encoding="utf-8")
    file.chmod(0o600)
    assert_told(quickly("key", "forget", lost, "--config", str(config)), "is there")
    assert_told(quickly("serve", "--config", str(config)), "homeserver")
    file.unlink()
    assert_told(quickly("key", "forget", "0123456789abcdef", "--config", str(config)), "needs no such key")
    assert invoke("key", "forget", lost, "--config", str(config)).exit_code == 0
    assert_told(quickly("serve", "--config", str(config)), "homeserver")
    with closing(sqlite3.connect(next((directory / "data").glob("*.sqlite3")))) as connection:
        assert connection.execute("SELECT command, arguments FROM audit").fetchall() == [
            ("key forget", json.dumps({"key": lost}))
        ]


def test_e_mail_without_a_key_is_one_sentence_at_the_start(directory: Path) -> None:
    (directory / "sealing.key").unlink()
    put_settings(directory / "config.yaml", mail="{host: localhost, security: none, sender: cityhall@example.jp}")
    assert_told(quickly("serve", "--config", str(directory / "config.yaml")), "key new --file", "sealing.key")


def test_a_postgresql_that_does_not_answer(directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://someone:geheim@127.0.0.1:{taken.getsockname()[1]}/x"
        put_settings(directory / "config.yaml", database_url=url)
        (directory / "config.yaml").chmod(0o600)
        result = run("serve", "--config", directory / "config.yaml")
    assert_told(result, "database")
    assert "geheim" not in result.stderr


def test_doctor_names_what_is_wrong_and_how_to_mend_it(directory: Path) -> None:
    result = run("doctor", "--config", directory / "config.yaml")
    assert result.returncode == 1
    assert "✗" in result.stdout
    assert "→" in result.stdout
    assert "Traceback" not in result.stderr
    found = run("doctor", "--config", directory / "config.yaml", "--json")
    rows = {row["name"]: row for row in json.loads(found.stdout)}
    assert rows["settings"]["verdict"] == "ok"
    assert any(row["verdict"] == "failed" and row["mend"] for row in rows.values())
    assert rows["database"]["verdict"] == "ok"
    assert not list(directory.rglob("*.sqlite3")), "doctor changes nothing"
