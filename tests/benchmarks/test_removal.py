"""Removing one person from 150 rooms, against bare concurrent kicks of another one, on the same Synapse in one run."""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.roster.tables import managed_rooms
from tests.benchmarks.community import Size, write_files
from tests.benchmarks.floor import AT_ONCE, median
from tests.support.shipped_hall import BOT, SERVER, TOKEN, composed, fresh_synapse
from tests.support.users import MatrixUser

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
ROOMS = int(os.environ.get("BENCH_ROOMS", "150"))
#: How many rooms the city hall has: in the others the person is not.
HALL = int(os.environ.get("BENCH_HALL", str(ROOMS)))
SECRETARY = UserId(f"@kanri:{SERVER}")


async def gated_rooms(app: CityHallApp) -> list[RoomId]:
    """Return the rooms behind the gate but 事務局室, the hall first."""
    async with app.store.reading() as connection:
        rooms = sorted(await managed_rooms(connection), key=lambda room: room.role != "hall")
    return [room.room_id for room in rooms if room.gated and room.role != "office" and room.room_id is not None]


async def everywhere(app: CityHallApp, synapse: EmbeddedSynapse, name: str, rooms: Sequence[RoomId]) -> MatrixUser:
    """Admit somebody, who then joins every room."""
    person = await MatrixUser.on(synapse, name)
    async with app.store.transaction() as tx:
        await app.roster.admit(tx, person.user_id, by=BOT)
    await person.invited_to(rooms[0])
    for room_id in rooms:
        await person.join(room_id)
    await app.inbox.idle()
    await app.loop.settle_all(timedelta(minutes=5))
    return person


async def ours(app: CityHallApp, person: MatrixUser) -> float:
    """Remove somebody; return the seconds until they are out of everything."""
    began = time.perf_counter()
    async with app.store.transaction() as tx:
        await app.roster.remove(tx, person.user_id, by=BOT)
    await app.loop.settle_all(timedelta(minutes=5))
    return time.perf_counter() - began


async def bare(url: str, person: MatrixUser, rooms: Sequence[RoomId]) -> float:
    """Kick somebody out of the same rooms, eight at once, with nothing asked and nothing kept; return the seconds."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def kick(room_id: RoomId) -> None:
            path = f"{url}/_matrix/client/v3/rooms/{quote(room_id)}/kick"
            async with turns, session.post(path, json={"user_id": person.user_id}) as response:
                response.raise_for_status()
                await response.read()

        began = time.perf_counter()
        await asyncio.gather(*(kick(room_id) for room_id in rooms))
        return time.perf_counter() - began


@pytest.mark.bench
async def test_a_removal_is_nearly_as_fast_as_bare_kicks(tmp_path: Path) -> None:
    """Aim of the issue: within 1.15 times the floor. Rounds alternate, so that both meet the same noise."""
    files = write_files(tmp_path / "rooms", Size(0, HALL))
    removals, floors = [], []
    async with (
        fresh_synapse(tmp_path) as (synapse, listen),
        composed(synapse.url, listen, tmp_path, rooms=files, secretariat=[SECRETARY]) as app,
        app.working(),
    ):
        await app.open()
        await app.loop.settle_all(timedelta(minutes=20))
        gated = await gated_rooms(app)
        rooms = gated[: len(gated) - (HALL - ROOMS)]
        for number in range(ROUNDS):
            people = [await everywhere(app, synapse, f"{name}{number}", rooms) for name in ("hanako", "taro")]
            floors.append(await bare(synapse.url, people[1], rooms))
            removals.append(await ours(app, people[0]))
            for person in people:
                assert await person.joined_rooms() == set()
                await person.close()
    ratios = [a / b for a, b in zip(removals, floors, strict=True)]
    print(f"\nout of {len(rooms)} rooms of {len(gated)}")
    print(f"floor  {[f'{s:.2f} s' for s in floors]} median {median(floors):.2f} s")
    print(f"ours   {[f'{s:.2f} s' for s in removals]} median {median(removals):.2f} s")
    print(f"ratio  {[f'{r:.2f}' for r in ratios]} median {median(ratios):.2f}")
