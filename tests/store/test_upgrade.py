"""The history of the tables leads to exactly what the code declares, from nothing and from each earlier version."""

import asyncio
import random
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.store import migrations
from oshiyakusho_matrix.store import upgrade as upgrading
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.errors import StatementRefused
from oshiyakusho_matrix.store.metadata import metadata
from oshiyakusho_matrix.store.schema import create_all
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import check_revision, current_revision, head_revision, is_empty, prepare, upgrade
from tests.conftest import import_all_tables


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database without tables."""
    import_all_tables()
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


async def differences(engine: AsyncEngine) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


async def triggers(engine: AsyncEngine) -> set[tuple[str, str]]:
    query = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    }[engine.dialect.name]
    async with engine.connect() as connection:
        return {(name, " ".join(sql.split())) for name, sql in await connection.execute(text(query))}


async def test_from_nothing_to_what_the_code_declares(empty: AsyncEngine) -> None:
    await prepare(empty)
    assert await differences(empty) == []
    assert await current_revision(empty) == head_revision()
    by_upgrade = await triggers(empty)
    async with empty.begin() as connection:
        await connection.run_sync(metadata.drop_all)
    await create_all(empty)
    assert by_upgrade == await triggers(empty) != set()


async def test_from_the_previous_version_with_its_rows(empty: AsyncEngine) -> None:
    await upgrade(empty, "0001")
    async with Store(empty).transaction() as tx:
        await tx.connection.execute(
            text("INSERT INTO follow_up (id, reply_to, done, created_at) VALUES ('a', '{}', '{}', CURRENT_TIMESTAMP)"),
        )
        await tx.connection.execute(
            text(
                "INSERT INTO follow_up_key (follow_up_id, kind, name, position, asked, said)"
                " VALUES ('a', 'space', 'zaisei', 0, 1, '[]')"
            )
        )
    with pytest.raises(Misconfigured, match=r"older than this program .*`oshiyakusho-matrix db upgrade`"):
        await prepare(empty)
    await upgrade(empty)
    await check_revision(empty)
    async with Store(empty).reading() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM follow_up_key")) == 1


async def test_what_was_under_way_goes_on_after_the_upgrade_that_shares_the_work(empty: AsyncEngine) -> None:
    await upgrade(empty, "0002")
    async with Store(empty).transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO inbox_event (event_id, txn_id, room_id, sender, type, content, unsigned, origin_server_ts,"
                " received_at, reference, state, attempts, failures, due_at) VALUES ('$a', '1', '!a', '@a:b', 'm.x',"
                " '{}', '{}', 0, CURRENT_TIMESTAMP, 'REF23456', 'pending', 0, 0, CURRENT_TIMESTAMP)"
            )
        )
        await tx.connection.execute(
            text(
                "INSERT INTO work (kind, name, priority, due_at, asked, attempts, crashes, created_at)"
                " VALUES ('room', 'ka-zaisei', 20, CURRENT_TIMESTAMP, 1, 0, 0, CURRENT_TIMESTAMP)"
            )
        )
    await upgrade(empty)
    await check_revision(empty)
    async with Store(empty).reading() as connection:
        event = (await connection.execute(text("SELECT state, refers_to FROM inbox_event"))).one()
        assert tuple(event) == ("pending", None)
        assert await connection.scalar(text("SELECT count(*) FROM work WHERE reference IS NULL")) == 1
        for table in ("lane_lease", "inbox_letter"):
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 - names from above


async def test_what_waits_to_be_sorted_goes_on_after_the_upgrade_that_parks_what_cannot_be_read(
    empty: AsyncEngine,
) -> None:
    await upgrade(empty, "0003")
    async with Store(empty).transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO inbox_letter (txn_id, body, events, received_at) VALUES ('1', '{}', 1, CURRENT_TIMESTAMP)"
            )
        )
        await tx.connection.execute(
            text("INSERT INTO inbox_transaction (txn_id, digest, received_at) VALUES ('1', '', CURRENT_TIMESTAMP)")
        )
    await upgrade(empty)
    await check_revision(empty)
    assert await differences(empty) == []
    async with Store(empty).reading() as connection:
        letter = (await connection.execute(text("SELECT events, parked_at, reference FROM inbox_letter"))).one()
        assert tuple(letter) == (1, None, None)


#: What migrations were when they were first published: the first digits of the SHA-256 of each file.
PUBLISHED = {
    "0001": "9e9e14e840efab69",
    "0002": "c6203282bd17d65c",
    "0003": "a63eee67f48e2d17",
    "0004": "3daf858ad98bb25e",
    "0005": "e99873e4af1d3365",
    "0006": "ae44578629a813ca",
    "0007": "545e0274071f9333",
    "0008": "d560e55e386dd479",
    "0009": "3c3e451b61bb2b45",
    "0010": "2b887e9a867b17c2",
}


def test_a_published_migration_never_changes() -> None:
    """Whoever ran it would be at its number without what was added to it since; a change is a new migration."""
    folder = Path(migrations.__file__).parent / "versions"
    found = {path.name[:4]: sha256(path.read_bytes()).hexdigest()[:16] for path in folder.glob("0*.py")}
    assert {number: found[number] for number in PUBLISHED} == PUBLISHED


async def test_upgrading_twice_and_by_two_at_once_is_fine(empty: AsyncEngine, database_url: str) -> None:
    other = create_engine(database_url)
    await asyncio.gather(upgrade(empty), upgrade(other))
    await upgrade(empty)
    await other.dispose()
    assert await differences(empty) == []


async def test_a_database_newer_than_the_code_is_left_alone(empty: AsyncEngine) -> None:
    await upgrade(empty)
    async with Store(empty).transaction() as tx:
        await tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (prepare, check_revision, upgrade):
        with pytest.raises(Misconfigured, match=r"newer than this program \(revision 9999, known up to"):
            await attempt(empty)
    assert await current_revision(empty) == "9999"


async def test_a_database_of_something_else_is_left_alone(empty: AsyncEngine) -> None:
    async with Store(empty).transaction() as tx:
        await tx.connection.execute(text("CREATE TABLE users (name VARCHAR(10))"))
    with pytest.raises(Misconfigured, match="something else"):
        await prepare(empty)


async def test_an_empty_database_is_found_wanting_by_those_who_only_look(empty: AsyncEngine) -> None:
    with pytest.raises(Misconfigured, match=r"revision none"):
        await check_revision(empty)
    assert await current_revision(empty) is None


async def test_an_upgrade_that_fails_half_way_leaves_everything_as_it_was(
    empty: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = upgrading._run

    def half(connection: Connection, revision: str) -> None:
        whole(connection, revision)
        connection.execute(text("SELECT * FROM no_such_table"))

    monkeypatch.setattr(upgrading, "_run", half)
    with pytest.raises(StatementRefused):
        await upgrade(empty)
    monkeypatch.undo()
    async with empty.connect() as connection:
        tables = await connection.run_sync(lambda c: empty.dialect.get_table_names(c))
    assert tables == []
    await prepare(empty)
    assert await differences(empty) == []


async def test_an_upgrade_that_is_interrupted_ends_in_peace_and_leaves_everything_as_it_was(empty: AsyncEngine) -> None:
    seeded = random.Random(1)  # noqa: S311 - a test that is the same each time
    for _ in range(20):
        task = asyncio.create_task(upgrade(empty))
        await asyncio.wait({task}, timeout=seeded.uniform(0, 0.2))
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            await task
            break
        if not await is_empty(empty):
            break  # it was cancelled when all was done: nothing is left half-way, which the next start finds below
    await prepare(empty)
    assert await differences(empty) == []


async def test_foreign_keys_are_enforced_again_after_an_upgrade(empty: AsyncEngine) -> None:
    await upgrade(empty)
    with pytest.raises(StatementRefused):
        async with Store(empty).transaction() as tx:
            await tx.connection.execute(
                text(
                    "INSERT INTO follow_up_key (follow_up_id, kind, name, position, asked, said)"
                    " VALUES ('nobody', 'space', 'zaisei', 0, 1, '[]')"
                )
            )
