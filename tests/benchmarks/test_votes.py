"""A question with 2,000 votes in ten seconds: counted exactly, and the host's list edited once a second at most.

The homeserver is the one in memory: what is measured is ours, from the transaction that brings votes to the edit that
goes out.
"""

import asyncio
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import insert

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.fake_room import Event
from oshiyakusho_matrix.roster.domain import HallState, Standing
from oshiyakusho_matrix.roster.tables import member
from tests.broadcasts.town import SEATS, write_broadcasting_town
from tests.support.fake_city import SECRETARY, FakeCity, alias, fake_city, someone

VOTES = int(os.environ.get("BENCH_VOTES", "2000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
_AT_ONCE = 20


async def members(city: FakeCity) -> list[UserId]:
    """Write the records of those who vote, and have them sit in the seats."""
    people = [someone(f"hyou{number}") for number in range(VOTES)]
    row = {"standing": Standing.ADMITTED, "secretariat": False, "hall": HallState.JOINED, "office": HallState.LEFT}
    rows = [{"user_id": user, **row, "changed_at": now(), "changed_by": SECRETARY} for user in people]
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(insert(member), rows)
    seats = city.hs.room(alias(SEATS))
    for user in people:
        city.hs.world.impose(seats, user, "m.room.member", user, {"membership": "join"})
    city.hs.world.outgoing.clear()
    return people


@pytest.mark.bench
async def test_two_thousand_votes_are_counted_exactly_and_listed_once_a_second(
    database_url: str, tmp_path: Path
) -> None:
    """Aims of the issue: counted exactly; at most one edit a second."""
    rooms = tmp_path / "rooms"
    write_broadcasting_town(rooms)
    async with fake_city(database_url, rooms) as city:
        people = await members(city)
        await city.ask("!talk plan 票の多い話 明日20時 --yes")
        await city.ask("!talk start 1")
        await city.hs.join_as(SECRETARY, alias(SEATS))
        await city.say(SECRETARY, "質問: 一つ目", room=alias(SEATS))
        card = city.said(alias(SEATS))[-1]["event_id"]
        seats = city.hs.room(alias(SEATS))
        relation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": card, "key": "👍"}}
        began = time.perf_counter()
        late = 0.0
        for at in range(0, VOTES, _AT_ONCE):
            pause = began + SECONDS * at / VOTES - time.perf_counter()
            late = max(late, -pause)
            await asyncio.sleep(max(0.0, pause))
            for user in people[at : at + _AT_ONCE]:
                city.hs.world.impose(seats, user, "m.reaction", None, relation)
            await city.hs.deliver_pending()
        sent = time.perf_counter() - began
        while f"👍{VOTES} " not in body(city) and time.perf_counter() - began < 10 * SECONDS:
            await city.settle()
            await asyncio.sleep(0.05)
        listed = time.perf_counter() - began
        assert f"👍{VOTES} " in body(city)
        edits = [e["origin_server_ts"] for e in backstage(city) if "m.new_content" in e["content"]]
    gaps = [(b - a) / 1000 for a, b in pairwise(edits)]
    print(f"\n{VOTES} votes in {sent:.1f} s (the last ones {late:.2f} s late)")
    print(f"listed {listed - sent:.2f} s after the last; {len(edits)} edits, {min(gaps):.2f} s apart at least")


def backstage(city: FakeCity) -> list[Event]:
    """Return what we said backstage."""
    return city.said(alias("cityhall-talk-1"))


def body(city: FakeCity) -> str:
    """Return what the list says by now."""
    content = backstage(city)[-1]["content"]
    return str(content.get("m.new_content", content)["body"])
