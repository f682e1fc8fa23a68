"""The few statements that SQLite and PostgreSQL know alike but SQLAlchemy keeps apart."""

from typing import Final

from sqlalchemy import Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

#: Any number will do, as long as all versions of this program take the same one.
_TOPICS: Final = 7_204_911


async def one_at_a_time(connection: AsyncConnection, topic: int) -> None:
    """Until this transaction ends, make others that say the same ``topic`` wait here: what they read next is ours.

    On SQLite writing transactions come one at a time anyway. Topics: 1 upgrades, 2 reports to 事務局室, 3 the roster,
    4 the city hall, 5 codes to mailboxes, 6 stages; whoever needs two takes them in this order.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_TOPICS, topic)))


def upsert(connection: AsyncConnection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that may be given ``on_conflict_do_update`` or ``on_conflict_do_nothing``."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
