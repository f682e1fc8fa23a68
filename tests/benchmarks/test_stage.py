"""From the command that starts or ends a talk to the power levels in the host's client, on real Synapse.

Aim of the issue: right within two seconds of a change.
"""

import asyncio
import os
import time
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.desired import SPEAKER_POWER
from tests.benchmarks.floor import median
from tests.broadcasts.town import STUDIO, write_broadcasting_town
from tests.support.shipped_hall import SERVER, composed, fresh_synapse
from tests.support.users import Event, MatrixUser

TALKS = int(os.environ.get("BENCH_TALKS", "20"))


def says(event: Event, host: str, *, speaks: bool, seen: Collection[str]) -> bool:
    """Tell whether an event is new power levels by which the host may write, or may not."""
    if event["type"] != "m.room.power_levels" or event["event_id"] in seen:
        return False
    return (event["content"]["users"].get(host) == SPEAKER_POWER) is speaks


@pytest.mark.bench
async def test_who_may_write_in_the_studio_changes_with_the_talk(tmp_path: Path) -> None:
    """Start and end talks by command; time each until the host's client has the new power levels."""
    files = tmp_path / "rooms"
    write_broadcasting_town(files)
    secretary_id = UserId(f"@kanri:{SERVER}")
    taken, seen = list[float](), set[str]()
    async with (
        fresh_synapse(tmp_path) as (synapse, listen),
        composed(synapse.url, listen, tmp_path, rooms=files, secretariat=[secretary_id]) as app,
        app.working(),
    ):
        await app.open()
        await app.loop.settle_all(timedelta(minutes=5))
        secretary = await MatrixUser.on(synapse, "kanri")
        for room in ("cityhall", "cityhall-jimukyoku", STUDIO):
            await secretary.join(f"#{room}:{SERVER}")
        office = await secretary.resolve(f"#cityhall-jimukyoku:{SERVER}")
        studio = await secretary.resolve(f"#{STUDIO}:{SERVER}")
        for number in range(1, TALKS + 1):
            # Each on a day of its own, so that none overlaps.
            await secretary.say(office, f"!talk plan 話{number} {number}日後 20時 --yes")
            await secretary.message(office, f"第{number}回")
            for command, speaks in (("start", True), ("end", False)):
                began = time.perf_counter()
                waiting = asyncio.create_task(
                    secretary.event(
                        studio, partial(says, host=secretary_id, speaks=speaks, seen=seen), what="power levels"
                    )
                )
                await secretary.say(office, f"!talk {command} {number}")
                seen.add((await waiting)["event_id"])
                taken.append(time.perf_counter() - began)
        await secretary.close()
    ordered = sorted(taken)
    print(f"\n{len(taken)} changes: median {median(taken):.3f} s, longest {ordered[-1]:.3f} s")
