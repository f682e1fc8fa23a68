"""The main job on real input: the shipped city hall on a real Synapse, entered by a real client, applied twice."""

from datetime import timedelta
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.roster.tables import managed_rooms
from tests.e2e.talk import refused
from tests.e2e.waiting import eventually
from tests.support.proxy import Proxy
from tests.support.shipped_hall import BOT, composed, fresh_synapse
from tests.support.users import MatrixUser

LONG = timedelta(minutes=10)


@pytest.mark.timeout(900)
async def test_every_division_stands_is_entered_in_one_step_and_a_second_apply_writes_nothing(tmp_path: Path) -> None:
    async with fresh_synapse(tmp_path) as (synapse, listen):
        proxy = Proxy(synapse.url)
        async with proxy.running() as url, composed(url, listen, tmp_path) as app, app.working():
            await app.open()
            settled = await app.loop.settle_all(LONG)
            assert (settled.busy, settled.parked) == (0, 0)
            async with app.store.reading() as connection:
                rooms = {room.alias_localpart: room for room in await managed_rooms(connection)}
            divisions = [name for name in rooms if name.startswith("ka-") and rooms[name].key == ""]
            circles = [name for name in rooms if name.startswith("kenjinkai-") and rooms[name].key == ""]
            assert len(divisions) >= 50
            assert len(circles) == 47
            assert all(room.room_id for room in rooms.values())

            member = await MatrixUser.on(synapse, "hanako")
            outsider = await MatrixUser.on(synapse, "stranger")
            try:
                hall = rooms["cityhall"].room_id
                assert hall is not None
                async with app.store.transaction() as tx:
                    await app.roster.admit(tx, UserId(member.user_id), by=BOT)
                await member.invited_to(hall)
                await member.join(hall)
                for name in (*divisions, *circles):
                    await refused(outsider.join(f"#{name}:{synapse.server_name}"))
                    await member.join(f"#{name}:{synapse.server_name}")
                await member.join(f"#{divisions[0]}-danwa:{synapse.server_name}")

                async def lobby() -> bool | None:
                    seen = {RoomId(room["room_id"]) for room in await member.hierarchy(hall)}
                    behind = {room.room_id for room in rooms.values() if room.gated and room.role != "office"}
                    return behind <= seen or None

                await eventually(lobby, member, what="every room of the hall in a member's lobby")
                assert await outsider.joined_rooms() == set()
            finally:
                await member.close()
                await outsider.close()

            await app.inbox.idle()
            await app.loop.settle_all(LONG)
            proxy.passed.clear()
            async with app.store.transaction() as tx:
                await app.hall.apply(tx, app.load(), by=BOT)
            await app.loop.settle_all(LONG)
            assert set(proxy.passed) == {"GET"}, "a second apply has nothing to write"
            assert proxy.passed["GET"] <= len(rooms), "and reads a room once at most"
