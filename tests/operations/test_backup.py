"""``backup`` and ``restore``: all that is on record comes back, in either store; refusals are one sentence."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, Date, Integer, LargeBinary, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.divisions.catalogue import shipped_directory
from oshiyakusho_matrix.operations.backup import backup, restore
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.tables import outbox_message
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.roster.tables import member
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.keys import HomeserverKeys
from oshiyakusho_matrix.settings.values import Listen, Registration
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.exclusive import exclusive
from oshiyakusho_matrix.store.lanes import lane_lease
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import check_revision, prepare, upgrade
from tests.conftest import NewDatabase, import_all_tables

SERVER = "city.example"
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def all_tables() -> None:
    """Whatever has a table is in a backup, so every table must be known."""
    import_all_tables()


def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        config=tmp_path / "config.yaml",
        homeserver=HomeserverKeys(url="http://127.0.0.1:8008", server_name=SERVER),
        registration=Registration("oshiyakusho", "shiyakusho", "as", "hs", "http://127.0.0.1:9010"),
        listen=Listen("127.0.0.1", 9010),
        data=tmp_path / "data",
        database_url=database_url,
        rooms=shipped_directory(),
        secretariat=(UserId(f"@kanri:{SERVER}"),),
    )


def is_there(url: str) -> bool:
    return Path(url.rpartition("///")[2]).exists()


def make_directory(directory: Path) -> None:
    directory.mkdir()


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


def names_in(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


class Opened:
    """A database, open for a moment."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> AsyncEngine:
        self._engine = create_engine(self._url)
        return self._engine

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()


def a_value(column: Any, number: int) -> Any:
    """Return something that fits a column, another one for each number."""
    match column.type:
        case Moment():
            return LONG_AGO + timedelta(days=number)
        case Boolean():
            return number % 2 == 0
        case Integer():
            return number
        case Date():
            return (LONG_AGO + timedelta(days=number)).date()
        case LargeBinary():
            return bytes([0, 255, number])
        case JSON():
            return {"言葉": [number, None, "\n\u2028", {"深": 1.5}]}
        case _:
            value = f"{column.name[:3]}{number}"
            return value[-(column.type.length or len(value)) :]


async def fill(url: str) -> None:
    """Put three rows into each table, and as many members as make several batches."""
    async with Opened(url) as engine:
        await prepare(engine)
        async with Store(engine).transaction() as tx:
            for table in metadata.sorted_tables:
                rows = [{column.name: a_value(column, number) for column in table.columns} for number in (7, 8, 9)]
                if table is outbox_message:
                    states = ("pending", "pending", "sent")
                    rows = [row | {"state": state} for row, state in zip(rows, states, strict=True)]
                    rows[0]["first_attempt_at"] = None
                if table.name == "follow_up_key":
                    rows = [row | {"follow_up_id": f"id{number}"} for row, number in zip(rows, (7, 8, 9), strict=True)]
                await tx.connection.execute(insert(table), rows)
            everybody = [
                {"user_id": f"@m{number}:{SERVER}", "standing": "admitted", "secretariat": False, "hall": "joined"}
                | {"office": "left", "changed_at": LONG_AGO, "changed_by": "@bot"}
                for number in range(1201)
            ]
            await tx.connection.execute(insert(member), everybody)


async def content(url: str) -> Rows:
    """Return all rows of all tables."""
    async with Opened(url) as engine, Store(engine).reading() as connection:
        return {
            table.name: [
                dict(row._mapping)
                for row in await connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


BETWEEN = pytest.mark.parametrize(
    ("source", "target"), [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")]
)


@BETWEEN
async def test_all_that_is_on_record_comes_back(
    source: str, target: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    old, new, file = new_database(source), new_database(target), tmp_path / "b" / "today.backup"
    make_directory(file.parent)
    await fill(old)
    kept = await backup(settings(tmp_path, old), file)
    assert names_in(file.parent) == {"today.backup"}
    assert mode_of(file) == 0o600
    restored = await restore(settings(tmp_path, new), file)

    before, after = await content(old), await content(new)
    said = after["outbox_message"].pop()
    assert "バックアップ" in said["content"]["body"]
    assert said["id"] == 10, "the next message has not got the next number"
    assert after["audit"].pop()["command"] == "restore"
    assert kept.rows - len(before[lane_lease.name]) == restored.rows
    # What may have happened since: see the module's docstring.
    before[lane_lease.name] = []
    before[work.name] = [row | {"lease": None, "leased_until": None} for row in before[work.name]]
    before["outbox_message"][0]["first_attempt_at"] = kept.made_at
    assert before == after
    async with Opened(new) as engine:
        await check_revision(engine)


async def test_an_older_backup_is_brought_up_to_date(new_database: NewDatabase, tmp_path: Path) -> None:
    old, new, file = new_database("sqlite"), new_database("sqlite"), tmp_path / "old.backup"
    async with Opened(old) as engine:
        await upgrade(engine, "0002")
        async with Store(engine).transaction() as tx:
            row = {column.name: a_value(column, 1) for column in audit.columns}
            await tx.connection.execute(insert(audit).values(row))
    await backup(settings(tmp_path, old), file)
    await restore(settings(tmp_path, new), file)
    async with Opened(new) as engine:
        await check_revision(engine)
    assert [row["id"] for row in (await content(new))["audit"]] == [1, 2]


@pytest.fixture
async def made(new_database: NewDatabase, tmp_path: Path) -> Path:
    """A backup of a small database."""
    url = new_database("sqlite")
    async with Opened(url) as engine:
        await prepare(engine)
        async with Store(engine).transaction() as tx:
            await DatabaseOutbox(Renderer()).tell_secretariat(tx, say("The audit is empty."))
    file = tmp_path / "made.backup"
    await backup(settings(tmp_path, url), file)
    return file


def rewritten(file: Path, **header: object) -> Path:
    """Change the header of a backup, and sign it anew."""
    first, *rows, _end = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    lines = [json.dumps(json.loads(first) | header).encode() + b"\n", *rows]
    count = sum(line.startswith(b"[") for line in rows)
    end = {"rows": count, "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    other = file.with_name("other.backup")
    other.write_bytes(gzip.compress(b"".join(lines) + json.dumps(end).encode() + b"\n"))
    return other


def damaged(file: Path, change: Callable[[bytes], bytes], *, inside: bool) -> Path:
    data = file.read_bytes()
    other = file.with_name("other.backup")
    other.write_bytes(gzip.compress(change(gzip.decompress(data))) if inside else change(data))
    return other


BAD: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "cut short": (lambda file: damaged(file, lambda data: data[:-30], inside=False), "damaged"),
    "a byte changed": (
        lambda file: damaged(file, lambda data: data.replace(b"pending", b"pendinG"), inside=True),
        "damaged",
    ),
    "a row missing": (
        lambda file: damaged(
            file, lambda data: b"".join(data.splitlines(True)[:-2] + data.splitlines(True)[-1:]), inside=True
        ),
        "damaged",
    ),
    "the last line missing": (
        lambda file: damaged(file, lambda data: b"".join(data.splitlines(True)[:-1]), inside=True),
        "damaged",
    ),
    "no gzip": (lambda file: damaged(file, lambda _: b"hello", inside=False), "not a backup"),
    "something else": (lambda file: damaged(file, lambda _: b'{"a": 1}\n', inside=True), "not a backup"),
    "nothing": (lambda file: damaged(file, lambda _: b"", inside=True), "not a backup"),
    "newer format": (lambda file: rewritten(file, version=2), "newer version"),
    "newer tables": (lambda file: rewritten(file, revision="9999"), "newer version.*9999"),
    "no file": (lambda file: file.with_name("nowhere"), "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_file_that_cannot_be_trusted_restores_nothing(
    case: str, made: Path, new_database: NewDatabase, tmp_path: Path
) -> None:
    spoil, words = BAD[case]
    url = new_database("sqlite")
    with pytest.raises(Misconfigured, match=words) as caught:
        await restore(settings(tmp_path, url), spoil(made))
    assert "\n" not in str(caught.value)
    assert not is_there(url)


async def test_a_backup_of_another_homeserver_is_refused(made: Path, new_database: NewDatabase, tmp_path: Path) -> None:
    ours = settings(tmp_path, new_database("sqlite"))
    other = replace(ours, homeserver=HomeserverKeys(url="http://127.0.0.1:8008", server_name="town.example"))
    with pytest.raises(Misconfigured, match=r"from city\.example.* of town\.example"):
        await restore(other, made)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_only_an_empty_database_is_filled(
    kind: str, made: Path, new_database: NewDatabase, tmp_path: Path
) -> None:
    url = new_database(kind)
    # Tables without rows are what a start leaves behind that was refused.
    async with Opened(url) as engine:
        await prepare(engine)
    await restore(settings(tmp_path, url), made)
    before = await content(url)
    with pytest.raises(Misconfigured, match="not empty"):
        await restore(settings(tmp_path, url), made)
    assert await content(url) == before


async def test_a_database_that_is_served_from_is_left_alone(
    made: Path, new_database: NewDatabase, tmp_path: Path
) -> None:
    url = new_database("sqlite")
    with exclusive(url), pytest.raises(Misconfigured, match="is serving with"):
        await restore(settings(tmp_path, url), made)


async def test_a_backup_overwrites_nothing_and_leaves_nothing_half_made(made: Path, tmp_path: Path) -> None:
    ours = settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path / '0.sqlite3'}")
    before = names_in(tmp_path)
    with pytest.raises(Misconfigured, match="exists already"):
        await backup(ours, made)
    await restore(settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path / '1.sqlite3'}"), made)
    with pytest.raises(Misconfigured, match="cannot be written"):
        await backup(ours, tmp_path / "nowhere" / "b")
    nothing = settings(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'none.sqlite3'}")
    with pytest.raises(Misconfigured, match="no database"):
        await backup(nothing, tmp_path / "b")
    assert {name for name in names_in(tmp_path) - before if not name.startswith("1.sqlite3")} == set()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_backup_is_of_one_moment_while_others_write(
    kind: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    """Two rows are written in one transaction while tables are read; either both are in the backup or none."""
    old, new = new_database(kind), new_database("sqlite")
    await fill(old)
    writing = True

    async def write() -> None:
        async with Opened(old) as engine:
            number = 100
            while writing:
                number += 1
                async with Store(engine).transaction() as tx:
                    for table, values in ((audit, {}), (outbox_message, {"state": "sent"})):
                        row = {column.name: a_value(column, number) for column in table.columns}
                        await tx.connection.execute(insert(table).values(row | values))
                await asyncio.sleep(0)

    writer = asyncio.create_task(write())
    for turn in range(3):
        await backup(settings(tmp_path, old), tmp_path / f"{turn}.backup")
    writing = False
    await writer
    await restore(settings(tmp_path, new), tmp_path / "2.backup")
    after = await content(new)
    both = [{row["id"] for row in after[name] if row["id"] > 100} for name in ("audit", "outbox_message")]
    assert both[0]
    # Restoring adds one to each.
    assert [numbers - {max(numbers)} for numbers in both] == [both[0] - {max(both[0])}] * 2
