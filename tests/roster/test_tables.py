"""Members are found by id and rooms by their role, however many there are."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.roster.domain import HallState, ManagedRoom, Standing
from oshiyakusho_matrix.roster.tables import admitted_among, current_among, managed_room, managed_rooms, member
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import prepare

HANAKO, TARO, GONE, NOBODY = [UserId(f"@{name}:city.example") for name in ("hanako", "taro", "gone", "nobody")]
EVERYBODY = [HANAKO, TARO, GONE, NOBODY]


async def register(store: Store) -> None:
    """Enter a member, a secretary, and somebody who was removed."""
    common = {"hall": HallState.JOINED, "office": HallState.LEFT, "changed_at": now(), "changed_by": TARO}
    people = [(HANAKO, Standing.ADMITTED, False), (TARO, Standing.ADMITTED, True), (GONE, Standing.REMOVED, True)]
    rows = [
        {"user_id": user, "standing": standing, "secretariat": office} | common for user, standing, office in people
    ]
    async with store.transaction() as tx:
        await tx.connection.execute(insert(member), rows)


@pytest.mark.parametrize("audience", ["members", "secretariat"])
async def test_who_is_admitted_by_id_is_whom_the_room_admits(store: Store, audience: str) -> None:
    await register(store)
    room = ManagedRoom("ka-zaisei", "space:zaisei", "", audience)
    async with store.reading() as connection:
        current = await current_among(connection, EVERYBODY)
        admitted = await admitted_among(connection, EVERYBODY, secretariat=audience == "secretariat")
    assert admitted == {user for user in EVERYBODY if room.admits(current.get(user))}
    assert TARO in admitted


async def test_the_rooms_in_roles_are_the_hall_and_that_of_the_secretariat(store: Store) -> None:
    roles = {"cityhall": "hall", "cityhall-jimukyoku": "office", "ka-zaisei": ""}
    common = {"owner": "space:cityhall", "key": "", "audience": "members"}
    async with store.transaction() as tx:
        rows = [{"alias_localpart": name, "role": role} | common for name, role in roles.items()]
        await tx.connection.execute(insert(managed_room), rows)
    async with store.reading() as connection:
        assert {r.role for r in await managed_rooms(connection, in_roles=True)} == {"hall", "office"}
        assert len(await managed_rooms(connection)) == len(roles)


#: As many as a room holds.
INSIDE = [UserId(f"@shokuin{number}:city.example") for number in range(100)]
LOOKS: dict[str, Callable[[AsyncConnection], Awaitable[object]]] = {
    "current": lambda connection: current_among(connection, INSIDE),
    "admitted": lambda connection: admitted_among(connection, INSIDE, secretariat=False),
}


@pytest.mark.parametrize("look", LOOKS)
async def test_sqlite_looks_people_up_by_id_and_not_through_all_who_are_admitted(tmp_path: Path, look: str) -> None:
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'city.db'}")
    asked = list[tuple[str, Any]]()

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: object) -> None:
        asked.append((statement, parameters))

    try:
        await prepare(engine)
        async with engine.connect() as connection:
            event.listen(engine.sync_engine, "before_cursor_execute", note)
            await LOOKS[look](connection)
            event.remove(engine.sync_engine, "before_cursor_execute", note)
            statement, parameters = next(each for each in asked if "FROM member" in each[0])
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert [row.detail for row in rows] == ["SEARCH member USING INDEX sqlite_autoindex_member_1 (user_id=?)"]
    finally:
        await engine.dispose()
