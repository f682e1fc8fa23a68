"""All that a city hall leaves behind, as bytes: rows, files of databases, what rooms hold, what Synapse keeps."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import nio
import psycopg
from sqlalchemy import Connection, Select, inspect, literal_column, make_url, select, table

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.e2e.city import City
from tests.support.users import MatrixUser

#: What was found, by where it is.
Remains = dict[str, bytes]


async def rows_of(city: City) -> Remains:
    """Return all rows of each table of the service's database."""

    def read(connection: Connection) -> Remains:
        found = Remains()
        for name in inspect(connection).get_table_names():
            everything: Select[Any] = select(literal_column("*")).select_from(table(name))
            found[f"rows of {name}"] = _joined(connection.execute(everything))
        return found

    async with city.app.store.reading() as connection:
        return await connection.run_sync(read)


def rows_of_synapse(synapse: EmbeddedSynapse) -> Remains:
    """Return all rows of each table of a homeserver's database."""
    found, path = Remains(), synapse.directory / "homeserver.db"
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = database.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - its own name
            found[f"{synapse.server_name}: rows of {name}"] = _joined(rows)
    return found


def _joined(rows: Iterable[Iterable[object]]) -> bytes:
    values = (value for row in rows for value in row)
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace") for value in values
    )


def files_below(directory: Path) -> Remains:
    """Return all files: databases with what belongs to them, logs, media, configuration."""
    return _read(path for path in directory.rglob("*"))


def _read(paths: Iterable[Path]) -> Remains:
    found = Remains()
    for path in paths:
        # What comes and goes meanwhile (journals, temporary files) is gone.
        with suppress(FileNotFoundError):
            if path.is_file():
                found[str(path)] = path.read_bytes()
    return found


@contextmanager
def files_of_postgresql(url: str) -> Iterator[Remains]:
    """Give what PostgreSQL has in files of a database when the context ends, its log of changes since it began."""
    remains = Remains()
    place = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(place, autocommit=True) as connection:
        (first,) = _row(connection, "SELECT pg_walfile_name(pg_current_wal_lsn())")
        yield remains
        connection.execute("CHECKPOINT")
        directory, oid, last = _row(
            connection,
            "SELECT current_setting('data_directory'), oid, pg_walfile_name(pg_current_wal_lsn())"
            " FROM pg_database WHERE datname = current_database()",
        )
    data = Path(directory)

    def belongs(path: Path) -> bool:
        if path.is_relative_to(data / "base"):
            return path.parent.name == str(oid)
        return path.parent.name != "pg_wal" or first <= path.name <= last

    remains |= _read(path for path in data.rglob("*") if belongs(path))


def _row(connection: psycopg.Connection[Any], query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


async def rooms_of_the_bot(city: City) -> Remains:
    """Return the state and all events of each room that the bot is in, as the homeserver gives them to it."""
    client = nio.AsyncClient(city.hub.url, city.bot)
    client.access_token = city.settings.registration.as_token
    bot = MatrixUser(client)
    try:
        return {room_id: await _room(bot, room_id) for room_id in sorted(await bot.joined_rooms())}
    finally:
        await bot.close()


async def _room(bot: MatrixUser, room_id: str) -> bytes:
    events = list(await bot.state(room_id))
    query = {"dir": "b", "limit": "1000"}
    while True:
        page = await bot.call("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/messages", **query)
        events += page["chunk"]
        if "end" not in page:
            return json.dumps(events, ensure_ascii=False).encode()
        query["from"] = page["end"]
