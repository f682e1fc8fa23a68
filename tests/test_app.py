"""The composed house on a homeserver in memory: it comes to stand, stays as declared, and follows the files."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import time_machine

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Refused, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.domain import Lifecycle
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import NewRoom
from tests.appservice.fakes import sort_letters
from tests.conftest import NewDatabase
from tests.divisions.little_town import CITYHALL, KINDS, ROOMS, SECOND, division, write_town
from tests.support.fake_city import HALL, OFFICE, SECRETARY, SERVER, FakeCity, alias, fake_city, someone

READS = {"room_state", "state_content", "resolve_alias"}
BOT = UserId(f"@shiyakusho:{SERVER}")


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running


async def apply(city: FakeCity) -> None:
    """Apply the files the way the command line does, and wait for it."""
    declaration = city.app.load()
    async with city.app.store.transaction() as tx:
        await city.app.hall.apply(tx, declaration, by=SECRETARY)
    await city.settle()


async def test_the_declared_city_hall_comes_to_stand(city: FakeCity) -> None:
    assert len(city.hs.world.rooms) == ROOMS
    assert city.hs.calls["create_room"] == ROOMS
    hall = city.room("cityhall")
    assert hall.content("m.room.join_rules") == {"join_rule": "invite"}
    assert city.links("cityhall") == {"cityhall-jimukyoku", "cityhall-genkan", "cityhall-kikaku", "cityhall-zei"}
    assert city.links("cityhall-kikaku") == {"ka-zaisei"}
    assert city.links("ka-zaisei") == {"ka-zaisei-oshirase", "ka-zaisei-danwa"}
    gate = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": hall.room_id}]}
    for name in ("cityhall-zei", "ka-zaisei", "ka-zaisei-danwa"):
        assert city.room(name).content("m.room.join_rules") == gate
    assert (city.room("cityhall-jimukyoku").content("m.room.create") or {})["m.federate"] is False
    assert (city.room("ka-zaisei-danwa").content("m.room.name") or {})["name"] == "みんなの財政課 談話室"
    assert city.powers("cityhall") == {SECRETARY: 50}
    assert (await city.app.planner.plan(city.app.load())).empty
    assert await city.parked() == []


async def test_a_second_apply_writes_nothing_and_reads_each_room_once(city: FakeCity) -> None:
    city.hs.calls.clear()
    await apply(city)
    assert set(city.hs.calls) <= READS
    assert city.hs.calls["room_state"] == ROOMS
    assert city.hs.calls.total() == ROOMS


async def test_a_restart_writes_nothing(tmp_path: Path, database_url: str) -> None:
    rooms = write_town(tmp_path / "rooms")
    hs = FakeHomeserver(BOT)
    async with fake_city(database_url, rooms, hs=hs):
        pass
    hs.calls.clear()
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert set(hs.calls) <= READS
        assert await city.parked() == []


async def test_what_came_while_the_clock_was_ahead_is_handled_by_the_next_start(
    tmp_path: Path, database_url: str
) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(BOT)
    async with fake_city(database_url, rooms, hs=hs) as city:
        await city.app.inbox.stop()
        with time_machine.travel(now() + timedelta(hours=3)):
            asked = await hs.say_as(SECRETARY, OFFICE, "!help")
            await hs.deliver_pending()
            await sort_letters(city.app.store)
    async with fake_city(database_url, rooms, hs=hs) as city:
        await city.settle()
        relations = [event["content"].get("m.relates_to", {}) for event in city.said()]
        assert [r for r in relations if r.get("m.in_reply_to", {}).get("event_id") == asked], relations


async def test_a_lost_database_is_filled_again_from_the_rooms_that_are_there(
    tmp_path: Path, database_kind: str, new_database: NewDatabase
) -> None:
    rooms = write_town(tmp_path / "rooms")
    hs = FakeHomeserver(BOT)
    async with fake_city(new_database(database_kind), rooms, hs=hs):
        pass
    hs.calls.clear()
    async with fake_city(new_database(database_kind), rooms, hs=hs) as city:
        assert hs.calls["create_room"] == 0
        assert len(hs.world.rooms) == ROOMS
        assert (await city.app.planner.plan(city.app.load())).empty


@pytest.mark.parametrize("after", [False, True])
async def test_a_homeserver_that_fails_for_a_while_leaves_no_double_rooms(
    tmp_path: Path, database_url: str, after: bool
) -> None:
    hs = FakeHomeserver(BOT)
    for call in ("create_room", "send_state", "resolve_alias"):
        hs.fail_next(call, Temporary("502 from a proxy"), after=after)
    async with fake_city(database_url, write_town(tmp_path / "rooms"), hs=hs) as city:
        assert len(hs.world.rooms) == ROOMS
        assert (await city.app.planner.plan(city.app.load())).empty


async def test_a_changed_file_changes_exactly_what_differs(city: FakeCity) -> None:
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND.replace("住民課", "市民課")})
    planned = await city.app.planner.plan(city.app.load())
    assert {room.alias_localpart for room in planned.rooms} == {"ka-juumin", "ka-juumin-oshirase", "ka-juumin-danwa"}
    city.hs.calls.clear()
    await apply(city)
    assert city.hs.calls["send_state"] == 3
    assert set(city.hs.calls) <= READS | {"send_state"}
    assert (city.room("ka-juumin-danwa").content("m.room.name") or {})["name"] == "市民課 談話室"


async def test_a_changed_kind_changes_exactly_what_differs_in_its_rooms(city: FakeCity) -> None:
    write_town(city.rooms, {"kinds.yaml": KINDS.replace("posting: heads", "posting: bot")})
    city.hs.calls.clear()
    await apply(city)
    assert city.hs.calls["send_state"] == 2
    for slug in ("zaisei", "juumin"):
        levels = city.room(f"ka-{slug}-oshirase").content("m.room.power_levels") or {}
        assert levels["events_default"] == 100
    assert (await city.app.planner.plan(city.app.load())).empty


async def test_another_group_moves_the_link(city: FakeCity) -> None:
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND.replace("group: zei", "group: kikaku")})
    await apply(city)
    assert city.links("cityhall-zei") == set()
    assert city.links("cityhall-kikaku") == {"ka-zaisei", "ka-juumin"}


async def test_a_division_that_leaves_the_files_is_archived_and_its_rooms_stay(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.join_as(hanako, alias("ka-juumin-danwa"))
    write_town(city.rooms, {"divisions/juumin.yaml": None})
    await apply(city)
    assert city.links("cityhall-zei") == set()
    assert city.exists("ka-juumin-danwa")
    with pytest.raises(Permanent):
        await city.hs.say_as(hanako, alias("ka-juumin-danwa"), "まだ書けますか")
    async with city.app.store.transaction() as tx:
        assert (await city.app.hall.picture(tx)).records["juumin"].lifecycle is Lifecycle.ARCHIVED
    assert (await city.app.planner.plan(city.app.load())).empty


async def test_a_kind_that_leaves_the_files_with_its_divisions_can_be_planned_and_applied(city: FakeCity) -> None:
    circle = "  circle:\n    alias: kenjinkai-{slug}\n    rooms: []\n"
    with_circle = division("tokyo", more="kind: circle\n")
    write_town(city.rooms, {"kinds.yaml": KINDS + circle, "divisions/tokyo.yaml": with_circle})
    await apply(city)
    assert city.exists("kenjinkai-tokyo")
    write_town(city.rooms, {"kinds.yaml": KINDS, "divisions/tokyo.yaml": None})
    await city.app.planner.plan(city.app.load())
    await apply(city)
    assert (await city.app.planner.plan(city.app.load())).empty
    assert "kenjinkai-tokyo" not in city.links("cityhall-zei")


async def test_an_alias_pattern_that_changes_makes_new_rooms_and_leaves_the_old_ones(city: FakeCity) -> None:
    old = dict(city.room("ka-zaisei").state)
    write_town(city.rooms, {"kinds.yaml": KINDS.replace("alias: ka-{slug}", "alias: ka-new-{slug}")})
    await apply(city)
    assert await city.parked() == []
    assert city.exists("ka-new-zaisei-danwa")
    assert city.room("ka-zaisei").state == old
    assert city.links("cityhall-kikaku") == {"ka-new-zaisei"}


async def test_a_kind_of_room_version_11_lists_the_bot_among_the_users(tmp_path: Path, database_url: str) -> None:
    kinds = KINDS.replace("alias: ka-{slug}", "alias: ka-{slug}\n    space: {room_version: '11'}")
    async with fake_city(database_url, write_town(tmp_path / "rooms", {"kinds.yaml": kinds})) as city:
        assert city.powers("ka-zaisei") == {BOT: 100}
        assert BOT not in city.powers("ka-zaisei-danwa")
        assert (await city.app.planner.plan(city.app.load())).empty


@pytest.mark.parametrize(("made", "wanted"), [("11", "12"), ("12", "11")])
async def test_another_room_version_is_told_and_takes_nobodys_power_in_the_rooms_that_stand(
    tmp_path: Path, database_url: str, made: str, wanted: str
) -> None:
    def kinds(version: str) -> str:
        return KINDS.replace("alias: ka-{slug}", f"alias: ka-{{slug}}\n    space: {{room_version: '{version}'}}")

    async with fake_city(database_url, write_town(tmp_path / "rooms", {"kinds.yaml": kinds(made)})) as city:
        powers, state = city.powers("ka-zaisei"), dict(city.room("ka-zaisei").state)
        (city.rooms / "kinds.yaml").write_text(kinds(wanted), encoding="utf-8")
        await apply(city)
        assert city.powers("ka-zaisei") == powers
        assert city.room("ka-zaisei").state == state
        assert sorted(p.key.name for p in await city.parked()) == ["ka-juumin", "ka-zaisei"]
        assert city.heard().count(f"ルームバージョン {made} でつくられていますが、{wanted} が指定されています") == 2
        # A division that is closed can stay as it is.
        (city.rooms / "divisions" / "juumin.yaml").unlink()
        await apply(city)
        assert [p.key.name for p in await city.parked()] == ["ka-zaisei"]


async def test_what_an_administrator_adds_to_a_room_is_emptied_and_encryption_is_told(city: FakeCity) -> None:
    room, admin = city.room("ka-zaisei-danwa"), someone("admin")
    added: dict[str, dict[str, Any]] = {
        "m.room.tombstone": {"body": "…", "replacement_room": "!elsewhere"},
        "m.room.avatar": {"url": "mxc://example.jp/abc"},
        "m.room.server_acl": {"allow": []},
        "m.room.pinned_events": {"pinned": ["$a"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    for kind, content in added.items():
        await city.hs.send_state_as(admin, "#ka-zaisei-danwa:city.example", kind, "", content, by_force=True)
    await city.settle()
    emptied = ("m.room.tombstone", "m.room.avatar", "m.room.server_acl")
    assert [room.content(kind) for kind in emptied] == [{"replacement_room": ""}, {}, {"allow": ["*"]}]
    assert room.content("m.room.pinned_events") == added["m.room.pinned_events"]
    assert "暗号化が有効にされました" in city.heard()
    for words in ("閉鎖の告知", "画像", "参加できるサーバー"):
        assert words in city.heard()


async def test_one_of_the_settings_secretariat_who_was_removed_is_not_let_in_again_by_a_restart(
    tmp_path: Path, database_url: str
) -> None:
    rooms, other = write_town(tmp_path / "rooms"), someone("hanako")
    async with fake_city(database_url, rooms) as city:
        hs = city.hs
        await city.ask(f"!member admit {other} --secretariat")
        for room in (HALL, OFFICE):
            await hs.join_as(other, room)
        await city.settle()
        await city.ask(f"!member remove {SECRETARY} --yes", sender=other)
        assert {hs.room(room).membership(SECRETARY) for room in (HALL, OFFICE)} == {"leave"}
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert {hs.room(room).membership(SECRETARY) for room in (HALL, OFFICE)} == {"leave"}
        assert "除名" in await city.ask(f"!member show {SECRETARY}", sender=other)


async def test_the_last_of_the_secretariat_who_left_its_room_is_invited_again_by_a_restart(
    tmp_path: Path, database_url: str
) -> None:
    rooms = write_town(tmp_path / "rooms")
    async with fake_city(database_url, rooms) as city:
        hs = city.hs
        await hs.leave_as(SECRETARY, OFFICE)
        await city.settle()
        assert hs.room(OFFICE).membership(SECRETARY) == "leave"
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert hs.room(OFFICE).membership(SECRETARY) == "join"  # invited, and the secretary accepted
        assert "事務局" in await city.ask("!status")


async def test_a_hall_that_was_deleted_on_the_homeserver_is_built_anew_for_everybody(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    old = city.room("cityhall").room_id
    city.hs.purge(HALL)
    await apply(city)
    hall = city.room("cityhall")
    assert hall.room_id != old
    assert len(city.hs.world.rooms) == ROOMS + 1  # and the chat in which hanako was welcomed
    for name in ("ka-zaisei", "cityhall-zei", "ka-juumin-danwa"):
        assert (city.room(name).content("m.room.join_rules") or {})["allow"][0]["room_id"] == hall.room_id
    assert city.links("cityhall") >= {"cityhall-kikaku", "cityhall-zei"}
    for user in (hanako, SECRETARY):
        assert hall.membership(user) == "invite"
    assert city.room("cityhall-jimukyoku").membership(SECRETARY) == "join"
    assert (await city.app.planner.plan(city.app.load())).empty


async def test_whoever_left_by_themselves_is_not_invited_into_a_hall_that_is_built_anew(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.leave_as(hanako, HALL)
    await city.settle()
    city.hs.purge(HALL)
    await apply(city)
    assert city.room("cityhall").membership(hanako) == "leave"


async def test_an_address_that_leads_to_a_foreign_room_is_told_and_the_room_untouched(
    tmp_path: Path, database_url: str
) -> None:
    hs = FakeHomeserver(BOT)
    theirs = await hs.create_room_as(someone("yosomono"), NewRoom("12", alias_localpart="ka-zaisei-danwa"))
    before = dict(hs.world.rooms[theirs].state)
    async with fake_city(database_url, write_town(tmp_path / "rooms"), hs=hs) as city:
        assert hs.world.rooms[theirs].state == before
        parked = await city.parked()
        assert [str(p.key) for p in parked] == ["room:ka-zaisei-danwa"]
        assert alias("ka-zaisei-danwa") in plain(parked[0].why)
        assert "did not make" in plain(parked[0].why)
        assert "みんなの財政課 談話室" in city.heard()
        told = city.heard()[city.heard().index("再試行を止めました") :]
        assert "この市役所がつくったものではない部屋につながっています" in told
        assert len(hs.world.rooms) == ROOMS  # theirs among them
        assert city.links("ka-zaisei") == {"ka-zaisei-oshirase"}

        del hs.world.aliases[RoomAlias(alias("ka-zaisei-danwa"))]
        await apply(city)
        assert await city.parked() == []
        assert city.links("ka-zaisei") == {"ka-zaisei-oshirase", "ka-zaisei-danwa"}
        assert hs.world.rooms[RoomId(theirs)].state == before


async def test_a_head_in_the_files_who_is_no_member_is_refused_and_nothing_is_half_done(city: FakeCity) -> None:
    named = SECOND.replace("住民課", "市民課") + f"heads: ['{someone('hanako')}']\n"
    write_town(city.rooms, {"divisions/juumin.yaml": named, "divisions/koen.yaml": division("koen")})
    with pytest.raises(Refused) as refused:
        await apply(city)
    assert refused.value.text.values == {"user": someone("hanako")}
    await city.settle()
    assert not city.exists("ka-koen")
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] == "住民課"
    assert not (await city.app.planner.plan(city.app.load())).empty


async def test_one_of_the_secretariat_may_be_head_from_the_first_start_on(tmp_path: Path, database_url: str) -> None:
    rooms = write_town(tmp_path / "rooms", {"divisions/juumin.yaml": SECOND + f"heads: ['{SECRETARY}']\n"})
    async with fake_city(database_url, rooms) as city:
        assert city.powers("ka-juumin-oshirase") == {SECRETARY: 50}
        assert (await city.app.planner.plan(city.app.load())).empty


async def test_heads_follow_the_files(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND + f"heads: ['{hanako}']\n"})
    await apply(city)
    assert city.powers("ka-juumin-oshirase") == {hanako: 50}
    write_town(city.rooms)
    await apply(city)
    assert city.powers("ka-juumin-oshirase") == {}


async def test_a_plan_of_a_new_city_hall_creates_every_room_and_changes_nothing(city: FakeCity) -> None:
    more = CITYHALL + "  - {slug: doboku, name: {ja: 土木, en: Works}, purpose: {ja: 土木, en: Works}}\n"
    write_town(city.rooms, {"cityhall.yaml": more, "divisions/hashi.yaml": division("hashi", "doboku")})
    city.hs.calls.clear()
    planned = await city.app.planner.plan(city.app.load())
    assert {room.alias_localpart for room in planned.rooms} == {
        "cityhall", "cityhall-doboku", "ka-hashi", "ka-hashi-oshirase", "ka-hashi-danwa"}  # fmt: skip
    assert set(city.hs.calls) <= READS
    assert len(city.hs.world.rooms) == ROOMS


async def test_a_room_that_cannot_be_read_is_named_in_the_plan_and_nothing_is_planned_for_it(city: FakeCity) -> None:
    city.hs.fail_next("room_state", Temporary("502 from a proxy"))
    planned = await city.app.planner.plan(city.app.load())
    assert len(planned.unknown) == 1
    assert [replace(room, title="") for room in planned.rooms] == [replace(planned.unknown[0], title="")]
    assert planned.unknown[0].actions == ()


async def test_broken_files_are_answered_in_words_and_change_nothing(city: FakeCity) -> None:
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND.replace("group: zei", "group: nanika")})
    for command in ("!rooms plan", "!rooms apply", "!rooms apply --yes"):
        assert "juumin.yaml" in await city.ask(command)
    assert await city.parked() == []
    assert (await city.app.status.figures()).inbox.parked == 0


async def test_rooms_plan_and_apply_by_command(city: FakeCity) -> None:
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND.replace("住民課", "市民課")})
    assert "市民課" in await city.ask("！部屋　計画")
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] == "住民課"
    answer = await city.confirm("!rooms apply")
    assert "ファイルに書かれたとおりになりました" in answer
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] == "市民課"
    assert "変更はありません" in await city.ask("!rooms plan")
    assert OFFICE in city.hs.world.aliases


async def test_the_hall_and_the_office_keep_their_addresses_whatever_the_files_say(city: FakeCity) -> None:
    write_town(city.rooms, {"kinds.yaml": KINDS.replace("key: jimukyoku", "key: office")})
    assert "アドレスは一度決めたら変えられません" in await city.ask("!rooms apply --yes")
    assert not city.exists("cityhall-office")
    assert city.exists("cityhall-jimukyoku")


async def test_a_room_that_no_kind_wants_any_more_stays_behind_the_gate(city: FakeCity) -> None:
    write_town(city.rooms, {"kinds.yaml": KINDS.replace("key: danwa", "key: zatsudan")})
    await apply(city)
    yosomono = someone("yosomono")
    old = city.room("ka-zaisei-danwa")
    city.hs.world.impose(old, yosomono, "m.room.member", yosomono, {"membership": "join"})
    await city.hs.deliver_pending()
    await city.settle()
    assert old.membership(yosomono) == "leave"


async def test_what_was_set_aside_is_tried_again_by_command(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    city.hs.fail_next("kick", Permanent("the room is broken"))
    await city.confirm(f"!member remove {hanako}")
    assert [str(p.key) for p in await city.parked()] == [f"member:{hanako}"]
    assert "1 件をやり直しました" in await city.ask("！再試行")
    assert await city.parked() == []
    assert city.room("cityhall").membership(hanako) == "leave"
    assert "保留になっているものはありません" in await city.ask("!retry")
