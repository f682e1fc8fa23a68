"""What ``rooms plan`` says: the same to operators and to the secretariat, nothing twice, and who cannot be head."""

from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.plan_text import branches
from oshiyakusho_matrix.divisions.planner import HallPlan
from oshiyakusho_matrix.divisions.tables import mandate, space
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.reconcile.room_plan import TakeOut
from tests.divisions.little_town import SECOND, division, write_town
from tests.divisions.small_hall import DIVISION
from tests.support.fake_city import SECRETARY, FakeCity, alias, fake_city, someone

HANAKO, YOSO, DAREKA = someone("hanako"), someone("yosomono"), someone("dareka")


def headed(*users: str) -> dict[str, str | bytes | None]:
    """The town, whose finance division has these heads."""
    return {"divisions/zaisei.yaml": DIVISION + f"heads: [{', '.join(repr(user) for user in users)}]\n"}


async def plan(city: FakeCity) -> HallPlan:
    return await city.app.planner.plan(city.app.load())


def in_words(found: HallPlan) -> dict[str, list[str]]:
    return {plain(title): [plain(line) for line in below] for title, below in branches(found)}


async def test_no_line_is_said_twice_and_counts_read_well(city: FakeCity) -> None:
    write_town(city.rooms, {f"divisions/{slug}.yaml": division(slug) for slug in ("koen", "suido")})
    found = await plan(city)
    said = in_words(found)
    assert said["new spaces: 2"] == ["koenの課 (koen)", "suidoの課 (suido)"]
    # Two links are added to it.
    group = next(room for room in found.rooms if room.alias_localpart == "cityhall-zei")
    assert len(group.actions) == 2
    assert said["税 (#cityhall-zei)"] == ["the list of rooms will be changed"]
    assert all(len(set(below)) == len(below) for below in said.values())
    answer = await city.ask("!部屋 計画")
    assert answer.count("税 (#cityhall-zei)") == 1
    summary = await city.ask("!rooms apply")
    assert "新しいスペース 2 件" in summary


async def test_one_new_space_is_one(city: FakeCity) -> None:
    write_town(city.rooms, {"divisions/koen.yaml": division("koen")})
    assert in_words(await plan(city))["new spaces: 1"] == ["koenの課 (koen)"]


async def test_heads_who_are_no_members_are_named_and_applying_refuses_them_all(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    write_town(city.rooms, headed(hanako, SECRETARY, YOSO, DAREKA))
    found = await plan(city)
    assert list(found.no_members) == [YOSO, DAREKA]
    refused = in_words(found)["applying will be refused"]
    assert [user in line for user, line in zip((YOSO, DAREKA), refused, strict=True)] == [True, True]
    assert YOSO in await city.ask("!部屋 計画")
    answer = await city.ask("!rooms apply --yes")
    assert YOSO in answer
    assert DAREKA in answer
    async with city.app.store.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(mandate)) == 0
    for user in (YOSO, DAREKA):
        await city.ask(f"!member admit {user}")
    assert (await plan(city)).no_members == []
    await city.ask("!rooms apply --yes")
    assert set(city.powers("ka-zaisei-danwa")) == {hanako, SECRETARY, YOSO, DAREKA}
    await city.ask(f"!member remove {YOSO} --yes")
    write_town(city.rooms, {"divisions/juumin.yaml": SECOND + f"heads: ['{YOSO}']\n"})
    assert list((await plan(city)).no_members) == [YOSO]


async def test_before_the_first_start_the_secretariat_of_the_settings_counts_as_members(
    tmp_path: Path, database_url: str
) -> None:
    rooms = write_town(tmp_path / "rooms")
    async with fake_city(database_url, rooms) as city:
        await city.ask(f"!member admit {HANAKO} --secretariat")
        city.app.planner._secretariat = (SECRETARY, YOSO, DAREKA)
        await city.ask(f"!member admit {DAREKA}")
        await city.ask(f"!member remove {DAREKA} --yes")
        write_town(rooms, headed(SECRETARY, YOSO, DAREKA))
        # Whoever was removed is not let in again by a start.
        assert list((await plan(city)).no_members) == [DAREKA]


async def test_a_single_head_who_is_no_member_is_refused_with_the_command_that_helps(city: FakeCity) -> None:
    write_town(city.rooms, headed(YOSO))
    with pytest.raises(Refused) as refused:
        async with city.app.store.transaction() as tx:
            await city.app.hall.apply(tx, city.app.load(), by=SECRETARY)
    assert f"`!member admit {YOSO}`" in plain(refused.value.text)


async def test_the_tree_on_a_terminal_says_it_too(city: FakeCity, capsys: pytest.CaptureFixture[str]) -> None:
    write_town(city.rooms, headed(YOSO))
    terminal.print_plan(await plan(city), as_json=False)
    assert f"`!member admit {YOSO}`" in " ".join(capsys.readouterr().out.split()).replace("│ ", "")


async def test_a_plan_shows_what_applying_does_where_a_record_cannot_be_read(city: FakeCity) -> None:
    await city.ask("!division create koen 公園課 --group zei")
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(update(space).where(space.c.slug == "koen").values(lifecycle="nonsense"))
    joined = {"membership": "join"}
    await city.hs.send_state_as(DAREKA, alias("ka-koen"), "m.room.member", YOSO, joined, by_force=True)
    # Its links stay, for what it should be is not known; who does not belong there is put out.
    assert [(room.alias_localpart, list(map(type, room.actions))) for room in (await plan(city)).rooms] == [
        ("ka-koen", [TakeOut])
    ]
    await city.settle()
    assert city.room("ka-koen").membership(YOSO) == "leave"
    assert (await plan(city)).rooms == []
