"""Brings the tables of an installation to what this version of the code needs, and says so when they are not.

Called by ``operations`` at the start (``prepare``), for ``doctor`` and for ``restore`` (``build``), and by ``db
upgrade``. Alembic does the work, run from here: users need no alembic.ini.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.store.engine import WRITING, require_reachable
from oshiyakusho_matrix.store.errors import retyped
from oshiyakusho_matrix.store.statements import one_at_a_time

_SCRIPTS: Final = "oshiyakusho_matrix.store:migrations"

#: Writes within a transaction that somebody else opened.
Fill = Callable[[AsyncConnection], Awaitable[None]]


async def prepare(engine: AsyncEngine) -> None:
    """Make the database ready at the start: an empty one gets its tables, any other must fit the code already.

    Raises ``Misconfigured`` if it cannot be reached or does not fit.
    """
    await require_reachable(engine)
    if await is_empty(engine):
        await upgrade(engine)
    await check_revision(engine)


async def check_revision(engine: AsyncEngine) -> None:
    """Raise ``Misconfigured`` unless the tables are exactly those of this version of the code. Changes nothing."""
    found, wanted = await current_revision(engine), head_revision()
    if found == wanted:
        return
    if found is None and not await is_empty(engine):
        raise Misconfigured("The database holds tables of something else; name an empty one in database_url.")
    if found is not None and not is_known(found):
        raise Misconfigured(
            f"The database is newer than this program (revision {found}, known up to {wanted}): "
            "install the newer version again."
        )
    raise Misconfigured(
        f"The database is older than this program (revision {found or 'none'}, needed {wanted}): "
        "make a backup and run `oshiyakusho-matrix db upgrade`."
    )


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Run the missing migrations, all in one transaction: killed half-way, the database is as before.

    Two processes may do so at once; the second finds nothing to do. Raises ``Misconfigured`` on a database that this
    code does not know (then nothing has been changed).
    """
    if revision == "head" and (found := await current_revision(engine)) is not None and not is_known(found):
        await check_revision(engine)
    async with _migrating(engine) as connection:
        await connection.run_sync(_run, revision)


async def build(engine: AsyncEngine, revision: str, *, fill: Fill, finish: Fill) -> None:
    """Set up a database as of ``revision``, have ``fill`` put rows in, bring it up to date, and ``finish`` it.

    All in one transaction: killed half-way, the database is as before. ``Misconfigured`` unless it is empty: without
    tables, or with tables that nobody has written to.
    """
    async with _migrating(engine) as connection:
        await _clear_empty(connection)
        await connection.run_sync(_run, revision)
        await fill(connection)
        await connection.run_sync(_run, "head")
        await finish(connection)


async def _clear_empty(connection: AsyncConnection) -> None:
    """Drop tables without rows, as a start that was refused leaves them behind."""
    found = MetaData()
    await connection.run_sync(found.reflect)
    for table in found.tables.values():
        if table.name != "alembic_version" and (await connection.execute(select(table).limit(1))).first() is not None:
            raise Misconfigured(
                "The database is not empty: this is done in an empty one only. Move away what is there, or name "
                "another one in database_url."
            )
    await connection.run_sync(found.drop_all)


@asynccontextmanager
async def _migrating(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Open the one transaction in which tables are made or changed; one process at a time."""
    async with AsyncExitStack() as stack:
        stack.enter_context(retyped())
        writing = engine.execution_options(**{WRITING: True})
        connection = await stack.enter_async_context(writing.connect())
        await _hold_foreign_keys(connection, stack)
        async with connection.begin():
            await one_at_a_time(connection, 1)
            yield connection
            if engine.dialect.name == "sqlite":
                broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
                if broken:
                    raise Misconfigured(
                        f"The database has {len(broken)} rows that refer to nothing; it stays as it was."
                    )


async def current_revision(engine: AsyncEngine) -> str | None:
    """Return the revision of the database, None if it has never been set up."""
    with retyped():
        async with engine.connect() as connection:
            return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())


def head_revision() -> str | None:
    """Return the revision that this version of the code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_known(revision: str) -> bool:
    """Tell whether this version of the code knows a revision."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


async def is_empty(engine: AsyncEngine) -> bool:
    """Tell whether there is no table at all, as before the first start."""
    with retyped():
        async with engine.connect() as connection:
            return not await connection.run_sync(lambda c: inspect(c).get_table_names())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    return config


def _run(connection: Connection, revision: str) -> None:
    command.upgrade(_config(connection), revision)


async def _hold_foreign_keys(connection: AsyncConnection, stack: AsyncExitStack) -> None:
    """On SQLite a table is altered by copying and dropping it; dropping it would delete the rows that refer to it.

    https://sqlite.org/lang_altertable.html#otheralter. The switch does nothing within a transaction, hence beforehand.
    The connection serves nobody after that, so it need not be switched back, which a cancelled one could not be.
    """
    if connection.dialect.name != "sqlite":
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute("PRAGMA foreign_keys = OFF")
    stack.push_async_callback(connection.invalidate)
