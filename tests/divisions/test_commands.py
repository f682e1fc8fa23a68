"""``!division`` from the secretariat's side: what is asked for stands when the answer comes, or nothing was done."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import update

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.commands import Create, division_commands, room_commands
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.tables import space
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Forbidden, NewRoom
from oshiyakusho_matrix.locales import load
from tests.commands.declared import assert_declared_well
from tests.divisions.little_town import KINDS, ROOMS, write_town
from tests.support.fake_city import SECRETARY, SERVER, FakeCity, alias, fake_city, someone


async def spaces(city: FakeCity) -> set[str]:
    async with city.app.store.transaction() as tx:
        return set((await city.app.hall.picture(tx)).records)


async def test_the_commands_are_declared_well(city: FakeCity) -> None:
    queue = city.app.queue
    commands = division_commands(city.app.hall, Heads(work=queue))
    assert_declared_well([*commands, *room_commands(city.app.hall, queue, city.app.load)], load("ja"))


async def test_a_new_division_stands_when_the_answer_comes(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    answer = await city.ask("！課　新設　koen　公園課　--部　zei　--英語名　Parks　--目的　公園づくりの相談")
    assert answer == f"公園課を開設しました: #ka-koen:{SERVER}"
    assert city.links("cityhall-zei") == {"ka-juumin", "ka-koen"}
    assert (city.room("ka-koen-danwa").content("m.room.topic") or {})["topic"] == "公園づくりの相談"
    await city.hs.join_as(hanako, alias("ka-koen-danwa"))
    assert "公園課" in await city.ask("!課 一覧", sender=hanako, room=alias("ka-koen-danwa"))
    sheet = await city.ask("!課 詳細 公園課", sender=hanako, room=alias("ka-koen-danwa"))
    assert f"#ka-koen-danwa:{SERVER}" in sheet


@pytest.mark.parametrize(
    ("slug", "group", "why"),
    [
        ("zaisei", "zei", "すでに"),
        ("kikaku", "zei", "すでに"),
        ("zaisei-danwa", "zei", "別の部屋"),
        ("koen", "nanika", "という部はありません"),
        ("koen", "zaisei", "という部はありません"),
        ("Ko en", "zei", "短縮名"),
        ("ko_en", "zei", "短縮名"),
    ],
)
async def test_a_division_that_cannot_be_is_refused_and_nothing_is_done(
    city: FakeCity, slug: str, group: str, why: str
) -> None:
    before = await spaces(city)
    assert why in await city.ask(f"!division create 「{slug}」 公園課 --group {group}")
    assert await spaces(city) == before
    assert len(city.hs.world.rooms) == ROOMS


async def test_an_address_that_somebody_else_holds_is_told_and_the_rest_stands(city: FakeCity) -> None:
    theirs = await city.hs.create_room_as(someone("yosomono"), NewRoom("12", alias_localpart="ka-koen-danwa"))
    answer = await city.ask("!division create koen 公園課 --group zei")
    assert "ka-koen-danwa" in answer
    assert "公園課を開設しました" not in answer
    assert city.exists("ka-koen-oshirase")
    assert city.hs.world.rooms[theirs].membership(city.hs.bot) == "leave"


async def test_an_edit_changes_names_everywhere_and_moves_the_link(city: FakeCity) -> None:
    answer = await city.ask("!課 変更 juumin --名前 市民課 --部 kikaku")
    assert answer == "市民課を変更しました。"
    assert (city.room("ka-juumin-oshirase").content("m.room.name") or {})["name"] == "市民課 お知らせ"
    assert city.links("cityhall-zei") == set()
    assert city.links("cityhall-kikaku") == {"ka-zaisei", "ka-juumin"}
    # The files did not change, so what was changed by command stays.
    await city.ask("!rooms apply --yes")
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] == "市民課"
    assert "変更する内容がありません" in await city.ask("!課 変更 juumin --名前 市民課")


async def test_an_archived_division_is_readable_and_closed_and_can_be_reopened(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = alias("ka-juumin-danwa")
    await city.hs.join_as(hanako, room)
    preview = await city.ask("!課 廃止 juumin")
    assert "2 個の部屋" in preview
    assert city.links("cityhall-zei") == {"ka-juumin"}
    assert "廃止しました" in await city.confirm("!課 廃止 juumin")
    assert city.links("cityhall-zei") == set()
    assert city.room("ka-juumin-danwa").membership(hanako) == "join"
    for send in (city.hs.say_as(hanako, room, "x"), city.hs.send_as(hanako, room, "m.reaction", {})):
        with pytest.raises(Forbidden):
            await send
    assert "juumin" not in await city.ask("!課 一覧")
    assert "廃止済み" in await city.ask("!課 詳細 juumin")
    assert "すでに" in await city.ask("!課 廃止 juumin --yes")
    assert "すでに" in await city.ask("!課 廃止 juumin")  # and no preview
    assert "再開しました" in await city.ask("!課 再開 juumin")
    await city.hs.say_as(hanako, room, "また書けます")
    assert city.links("cityhall-zei") == {"ka-juumin"}


async def test_a_name_that_two_divisions_have_is_never_guessed(city: FakeCity) -> None:
    await city.ask("!division create koen 公園課 --group zei")
    async with city.app.store.transaction() as tx:  # as records may be that are older than the rule against it
        await tx.connection.execute(update(space).where(space.c.slug == "koen").values(name_ja="住民課"))
    answer = await city.ask("!課 廃止 住民課 --yes")
    assert "juumin" in answer
    assert "koen" in answer
    assert city.links("cityhall-zei") == {"ka-juumin", "ka-koen"}
    # A short name is one division's alone, also if another one is called like it.
    await city.ask("!課 変更 koen --名前 juumin")
    assert "住民課を廃止しました" in await city.ask("!課 廃止 juumin --yes")
    assert city.links("cityhall-zei") == {"ka-koen"}


async def test_a_head_writes_in_the_announcements_until_released(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = alias("ka-zaisei-oshirase")
    await city.hs.join_as(hanako, room)
    with pytest.raises(Forbidden):
        await city.hs.say_as(hanako, room, "お知らせ")
    assert "課長になりました" in await city.ask(f"!課 課長 zaisei {hanako}")
    await city.hs.say_as(hanako, room, "お知らせ")
    assert hanako in await city.ask("!課 詳細 zaisei")
    assert "すでに" in await city.ask(f"!課 課長 zaisei {hanako}")
    assert "課長ではなくなりました" in await city.ask(f"!課 課長 zaisei {hanako} --解任")
    assert city.powers("ka-zaisei-oshirase") == {}
    assert "課長ではありません" in await city.ask(f"!課 課長 zaisei {hanako} --解任")


async def test_only_members_become_heads(city: FakeCity) -> None:
    answer = await city.ask(f"!課 課長 zaisei {someone('yosomono')}")
    assert "会員ではないため" in answer
    assert city.powers("ka-zaisei-oshirase") == {}


async def test_a_mandate_lapses_by_itself_after_its_last_day(tmp_path: Path, database_url: str) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    start = datetime(2027, 3, 30, 12, tzinfo=JST)
    with time_machine.travel(start) as clock:
        async with fake_city(database_url, rooms, hs=hs) as city:
            hanako = await city.member("hanako")
            assert "過ぎています" in await city.ask(f"!課 課長 zaisei {hanako} --まで 2027-03-29")
            await city.ask(f"!課 課長 zaisei {hanako} --まで 2027-03-31")
            assert "2027-03-31 まで" in await city.ask(f"!課 詳細 #ka-zaisei:{SERVER}")
            assert city.powers("ka-zaisei-oshirase") == {hanako: 50}

            clock.move_to(datetime(2027, 3, 31, 23, 59, tzinfo=JST))
            city.app.loop.wake()
            await city.settle()
            assert city.powers("ka-zaisei-oshirase") == {hanako: 50}

            clock.move_to(datetime(2027, 4, 1, tzinfo=JST) + timedelta(seconds=1))
            city.app.loop.wake()
            await city.app.loop.idle()
            await city.settle()
            assert city.powers("ka-zaisei-oshirase") == {}
            assert city.powers("ka-zaisei-danwa") == {}
            assert hanako not in await city.ask("!課 詳細 zaisei")


async def test_who_is_taken_out_is_head_no_more(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!課 課長 zaisei {hanako}")
    await city.ask(f"!member remove {hanako} --yes")
    assert city.powers("ka-zaisei-oshirase") == {}


async def test_a_member_may_look_and_nothing_more(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = alias("ka-zaisei-danwa")
    await city.hs.join_as(hanako, room)
    assert "juumin" in await city.ask("!課 一覧", sender=hanako, room=room)
    for command in ("!課 新設 koen 公園課 --部 zei", "!課 廃止 juumin --yes", "!部屋 適用 --yes", "!課 課長 zaisei x"):
        assert "事務局" in await city.ask(command, sender=hanako, room=room)
    assert await spaces(city) == {"cityhall", "kikaku", "zei", "zaisei", "juumin"}


HOSTILE = [
    "<script>alert(1)</script>",
    "**太字** [x](https://evil.example) `code`",
    "@room",
    "{name} {purpose} {0} {",
    "課\u202e逆さ",
    "課\u2066隠す",
    "課\u200b空白",
    "課\x00\x07",
    "課\u2028二行",
    "😀" * 10_000,
    "😀" * 61,
    "😀" * 60,
    "👩‍👩‍👧‍👦課",
    "　",
    "課" * 60,
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:8]))
async def test_a_hostile_name_is_refused_or_shown_harmlessly_and_nothing_is_half_done(
    city: FakeCity, name: str
) -> None:
    body = f"!課 新設 koen 「{name}」 --部 zei"
    answer = await city.ask(body)
    assert answer
    stands = city.exists("ka-koen")
    assert stands == ("開設しました" in answer)
    assert (await city.app.status.figures()).inbox.parked == 0
    assert await city.parked() == []
    if not stands:
        assert len(city.hs.world.rooms) == ROOMS
        assert "koen" not in await spaces(city)
        return
    assert len(city.hs.world.rooms) == ROOMS + 3
    for room in ("ka-koen", "ka-koen-oshirase", "ka-koen-danwa"):
        shown = (city.room(room).content("m.room.name") or {})["name"]
        assert len(shown.encode()) <= 255
        assert shown.startswith(name)
    html = "".join(e["content"]["formatted_body"] for e in city.said())
    assert "<script" not in html
    assert 'evil.example">' not in html
    assert "m.mentions" not in city.said()[-1]["content"] or not city.said()[-1]["content"]["m.mentions"].get("room")


def test_a_name_is_taken_without_the_spaces_around_it() -> None:
    assert Create.model_validate({"slug": "koen", "name": " 公園課　", "group": "zei"}).name == "公園課"


@pytest.mark.parametrize("option", ["--名前", "--英語名", "--目的"])
async def test_an_edit_takes_no_hidden_characters_either(city: FakeCity, option: str) -> None:
    assert "U+202E" in await city.ask(f"!課 変更 juumin {option} 「課\u202e長」")
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] == "住民課"


async def test_names_and_addresses_that_are_too_long_for_matrix_are_refused(tmp_path: Path, database_url: str) -> None:
    longer = KINDS.replace('ja: "{name} お知らせ"', f'ja: "{{name}} {"お知らせ" * 4}"')
    async with fake_city(database_url, write_town(tmp_path / "rooms", {"kinds.yaml": longer})) as city:
        for command in (f"!課 新設 koen {'😀' * 60} --部 zei", f"!課 変更 juumin --名前 {'😀' * 60}"):
            assert "255" in await city.ask(command)
        assert "koen" not in await spaces(city)
        city.app.hall.server_name = "a" * 230 + ".example"
        assert "255" in await city.ask(f"!課 新設 {'k' * 40} 公園課 --部 zei")
        assert "k" * 40 not in await spaces(city)


async def test_whoever_left_the_secretariats_room_commands_no_more(city: FakeCity) -> None:
    room = alias("ka-zaisei-danwa")
    await city.hs.join_as(SECRETARY, room)
    assert "開設しました" in await city.ask("!課 新設 koen 公園課 --部 zei", room=room)
    await city.hs.leave_as(SECRETARY, alias("cityhall-jimukyoku"))
    await city.settle()
    assert "事務局" in await city.ask("!課 新設 suido 水道課 --部 zei", room=room)
    assert not city.exists("ka-suido")
