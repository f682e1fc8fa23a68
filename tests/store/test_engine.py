"""What the engine promises: no commit is lost, writers never collide, errors are ours and hold no secrets."""

import asyncio
import os
import random
import sqlite3
import stat
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.errors import Misconfigured, Temporary
from oshiyakusho_matrix.store.engine import create_engine, require_reachable
from oshiyakusho_matrix.store.errors import StatementRefused
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

_own = MetaData()
counter = Table("counter", _own, Column("id", Integer, primary_key=True), Column("value", Integer, nullable=False))
note = Table("note", _own, Column("words", String(200), primary_key=True))


@pytest.fixture
async def counting(engine: AsyncEngine) -> Store:
    """A store with one counter that stands at 0, and no notes."""
    async with engine.begin() as connection:
        await connection.run_sync(_own.create_all)
        await connection.execute(insert(counter).values(id=1, value=0))
    return Store(engine)


async def value_of(store: Store) -> int:
    async with store.reading() as connection:
        return int(await connection.scalar(select(counter.c.value)) or 0)


async def read_then_write(tx: Transaction) -> None:
    """The pattern that SQLite refuses unless the transaction began as a writing one."""
    value = await tx.connection.scalar(select(counter.c.value).with_for_update())
    assert value is not None
    await asyncio.sleep(0)
    await tx.connection.execute(update(counter).values(value=value + 1))


async def test_twenty_writers_that_read_first_lose_no_count(counting: Store, engine: AsyncEngine) -> None:
    other_process = Store(engine)  # knows nothing of the first one's lock

    async def work(store: Store) -> None:
        for _ in range(5):
            async with store.transaction() as tx:
                await read_then_write(tx)

    await asyncio.gather(*(work(counting) for _ in range(10)), *(work(other_process) for _ in range(10)))
    assert await value_of(counting) == 100


async def test_an_error_rolls_back_and_wakes_nobody(counting: Store) -> None:
    woken: list[str] = []

    async def write_and_fail() -> None:
        async with counting.transaction() as tx:
            await read_then_write(tx)
            tx.after_commit(lambda: woken.append("never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    async with counting.transaction() as tx:
        tx.after_commit(lambda: woken.append("once"))
    assert (await value_of(counting), woken) == (0, ["once"])


async def test_a_transaction_inside_a_transaction_is_refused(counting: Store) -> None:
    async with counting.transaction():
        with pytest.raises(RuntimeError, match="inside a transaction"):
            async with counting.transaction():
                pass
    async with counting.transaction() as tx:  # and the way is free afterwards
        await read_then_write(tx)
    assert await value_of(counting) == 1


async def test_a_writer_cancelled_at_any_moment_leaves_the_way_free(counting: Store) -> None:
    async def write() -> None:
        async with counting.transaction() as tx:
            await read_then_write(tx)

    for steps in range(40):
        task = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.done()
    before = await value_of(counting)
    async with asyncio.timeout(10):
        await write()
    assert await value_of(counting) == before + 1


async def test_a_writer_cancelled_within_a_statement_keeps_no_lock(counting: Store, engine: AsyncEngine) -> None:
    async def write() -> None:
        async with counting.transaction() as tx:
            await tx.connection.execute(insert(note).values([{"words": str(number)} for number in range(500)]))
            assert len((await tx.connection.execute(select(note))).all()) == 500
            await read_then_write(tx)
            raise LookupError  # so that it can be done again

    other_process, seeded = Store(engine), random.Random(1)  # noqa: S311 - a test that is the same each time
    kept: list[BaseException] = []
    longest, tries = 0.1, 0
    while len(kept) < 30:
        tries += 1
        began = time.monotonic()
        task = asyncio.create_task(write())
        await asyncio.wait({task}, timeout=seeded.uniform(0, longest))
        task.cancel()
        try:
            await task
        except LookupError:
            longest = time.monotonic() - began  # so that most are cancelled before their end, however busy this is
        except asyncio.CancelledError as cancelled:
            # An exception that is kept keeps what its frames hold, as one that is being logged or handled does.
            kept.append(cancelled)
        async with asyncio.timeout(5), other_process.transaction() as tx:
            await read_then_write(tx)
    assert await value_of(counting) == tries


async def test_results_are_whole_whatever_their_size_and_streams_can_be_left(counting: Store) -> None:
    words = [f"{number:04}" for number in range(1001)]
    async with counting.transaction() as tx:
        await tx.connection.execute(insert(note), [{"words": word} for word in words])
    query = select(note.c.words).order_by(note.c.words)
    for size in (0, 1, 199, 200, 201, 400, 1001):
        async with counting.reading() as connection:
            assert (await connection.scalars(query.limit(size))).all() == words[:size]
    async with counting.reading() as connection:
        streamed = await connection.stream_scalars(query)
        assert [part async for part in streamed.partitions(333)] == [words[at : at + 333] for at in range(0, 1001, 333)]
        half_read = await connection.stream_scalars(query)
        assert (await half_read.fetchmany(450)) == words[:450]
        assert await half_read.fetchmany(5) == words[450:455]
        await half_read.close()
    async with counting.transaction() as tx:
        changed = await tx.connection.execute(
            update(note).where(note.c.words < "0300").values(words="a" + note.c.words)
        )
        assert changed.rowcount == 300
        returned = await tx.connection.scalars(update(note).values(words="b" + note.c.words).returning(note.c.words))
        assert len(returned.all()) == 1001


async def test_a_reader_keeps_one_picture_while_others_write(counting: Store) -> None:
    async with counting.reading() as connection:
        before = await connection.scalar(select(counter.c.value))
        async with counting.transaction() as tx:
            await tx.connection.execute(insert(note).values(words="new"))
            await read_then_write(tx)
        assert await connection.scalar(select(counter.c.value)) == before
        assert await connection.scalar(select(func.count()).select_from(note)) == 0
    assert await value_of(counting) == 1


async def test_errors_never_quote_what_was_to_be_stored(counting: Store) -> None:
    secret = "".join(["架空", "の", "秘密"])  # in pieces: a traceback also shows lines of this file

    async def write_twice() -> None:
        async with counting.transaction() as tx:
            for _ in range(2):
                await tx.connection.execute(insert(note).values(words=secret))

    with pytest.raises(StatementRefused, match="note") as caught:
        await write_twice()
    assert secret not in "".join(traceback.format_exception(caught.value))


async def test_a_wrong_statement_is_a_bug_and_not_temporary(counting: Store) -> None:
    with pytest.raises(StatementRefused, match=r"no_such_table|UndefinedTable"):
        async with counting.transaction() as tx:
            await tx.connection.execute(text("SELECT * FROM no_such_table"))


async def test_a_database_locked_by_somebody_else_is_temporary(tmp_path: Path) -> None:
    engine, blocker = (create_engine(f"sqlite:///{tmp_path / 'a.db'}") for _ in range(2))
    holder, waiter = Store(blocker), Store(engine)
    async with holder.transaction():
        async with waiter.reading() as connection:  # leave the pool a connection that does not wait ten seconds
            await connection.execute(text("PRAGMA busy_timeout = 1"))
        with pytest.raises(Temporary, match="database"):
            async with waiter.transaction():
                pass
    await engine.dispose()
    await blocker.dispose()


async def test_sqlite_is_set_up_to_survive_the_loss_of_power(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'data' / 'a.db'}")
    async with Store(engine).reading() as connection:
        found = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


async def test_what_is_deleted_is_in_the_file_no_more_however_sqlite_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect

    def built_without_secure_delete(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)
        connection.execute("PRAGMA secure_delete = OFF").close()
        return connection

    monkeypatch.setattr(sqlite3, "connect", built_without_secure_delete)
    path, words = tmp_path / "a.db", "canary" * 30
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.begin() as connection:
        await connection.run_sync(_own.create_all)
        await connection.execute(insert(note).values([{"words": words}, {"words": "kept"}]))
    async with engine.begin() as connection:
        await connection.execute(delete(note).where(note.c.words == words))
    await engine.dispose()  # the log is brought into the file
    assert os.listdir(tmp_path) == ["a.db"]
    found = path.read_bytes()
    assert (b"kept" in found, b"canary" in found) == (True, False)


async def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "a.db"
    before = os.umask(0)
    try:
        engine = create_engine(f"sqlite+aiosqlite:///{path}")
    finally:
        os.umask(before)
    async with Store(engine).transaction() as tx:
        await tx.connection.execute(text("CREATE TABLE t (x)"))
        wal = path.with_name("a.db-wal")
        assert [stat.S_IMODE(p.stat().st_mode) for p in (path, wal)] == [0o600, 0o600]
    await engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "oshiyakusho.db",
        "mysql://user:geheim@host/name",
        "sqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+pysqlite:///a.db",
        "postgresql+asyncpg://user:geheim@host/name",
        "postgresql+psycopg://user:geheim@host:port/name",
    ],
)
def test_an_address_that_we_cannot_use_is_one_sentence(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        create_engine(url)
    message = str(caught.value)
    assert message.startswith("database_url: ")
    assert "\n" not in message
    assert "geheim" not in message


async def test_a_database_that_is_not_there_is_one_sentence_without_the_password(tmp_path: Path) -> None:
    engine = create_engine(f"postgresql://user:geheim@/name?host={tmp_path}")
    with pytest.raises(Misconfigured) as caught:
        await require_reachable(engine)
    await engine.dispose()
    assert "cannot be opened" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("お知らせ" * 100)
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with pytest.raises(Misconfigured, match="not a database"):
        await require_reachable(engine)
    await engine.dispose()
    with pytest.raises(Misconfigured, match="cannot be opened"):
        create_engine(f"sqlite:///{tmp_path / 'a.db' / 'b.db'}")
