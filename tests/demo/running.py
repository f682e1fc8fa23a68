"""``oshiyakusho-matrix demo`` as a process of its own, on a small city hall and on ports that nobody else has."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.divisions.small_hall import DIVISION, KINDS, write_hall
from tests.support.ports import ReservedPort

#: How long anything may take here: the machine may be busy.
PATIENCE = 120.0
READY = "Ctrl-C"

_KINDS = KINDS.replace(
    "      - key: danwa\n",
    '      - key: oshirase\n        name: {ja: "{name} お知らせ", en: "{name}: News"}\n'
    '        topic: {ja: "{purpose}", en: "{purpose}"}\n        posting: heads\n'
    "      - key: danwa\n",
)


def small_city_hall(directory: Path) -> Path:
    """Write a city hall of three divisions: 15 rooms, made in a second or two."""
    others = {f"divisions/{slug}.yaml": _named(slug, ja) for slug, ja in (("bosai", "防災課"), ("suido", "水道課"))}
    return write_hall(directory, {"kinds.yaml": _KINDS, **others})


def _named(slug: str, ja: str) -> str:
    return (
        DIVISION.replace("zaisei", slug)
        .replace("みんなの財政課", ja)
        .replace("Everyone's Finance Division", f"Division of {slug}")
    )


class Demo:
    """A data directory with its ports; ``start`` as often as needed."""

    def __init__(self, directory: Path, rooms: Path, ports: list[ReservedPort]) -> None:
        self.directory = directory
        self._rooms = rooms
        self.ports = [port.open_to_listeners() for port in ports]
        directory.mkdir(parents=True)
        self.choose_ports()

    def choose_ports(self) -> None:
        """Leave the directory as a demo does that was killed right after it had chosen its ports."""
        names = ("client_port", "service_port", "pages_port", "mail_port")
        state = {"what": "oshiyakusho-matrix demo", **dict(zip(names, self.ports, strict=True))}
        (self.directory / "demo.json").write_text(json.dumps(state), encoding="utf-8")

    def declare_more(self, count: int) -> None:
        """Declare further divisions: more rooms than are made at once."""
        for number in range(count):
            content = _named(f"more{number}", f"第{number}課")
            (self._rooms / "divisions" / f"more{number}.yaml").write_text(content, encoding="utf-8")

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Start it; it is killed at the end if it still runs."""
        command = [sys.executable, "-m", "oshiyakusho_matrix", "demo", "--data-dir", str(self.directory)]
        with subprocess.Popen(
            [*command, "--rooms", str(self._rooms), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "1", "COLUMNS": "120"},
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def read_welcome(self, process: "subprocess.Popen[str]") -> str:
        """Return what it prints once the city hall stands. AssertionError if it ends instead."""
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith(READY):
                return text
        raise AssertionError(f"it ended: {text} {process.stderr.read() if process.stderr else ''}")

    def end(self, process: "subprocess.Popen[str]", how: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        process.send_signal(how)
        output, errors = process.communicate(timeout=PATIENCE)
        print(output, errors)  # shown if the test fails
        return process.returncode

    def rooms(self) -> tuple[int, int]:
        """Return how many rooms are on record, and how many of them have been made."""
        query = "select count(*), count(room_id) from managed_room"
        path = self.directory / "city" / "data" / "oshiyakusho.sqlite3"
        if not path.exists():
            return 0, 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            try:
                found: tuple[int, int] = database.execute(query).fetchone()
            except sqlite3.OperationalError:
                return 0, 0  # the tables are being made
        return found

    def room_ids(self) -> set[str]:
        """Return the ids of the managed rooms that have been made."""
        query = "select room_id from managed_room where room_id is not null"
        with closing(sqlite3.connect(self.directory / "city" / "data" / "oshiyakusho.sqlite3")) as database:
            return {room_id for (room_id,) in database.execute(query)}

    def rooms_of_homeserver(self) -> int:
        """Return how many rooms the homeserver has, managed or not, but for the chats in which people are welcomed."""
        chats = "select room_id from room_aliases where room_alias like '%-chat-%'"
        with closing(sqlite3.connect(self.directory / "synapse" / "homeserver.db")) as database:
            query = f"select count(*) from rooms where room_id not in ({chats})"  # noqa: S608 - our own words
            return int(database.execute(query).fetchone()[0])

    def processes(self) -> list[str]:
        """Return the command lines of processes that belong to this demo (Linux)."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if str(self.directory) in line:
                found.append(line)
        return found


def until(what: str, holds: object) -> None:
    """Wait until ``holds()`` is true; AssertionError if it takes too long."""
    deadline = time.monotonic() + PATIENCE
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
