"""How rooms are kept: who may do what in them, whom they let in, what is mended though a part fails or we were away."""

from pathlib import Path
from typing import Any

import pytest

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden
from tests.divisions.little_town import KINDS, write_town
from tests.support.fake_city import SERVER, FakeCity, alias, fake_city, someone

ADMIN = someone("kanrisha")
COUNSEL = """\
      - key: soudan
        name: {ja: "{name} 相談室", en: "{name}: Counsel"}
        topic: {ja: "{purpose}", en: "{purpose}"}
        allow: space
"""


def drift_by_force(hs: FakeHomeserver, room: str, event_type: str, content: Content) -> None:
    """Change state as a server administrator can, and let no event tell of it."""
    hs.world.impose(hs.room(room), ADMIN, event_type, "", content)
    hs.world.outgoing.clear()


@pytest.mark.parametrize(("room", "posting"), [("ka-zaisei-danwa", 0), ("ka-zaisei-oshirase", 50)])
async def test_who_may_do_what_in_a_room(city: FakeCity, room: str, posting: int) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!division head zaisei {hanako}")
    assert city.room(room).content("m.room.power_levels") == {
        "users": {hanako: 50},
        "users_default": 0,
        "events_default": posting,
        "state_default": 100,
        "events": {"m.reaction": 0, "m.room.redaction": 0, "m.room.pinned_events": 50},
        "invite": 100,
        "kick": 100,
        "ban": 100,
        "redact": 50,
        "notifications": {"room": 50},
    }


@pytest.mark.parametrize(
    ("space", "declared"),
    [
        ("cityhall", ["cityhall-jimukyoku", "cityhall-genkan", "cityhall-kikaku", "cityhall-zei"]),
        ("ka-zaisei", ["ka-zaisei-oshirase", "ka-zaisei-danwa"]),
    ],
)
async def test_a_space_shows_its_rooms_in_the_order_of_the_files(
    city: FakeCity, space: str, declared: list[str]
) -> None:
    links: dict[str, Any] = {e.state_key: e.content for e in city.room(space).state_events() if "order" in e.content}
    # Two of the same order would be one here.
    by_order = {links[city.room(child).room_id]["order"]: child for child in declared}
    assert len(links) == len(declared)
    assert [by_order[order] for order in sorted(by_order)] == declared


async def test_a_room_for_those_inside_the_division_refuses_other_members(tmp_path: Path, database_url: str) -> None:
    rooms = write_town(tmp_path / "rooms", {"kinds.yaml": KINDS + COUNSEL})
    async with fake_city(database_url, rooms) as city:
        hanako = await city.member("hanako")
        with pytest.raises(Forbidden):
            await city.hs.join_as(hanako, alias("ka-zaisei-soudan"))
        await city.hs.join_as(hanako, alias("ka-zaisei"))
        await city.hs.join_as(hanako, alias("ka-zaisei-soudan"))
        await city.settle()
        assert city.room("ka-zaisei-soudan").membership(hanako) == "join"
        with pytest.raises(Forbidden):
            await city.hs.join_as(hanako, alias("ka-juumin-soudan"))


async def test_what_was_changed_while_we_were_away_is_undone_and_told_after_the_start(
    tmp_path: Path, database_url: str
) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    async with fake_city(database_url, rooms, hs=hs) as city:
        before = city.room("ka-zaisei-danwa").content("m.room.name")
    drift_by_force(hs, alias("ka-zaisei-danwa"), "m.room.name", {"name": "偽の名前"})
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert city.room("ka-zaisei-danwa").content("m.room.name") == before
        assert sum(ADMIN in e["content"]["body"] for e in city.said()) == 1


async def test_a_part_that_cannot_be_mended_keeps_no_other_part_from_it(city: FakeCity) -> None:
    room, mend = city.room("ka-zaisei-danwa"), city.hs.send_state
    before = room.content("m.room.topic")
    for event_type in ("m.room.name", "m.room.topic"):
        drift_by_force(city.hs, room.room_id, event_type, {"偽": "偽"})

    async def names_fail(room_id: RoomId, event_type: str, state_key: str, content: Content) -> EventId:
        if event_type == "m.room.name":
            raise Permanent("the name cannot be set")
        return await mend(room_id, event_type, state_key, content)

    city.hs.send_state = names_fail  # type: ignore[method-assign]
    await city.ask("!rooms apply --yes")
    assert room.content("m.room.name") == {"偽": "偽"}
    assert room.content("m.room.topic") == before
    assert [parked.why for parked in await city.parked()] == ["the name cannot be set"]
