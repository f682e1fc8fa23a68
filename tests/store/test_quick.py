"""The one write that a homeserver waits for keeps its connection, and gets another one when that is broken."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.appservice.tables import inbox_letter
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.store.errors import StatementRefused
from oshiyakusho_matrix.store.unit_of_work import Store

KEEP = insert(inbox_letter)
OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def keep(store: Store, txn_id: str | None) -> None:
    await store.write_one(KEEP, {"txn_id": txn_id, "body": "{}", "events": 1, "received_at": now()})


async def kept(store: Store) -> list[str]:
    async with store.reading() as connection:
        return list(await connection.scalars(select(inbox_letter.c.txn_id).order_by(inbox_letter.c.seq)))


async def test_what_the_database_refuses_holds_up_nothing_that_comes_after(store: Store) -> None:
    await keep(store, "1")
    with pytest.raises(StatementRefused):
        await keep(store, None)
    await keep(store, "2")
    assert await kept(store) == ["1", "2"]


@pytest.mark.parametrize("database_kind", ["postgresql"])
async def test_a_connection_that_the_server_ended_costs_one_delivery_which_is_told(
    store: Store, engine: AsyncEngine
) -> None:
    await keep(store, "1")
    async with engine.connect() as connection:
        await connection.execute(text(OTHERS))
    with pytest.raises(Temporary):
        await keep(store, "2")
    await keep(store, "2")
    assert await kept(store) == ["1", "2"]


async def test_it_writes_again_after_the_engine_was_disposed_of(store: Store, engine: AsyncEngine) -> None:
    await keep(store, "1")
    await engine.dispose()
    await keep(store, "2")
    assert await kept(store) == ["1", "2"]
