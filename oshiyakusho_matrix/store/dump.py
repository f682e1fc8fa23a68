"""The format of backups: the rows of all tables as text, the same for SQLite and PostgreSQL.

Written and read by ``operations.backup``, which knows what the rows mean. A gzip file of JSON lines: a header; for each
table one line that names it and its columns, then a line with the values of each row; last the number of rows and the
SHA-256 of all lines before. Row follows row, so neither side ever holds a table in memory. Tables are taken as they are
found in the database, not as this code declares them: an older database can be written and read, too.
"""

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import JSON, Column, Date, DateTime, Integer, LargeBinary, MetaData, Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.errors import Misconfigured

FORMAT: Final = "oshiyakusho-matrix backup"
VERSION: Final = 1
#: Alembic's own; the header says the same.
_REVISION: Final = "alembic_version"
_BATCH: Final = 500

#: What becomes of a row of a table, by column, when it is read back; None leaves it out.
Change = Callable[[str, dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a backup says about itself. ``revision`` is that of the tables."""

    revision: str
    server_name: str
    made_at: datetime


async def write(connection: AsyncConnection, header: Header, file: IO[bytes]) -> int:
    """Write all that the connection's transaction sees into an open file; return how many rows."""
    digest, count = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:

        def put(line: object) -> None:
            data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(data)
            packed.write(data)

        put({"format": FORMAT, "version": VERSION, **asdict(header), "made_at": header.made_at.isoformat()})
        for table in await _tables(connection):
            put({"table": table.name, "columns": [column.name for column in table.columns]})
            async for row in _rows(connection, table):
                put([_to_json(value) for value in row])
                count += 1
        put({"rows": count, "sha256": digest.hexdigest()})
    return count


async def read(connection: AsyncConnection, file: Path, change: Change) -> int:
    """Put the rows of a file that ``check`` accepted into tables that are as its header says; return how many."""
    tables = {table.name: table for table in await _tables(connection)}
    count = 0
    for name, rows in _by_table(file):
        table = tables[name]
        batch: list[dict[str, Any]] = []
        for row in rows:
            changed = change(name, {column: _from_json(table.columns[column], value) for column, value in row.items()})
            if changed is not None:
                batch.append(changed)
            if len(batch) == _BATCH:
                await connection.execute(insert(table), batch)
                count += len(batch)
                batch = []
        if batch:
            await connection.execute(insert(table), batch)
            count += len(batch)
        await _go_on_counting(connection, table)
    return count


def check(file: Path) -> Header:
    """Read a whole file and return its header. ``Misconfigured`` if it is none of ours, too new, or damaged."""
    digest, count, last = hashlib.sha256(), 0, b""
    lines = _lines(file)
    header = _header(file, first := next(lines, b""))
    for line in lines:
        digest.update(last or first)
        count += last.startswith(b"[")
        last = line
    try:
        end = json.loads(last)
        whole = end == {"rows": count, "sha256": digest.hexdigest()}
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise _damaged(file)
    return header


def _header(file: Path, line: bytes) -> Header:
    try:
        found = json.loads(line)
        ours, version = found["format"] == FORMAT, int(found["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _foreign(file) from None
    if not ours:
        raise _foreign(file)
    if version > VERSION:
        raise Misconfigured(
            f"{file} was made by a newer version of this program (format {version}, known up to {VERSION}): "
            "install that version."
        )
    try:
        return Header(
            revision=str(found["revision"]),
            server_name=str(found["server_name"]),
            made_at=datetime.fromisoformat(found["made_at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise _damaged(file) from None


def _foreign(file: Path) -> Misconfigured:
    return Misconfigured(f"{file} is not a backup that `oshiyakusho-matrix backup` made.")


def _damaged(file: Path) -> Misconfigured:
    return Misconfigured(f"{file} is damaged or not complete: nothing was restored. Use another backup.")


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with gzip.open(file, "rb") as packed:
            yield from packed
    except gzip.BadGzipFile:
        raise _foreign(file) from None
    except (EOFError, zlib.error):
        raise _damaged(file) from None
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read ({error.strerror or error}).") from None


def _by_table(file: Path) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
    """Yield each table with its rows, which are to be used up before the next one."""
    lines = (json.loads(line) for line in _lines(file))
    next(lines)
    following: Any = next(lines)

    def rows(columns: list[str]) -> Iterator[Mapping[str, Any]]:
        nonlocal following
        for following in lines:
            if not isinstance(following, list):
                return
            yield dict(zip(columns, following, strict=True))

    while "table" in following:
        yield following["table"], rows(following["columns"])


async def _tables(connection: AsyncConnection) -> list[Table]:
    """Return the tables that there are, what others refer to first."""
    found = MetaData()
    await connection.run_sync(found.reflect)
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return [table for table in found.sorted_tables if table.name != _REVISION]


async def _rows(connection: AsyncConnection, table: Table) -> AsyncIterator[Any]:
    order = list(table.primary_key.columns)
    result = await connection.stream(select(table).order_by(*order), execution_options={"yield_per": _BATCH})
    async for row in result:
        yield row


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value


def _from_json(column: Column[Any], value: Any) -> Any:
    if value is not None and isinstance(column.type, DateTime):
        return datetime.fromisoformat(value)
    if value is not None and isinstance(column.type, Date):
        return date.fromisoformat(value)
    if value is not None and isinstance(column.type, LargeBinary):
        return base64.b64decode(value)
    return value


async def _go_on_counting(connection: AsyncConnection, table: Table) -> None:
    """PostgreSQL counts rows beside the table: the next row must not get the number of one that came with us."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer):
            sequence = await connection.scalar(select(func.pg_get_serial_sequence(table.name, column.name)))
            if sequence is not None:
                last = await connection.scalar(select(func.max(column))) or 0
                await connection.execute(select(func.setval(sequence, last + 1, False)))
