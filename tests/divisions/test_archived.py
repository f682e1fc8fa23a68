"""An archived division is as the handbook says: members read it, from inside or by its address; nobody writes."""

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from oshiyakusho_matrix.homeserver.interface import Forbidden
from tests.divisions.little_town import KINDS, write_town
from tests.support.fake_city import FakeCity, alias, fake_city, someone

ROOM, NEWS = alias("ka-juumin-danwa"), alias("ka-juumin-oshirase")
#: The common room lets people more than the others do.
POLLS = KINDS.replace("        suggested: true\n", "        suggested: true\n        powers: {m.poll.start: 0}\n")


@pytest_asyncio.fixture
async def closed(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    """A city hall whose 住民課 is archived; its head and a member are inside."""
    async with fake_city(database_url, write_town(tmp_path / "rooms", {"kinds.yaml": POLLS})) as city:
        for name in ("kacho", "hanako"):
            user = await city.member(name)
            for room in (ROOM, NEWS):
                await city.hs.join_as(user, room)
        await city.ask(f"!課 課長 juumin {someone('kacho')}")
        await city.hs.send_as(someone("hanako"), ROOM, "m.poll.start", {})
        await city.ask("!課 廃止 juumin --yes")
        yield city


SENT = ("m.room.message", "m.reaction", "m.sticker", "m.poll.start", "m.room.redaction", "m.call.member")


async def test_nobody_sends_anything(closed: FakeCity) -> None:
    content: dict[str, Any] = {"body": "x"}
    for name, room, event_type in product(("hanako", "kacho"), (ROOM, NEWS), SENT):
        with pytest.raises(Forbidden):
            await closed.hs.send_as(someone(name), room, event_type, content)


async def test_heads_pin_nothing_there(closed: FakeCity) -> None:
    levels = closed.room("ka-juumin-danwa").content("m.room.power_levels") or {}
    assert set(levels["events"].values()) == {100}
    assert {"m.room.pinned_events", "m.poll.start"} <= set(levels["events"])


async def test_those_inside_stay_and_members_come_in_to_read_but_nobody_else(closed: FakeCity) -> None:
    assert closed.room("ka-juumin-danwa").membership(someone("hanako")) == "join"
    late = await closed.member("okure")
    await closed.hs.join_as(late, ROOM)
    await closed.settle()
    assert closed.room("ka-juumin-danwa").membership(late) == "join"
    assert closed.room("ka-juumin-danwa").content("m.room.history_visibility") == {"history_visibility": "shared"}
    with pytest.raises(Forbidden):
        await closed.hs.join_as(someone("yosomono"), ROOM)
    await closed.ask(f"!member remove {someone('hanako')} --yes")
    assert closed.room("ka-juumin-danwa").membership(someone("hanako")) == "leave"
    with pytest.raises(Forbidden):
        await closed.hs.join_as(someone("hanako"), ROOM)


async def test_it_is_listed_nowhere_unless_one_asks_for_what_is_closed(closed: FakeCity) -> None:
    assert closed.links("cityhall-zei") == set()
    asked = {"!課 一覧": (True, False), "!division list": (True, False), "!課 一覧 --廃止": (False, True)}
    for command, (active, archived) in asked.items():
        answer = await closed.ask(command)
        assert (("`zaisei`" in answer), ("`juumin`" in answer)) == (active, archived), command
    await closed.ask("!課 再開 juumin")
    assert "廃止した課はありません" in await closed.ask("!division list --archived")
    await closed.hs.say_as(someone("hanako"), ROOM, "また書けます")
