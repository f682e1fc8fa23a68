"""What somebody changes in a managed room by force is back within moments, and 事務局室 reads who did what, once."""

import pytest

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden
from tests.support.fake_city import OFFICE, SERVER, FakeCity, alias, someone

ADMIN = someone("kanrisha")
ROOM = alias("ka-zaisei-danwa")


@pytest.mark.parametrize(
    ("room", "event_type", "state_key", "content", "called"),
    [
        ("ka-zaisei-danwa", "m.room.name", "", {"name": "偽の名前"}, "名前"),
        ("ka-zaisei-danwa", "m.room.topic", "", {}, "説明"),
        ("ka-zaisei-danwa", "m.room.power_levels", "", {"users": {ADMIN: 100}, "invite": 0}, "権限"),
        ("ka-zaisei-danwa", "m.room.join_rules", "", {"join_rule": "public"}, "参加の条件"),
        ("ka-zaisei-danwa", "m.room.history_visibility", "", {"history_visibility": "world_readable"}, "履歴"),
        ("cityhall", "m.space.child", "!elsewhere", {"via": ["elsewhere.example"]}, "部屋の一覧"),
        ("ka-zaisei", "jp.oshiyakusho.locator", "", {"version": 1, "key": "space:other"}, "目印"),
    ],
)
async def test_drift_is_undone_and_reported_once_with_who_did_it(
    city: FakeCity, room: str, event_type: str, state_key: str, content: Content, called: str
) -> None:
    city.hs.world.display_names[ADMIN] = "管理 花子"
    before = city.room(room).content(event_type, state_key) or {}
    count = len(city.said())
    await city.hs.send_state_as(ADMIN, alias(room), event_type, state_key, content, by_force=True)
    await city.settle()
    assert (city.room(room).content(event_type, state_key) or {}) == before
    told = [e["content"]["body"] for e in city.said()[count:]]
    assert len(told) == 1
    assert ADMIN in told[0]
    assert called in told[0]
    await city.ask("!rooms apply --yes")
    assert sum(ADMIN in e["content"]["body"] for e in city.said()) == 1
    assert await city.parked() == []


async def test_a_child_link_that_somebody_removed_is_back(city: FakeCity) -> None:
    division = city.room("ka-zaisei").room_id
    group = alias("cityhall-kikaku")
    await city.hs.send_state_as(ADMIN, group, "m.space.child", division, {}, by_force=True)
    await city.settle()
    assert city.links("cityhall-kikaku") == {"ka-zaisei"}
    assert "部屋の一覧" in city.heard()


@pytest.mark.parametrize("membership", ["invite", "join"])
async def test_a_stranger_who_was_brought_in_is_taken_out_again(city: FakeCity, membership: str) -> None:
    stranger = someone("yosomono", "elsewhere.example")
    await city.hs.send_state_as(
        ADMIN, ROOM, "m.room.member", stranger, {"membership": membership}, by_force=True
    )  # fmt: skip
    await city.settle()
    assert city.room("ka-zaisei-danwa").membership(stranger) == "leave"
    told = [line for line in city.heard().splitlines() if stranger in line]
    assert len(told) == 1
    assert ADMIN in told[0]
    assert "みんなの財政課 談話室" in told[0]


async def test_a_member_of_the_hall_does_not_belong_in_the_room_of_the_secretariat(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.send_state_as(ADMIN, OFFICE, "m.room.member", hanako, {"membership": "join"}, by_force=True)
    await city.settle()
    assert city.hs.room(OFFICE).membership(hanako) == "leave"
    assert city.room("cityhall").membership(hanako) == "join"


async def test_what_is_not_kept_stays_as_people_set_it(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!division head zaisei {hanako}")
    await city.hs.join_as(hanako, alias("ka-zaisei-oshirase"))
    await city.hs.send_state_as(hanako, alias("ka-zaisei-oshirase"), "m.room.pinned_events", "", {"pinned": ["$x"]})
    with pytest.raises(Forbidden):
        await city.hs.send_state_as(hanako, alias("ka-zaisei-oshirase"), "m.room.name", "", {"name": "x"})
    count = len(city.said())
    await city.ask("!rooms apply --yes")
    assert city.room("ka-zaisei-oshirase").content("m.room.pinned_events") == {"pinned": ["$x"]}
    assert len(city.said()) == count + 1


async def test_drift_is_reported_though_the_first_try_to_undo_it_failed(city: FakeCity) -> None:
    city.hs.fail_next("send_state", Temporary("502 from a proxy"), after=True)
    await city.hs.send_state_as(ADMIN, ROOM, "m.room.name", "", {"name": "偽"}, by_force=True)
    await city.settle()
    assert (city.room("ka-zaisei-danwa").content("m.room.name") or {})["name"] == "みんなの財政課 談話室"
    assert sum(ADMIN in e["content"]["body"] for e in city.said()) == 1


async def test_hostile_names_of_whoever_caused_drift_are_shown_harmlessly(city: FakeCity) -> None:
    city.hs.world.display_names[ADMIN] = "<b>@room</b>\u202e[x](https://evil.example)"
    member = city.hs.world.member_content(ADMIN, "join")
    await city.hs.send_state_as(ADMIN, alias("cityhall-genkan"), "m.room.member", ADMIN, member, by_force=True)
    await city.hs.send_state_as(ADMIN, alias("cityhall-genkan"), "m.room.name", "", {"name": "x"}, by_force=True)
    await city.settle()
    told = next(e["content"] for e in city.said() if ADMIN in e["content"]["body"])
    assert "<b>" not in told["formatted_body"]
    assert 'href="https://evil' not in told["formatted_body"]
    assert "\u202e" not in told["body"]
    assert SERVER in told["body"]


async def test_a_room_that_the_bot_is_out_of_is_told_and_kept_again_as_soon_as_somebody_invites_the_bot(
    city: FakeCity,
) -> None:
    room = city.room("ka-zaisei-danwa")
    before = {kind: room.content(kind) for kind in ("m.room.name", "m.room.power_levels", "m.room.join_rules")}
    hanako = await city.member("hanako")
    await city.hs.join_as(hanako, ROOM)
    await city.hs.leave(room.room_id)
    # Restricted, it would let the bot in again as it lets in every member of the hall.
    await city.hs.send_state_as(hanako, ROOM, "m.room.join_rules", "", {"join_rule": "invite"}, by_force=True)
    powers = {**(before["m.room.power_levels"] or {}), "users": {hanako: 100}}
    await city.hs.send_state_as(hanako, ROOM, "m.room.power_levels", "", powers, by_force=True)
    await city.ask("!rooms apply --yes")
    assert "外されたため" in city.heard()
    assert [str(p.key) for p in await city.parked()] == ["room:ka-zaisei-danwa"]

    await city.hs.send_state_as(hanako, ROOM, "m.room.name", "", {"name": "占拠しました"})
    await city.hs.invite_as(hanako, ROOM, city.hs.bot)
    await city.settle()
    assert room.membership(city.hs.bot) == "join"
    assert {kind: room.content(kind) for kind in before} == before
    assert await city.parked() == []


async def test_encryption_that_came_with_the_bots_own_token_is_told_and_no_trouble_once_the_room_is_closed(
    city: FakeCity,
) -> None:
    encryption = {"algorithm": "m.megolm.v1.aes-sha2"}
    await city.hs.send_state_as(city.hs.bot, ROOM, "m.room.encryption", "", encryption)
    await city.ask("!rooms apply --yes")
    assert "暗号化が有効にされました" in city.heard()
    assert [str(p.key) for p in await city.parked()] == ["room:ka-zaisei-danwa"]
    await city.ask("!division archive zaisei --yes")
    assert await city.parked() == []
