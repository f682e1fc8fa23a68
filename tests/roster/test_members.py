"""Who is admitted comes in, who is removed is out of everything: on record, on the homeserver, and in words."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.roster.domain import KNOCK_ENDED
from oshiyakusho_matrix.roster.tables import find_member
from tests.divisions.small_hall import write_hall
from tests.support.fake_city import HALL, OFFICE, PORCH, SECRETARY, SERVER, FakeCity, alias, fake_city, someone

ROOMS = ("ka-zaisei-danwa", "ka-zaisei-oshirase", "ka-juumin-danwa", "ka-juumin", "cityhall-zei")


async def come_in_everywhere(city: FakeCity, user: UserId) -> None:
    for room in ROOMS:
        await city.hs.join_as(user, alias(room))
    await city.settle()


def where(city: FakeCity, user: UserId) -> set[str]:
    """Return the managed rooms that somebody is in, invited to, or knocking at: chats with the bot are none."""
    inside = {r.room_id for r in city.hs.world.rooms.values() if r.membership(user) in ("join", "invite", "knock")}
    found = {a[1:].partition(":")[0] for a, room_id in city.hs.world.aliases.items() if room_id in inside}
    return {name for name in found if "-chat-" not in name}


async def test_who_is_admitted_is_invited_and_then_enters_room_after_room(city: FakeCity) -> None:
    toku = someone("toku", "elsewhere.example")
    answer = await city.ask(f"！会員　承認　{toku}")
    assert answer.splitlines()[0] == f"{toku} さんを会員として承認しました。"
    assert "招待しました" in answer
    assert where(city, toku) == {"cityhall"}
    await city.hs.join_as(toku, HALL)
    await come_in_everywhere(city, toku)
    assert where(city, toku) == {"cityhall", *ROOMS}
    assert "参加しています" in await city.ask(f"!member show {toku}")
    with pytest.raises(Forbidden):
        await city.hs.invite_as(toku, alias("ka-zaisei-danwa"), someone("yosomono"))


async def test_who_is_removed_is_out_of_every_room_and_cannot_return(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await come_in_everywhere(city, hanako)
    answer = await city.confirm(f"!member remove {hanako}")
    assert f"{hanako} さんは、会員の部屋のどこにも入っていません" in answer
    assert where(city, hanako) == set()
    for room in ("cityhall", *ROOMS):
        with pytest.raises(Forbidden):
            await city.hs.join_as(hanako, alias(room))
    assert "除名" in await city.ask(f"!member show {hanako}")
    await city.ask(f"!member admit {hanako}")
    await city.hs.join_as(hanako, HALL)
    await come_in_everywhere(city, hanako)
    assert where(city, hanako) == {"cityhall", *ROOMS}


async def test_members_who_come_and_go_cost_no_look_at_whole_rooms_and_strangers_do(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    city.hs.calls.clear()
    await come_in_everywhere(city, hanako)
    await city.hs.leave_as(hanako, alias("ka-zaisei-danwa"))
    await city.hs.knock_as(someone("yosomono"), PORCH)
    await city.hs.leave_as(someone("yosomono"), PORCH)
    await city.settle()
    assert city.hs.calls["room_state"] == 0
    room = city.room("ka-zaisei-danwa")
    city.hs.world.impose(room, someone("yosomono"), "m.room.member", someone("yosomono"), {"membership": "join"})
    await city.hs.deliver_pending()
    await city.settle()
    assert city.hs.calls["room_state"] > 0
    assert room.membership(someone("yosomono")) == "leave"


async def test_one_broken_room_keeps_nobody_in_the_others_and_is_told(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await come_in_everywhere(city, hanako)
    kick, broken = city.hs.kick, {city.room("ka-juumin-danwa").room_id}

    async def breaks(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> None:
        if room_id in broken:
            broken.clear()
            raise Permanent("the room is broken")
        await kick(room_id, user_id, reason)

    city.hs.kick = breaks  # type: ignore[method-assign]
    answer = await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == {"ka-juumin-danwa"}
    assert "the room is broken" in answer
    parked = await city.parked()
    assert [(p.key, p.why) for p in parked] == [(WorkKey("member", hanako), "the room is broken")]
    told = [e["content"]["body"] for e in city.said() if "再試行を止めました" in e["content"]["body"]]
    assert len(told) == 1
    assert hanako in told[0]
    # Whatever touches the room next takes them out for good.
    await city.ask("!rooms apply --yes")
    assert where(city, hanako) == set()


async def test_a_room_that_fails_for_a_moment_is_tried_again_by_itself(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await come_in_everywhere(city, hanako)
    city.hs.fail_next("kick", Temporary("502 from a proxy"), times=2)
    answer = await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == set()
    assert "会員ではなくなりました" in answer
    assert await city.parked() == []


async def test_a_knock_of_a_stranger_is_told_and_changes_nothing(city: FakeCity) -> None:
    yosomono = someone("yosomono")
    await city.hs.knock_as(yosomono, PORCH, "架空市の職員です。\n<b>入れてください</b>")
    await city.settle()
    told = [line for line in city.heard().splitlines() if yosomono in line]
    assert len(told) == 1
    assert "添えられた言葉：架空市の職員です。 <b>入れてください</b>" in city.heard()
    assert "会員　承認" in told[0]
    assert where(city, yosomono) == {"cityhall-genkan"}
    await city.ask("!rooms apply --yes")
    assert city.room("cityhall-genkan").membership(yosomono) == "knock"
    await city.ask(f"!member admit {yosomono}")
    assert city.room("cityhall").membership(yosomono) == "invite"
    # Others who knock may read what is there: no more than that somebody did.
    said = [e["content"] for e in city.room("cityhall-genkan").timeline if e.get("state_key") == yosomono]
    assert said == [{"membership": "knock"}, {"membership": "leave", "reason": KNOCK_ENDED}]
    # Their client need not show a request beside the invitation.
    assert where(city, yosomono) == {"cityhall"}


async def test_the_bots_own_accounts_are_no_people(city: FakeCity) -> None:
    assert "人ではありません" in await city.ask(f"!member admit {someone('_och_guest')}")
    toku = someone("_och_toku", "elsewhere.example")
    assert "承認しました" in await city.ask(f"!member admit {toku}")


async def test_a_knock_of_a_member_who_left_is_answered_by_an_invite(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.leave_as(hanako, HALL)
    await city.settle()
    assert "退出したか、サーバーの管理者が外しました" in await city.ask(f"!member show {hanako}")
    await city.hs.knock_as(hanako, PORCH)
    await city.settle()
    assert where(city, hanako) == {"cityhall"}
    assert city.room("cityhall").membership(hanako) == "invite"


async def test_a_member_who_is_inside_and_knocks_is_told_so_and_stays(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.knock_as(hanako, PORCH)
    await city.settle()
    assert where(city, hanako) == {"cityhall"}
    told = city.room("cityhall-genkan").content("m.room.member", hanako)
    assert told is not None
    assert (told["membership"], told["reason"]) == ("leave", KNOCK_ENDED)


async def test_an_entrance_that_is_broken_keeps_nobody_out_of_the_hall(city: FakeCity) -> None:
    look, porch, hanako = city.hs.state_content, city.room("cityhall-genkan").room_id, someone("hanako")

    async def breaks(room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        if room_id == porch:
            raise Forbidden("the bot is not in this room any more")
        return await look(room_id, event_type, state_key)

    city.hs.state_content = breaks  # type: ignore[method-assign]
    await city.ask(f"!member admit {hanako}")
    assert city.room("cityhall").membership(hanako) == "invite"


async def test_a_knock_brings_nobody_back_into_the_secretariats_room(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!member admit {hanako} --secretariat")
    await city.hs.join_as(hanako, OFFICE)
    for room in (OFFICE, HALL):
        await city.hs.leave_as(hanako, room)
    await city.settle()
    await city.hs.knock_as(hanako, PORCH)
    await city.settle()
    assert where(city, hanako) == {"cityhall"}


async def test_until_the_invitation_is_out_the_knock_waits(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.leave_as(hanako, HALL)
    await city.settle()
    invite, fails = city.hs.invite, [True]

    async def breaks(room_id: RoomId, user_id: UserId) -> None:
        if fails:
            fails.clear()
            assert city.room("cityhall-genkan").membership(hanako) == "knock"
            raise Temporary("502")
        await invite(room_id, user_id)

    city.hs.invite = breaks  # type: ignore[assignment, method-assign]
    await city.hs.knock_as(hanako, PORCH)
    await city.settle()
    assert not fails
    assert where(city, hanako) == {"cityhall"}


async def test_whoever_stood_in_the_entrance_when_it_was_open_to_all_is_taken_out(city: FakeCity) -> None:
    porch, sakura = city.room("cityhall-genkan"), await city.member("sakura")
    for user in (sakura, someone("yosomono")):
        city.hs.world.impose(porch, user, "m.room.member", user, {"membership": "join"})
    await city.hs.deliver_pending()
    await city.settle()
    assert {user for user in (sakura, someone("yosomono")) if porch.membership(user) == "join"} == set()
    # Whichever way they came: nobody else could tell somebody whom a server administrator has put in.
    for user in (sakura, someone("yosomono")):
        assert [line for line in city.heard().splitlines() if user in line and "玄関" in line], user
    assert where(city, sakura) == {"cityhall"}


async def test_who_may_read_the_state_of_the_entrance_reads_there_the_name_of_nobody(city: FakeCity) -> None:
    """Whoever knocked and takes it back may read it; the secretariat has power in the other rooms of the hall."""
    told = {room: str(city.room(room).content("m.room.power_levels")) for room in ("cityhall", "cityhall-genkan")}
    assert SECRETARY in told["cityhall"]
    assert SECRETARY not in told["cityhall-genkan"]


async def test_who_left_by_themselves_is_left_in_peace_until_admitted_again(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.leave_as(hanako, HALL)
    await city.settle()
    await city.ask("!rooms apply --yes")
    assert city.room("cityhall").membership(hanako) == "leave"
    await city.ask(f"!member admit {hanako}")
    assert city.room("cityhall").membership(hanako) == "invite"


async def test_a_new_secretary_gets_the_room_the_commands_and_the_power(city: FakeCity) -> None:
    hanako = someone("hanako")
    await city.ask(f"!会員 承認 {hanako} --事務局")
    assert where(city, hanako) == {"cityhall", "cityhall-jimukyoku"}
    assert city.powers("cityhall-jimukyoku") == {SECRETARY: 50, hanako: 50}
    await city.hs.join_as(hanako, HALL)
    await city.hs.join_as(hanako, OFFICE)
    await city.settle()
    assert "部屋" in await city.ask("!status", sender=hanako)
    await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == set()
    assert city.powers("cityhall") == {SECRETARY: 50}


async def test_the_last_secretary_the_bot_and_strangers_cannot_be_removed(city: FakeCity) -> None:
    assert "最後の一人" in await city.ask(f"!member remove {SECRETARY} --yes")
    assert "会員ではない" in await city.ask(f"!member remove {someone('yosomono')}")
    assert "私自身" in await city.ask(f"!member admit {city.hs.bot}")
    assert "承認されたことはありません" in await city.ask(f"!member show {someone('yosomono')}")
    assert city.hs.room(OFFICE).membership(SECRETARY) == "join"


async def test_what_becomes_of_members_is_audited(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!member remove {hanako} --yes")
    audit = await city.ask("!audit")
    assert audit.count(hanako) >= 2


async def test_an_admission_while_the_last_look_is_in_hand_is_not_lost(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    async with city.app.store.reading() as connection:
        seen = await find_member(connection, hanako)
    assert seen is not None
    await city.hs.leave_as(hanako, HALL)
    async with city.app.store.transaction() as tx:
        await city.app.roster.admit(tx, hanako, by=SECRETARY)
        # What a controller saw before must not pass for what is so now.
        await city.app.roster.note_place(tx, seen, hall=seen.hall, office=seen.office)
    await city.settle()
    assert city.room("cityhall").membership(hanako) == "invite"


async def test_the_secretariat_is_of_this_homeserver_since_its_room_takes_nobody_else(city: FakeCity) -> None:
    toku = someone("toku", "elsewhere.example")
    assert "city.example のアカウントが必要です" in await city.ask(f"!member admit {toku} --secretariat")
    assert where(city, toku) == set()
    assert await city.parked() == []


async def test_a_room_of_the_secretariat_that_takes_somebody_not_keeps_them_not_out_of_the_hall(city: FakeCity) -> None:
    hanako = someone("hanako")
    # Invited into the hall first, then into 事務局室.
    invite, tries = city.hs.invite, 0

    async def breaks_once(room_id: RoomId, user_id: UserId) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            city.hs.fail_next("invite", Permanent("the room is broken"))
        await invite(room_id, user_id)

    city.hs.invite = breaks_once  # type: ignore[assignment, method-assign]
    assert "the room is broken" in await city.ask(f"!member admit {hanako} --secretariat")
    assert len(where(city, hanako)) == 1
    await city.ask(f"!member admit {hanako} --secretariat")
    assert where(city, hanako) == {"cityhall", "cityhall-jimukyoku"}


def staff(city: FakeCity) -> set[str]:
    """Return who has power in the hall."""
    levels = city.room("cityhall").content("m.room.power_levels") or {}
    return set(levels["users"])


async def test_a_secretary_is_appointed_and_released_by_command_but_never_the_last_one(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    assert "会員ではありません" in await city.ask(f"!会員 事務局 {someone('yosomono')}")
    assert "事務局の一員になりました" in await city.ask(f"!会員 事務局 {hanako}")
    await city.hs.join_as(hanako, OFFICE)
    await city.settle()
    assert staff(city) == {hanako, SECRETARY}
    assert "事務局を離れました" in await city.ask(f"!会員 事務局 {hanako} --解任")
    assert where(city, hanako) == {"cityhall"}
    assert staff(city) == {SECRETARY}
    assert "最後の" in await city.ask(f"!member secretariat {SECRETARY} --end")
    assert "事務局の人ではありません" in await city.ask(f"!member secretariat {hanako} --end")


async def test_of_somebody_who_was_only_invited_a_removal_does_not_say_that_they_were_inside(city: FakeCity) -> None:
    hanako = someone("hanako")
    await city.ask(f"!member admit {hanako}")
    answer = await city.ask(f"!member remove {hanako} --yes")
    assert f"{hanako} さんは、会員の部屋のどこにも入っていません" in answer
    assert "外しました" not in answer
    assert city.room("cityhall").membership(hanako) == "leave"


async def test_of_somebody_who_had_gone_already_a_removal_says_only_that_they_are_in_no_room(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.leave_as(hanako, HALL)
    answer = await city.ask(f"!member remove {hanako} --yes")
    assert f"{hanako} さんは、会員の部屋のどこにも入っていません" in answer
    assert "外しました" not in answer


@pytest.mark.parametrize("where_not", ["cityhall", "cityhall-jimukyoku"])
async def test_the_first_secretary_whose_invitation_was_set_aside_is_invited_by_a_restart(
    database_url: str, tmp_path: Path, where_not: str
) -> None:
    rooms, hs = write_hall(tmp_path / "rooms", {}), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))

    invite = hs.invite

    async def refuse(room_id: RoomId, user_id: UserId) -> None:
        if hs.room(alias(where_not)).room_id == room_id:
            raise Permanent("the room is broken")
        await invite(room_id, user_id)

    hs.invite = refuse  # type: ignore[assignment, method-assign]
    async with fake_city(database_url, rooms, hs=hs, secretary_joins=False) as city:
        assert where_not not in where(city, SECRETARY)
        assert len(await city.parked()) == 1
    del hs.invite
    async with fake_city(database_url, rooms, hs=hs, secretary_joins=False) as city:
        assert where(city, SECRETARY) == {"cityhall", "cityhall-jimukyoku"}
        assert await city.parked() == []


async def test_who_is_removed_is_not_looked_for_where_the_homeserver_says_that_they_are(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await come_in_everywhere(city, hanako)
    looked, kicked = list[RoomId](), list[tuple[RoomId, str | None]]()
    look, kick = city.hs.state_content, city.hs.kick

    async def noted_look(room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        looked.extend([room_id] if state_key == hanako else [])
        return await look(room_id, event_type, state_key)

    async def noted_kick(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        kicked.append((room_id, seen))
        return await kick(room_id, user_id, reason, seen=seen)

    inside = where(city, hanako)
    city.hs.state_content, city.hs.kick = noted_look, noted_kick  # type: ignore[method-assign]
    await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == set()
    hall = city.room("cityhall").room_id
    assert looked == [hall, city.room("cityhall-genkan").room_id], "who knocks there may wait"
    # The hall, then those that the person is in, then the others.
    others = [seen for room_id, seen in kicked if room_id != city.room("cityhall-genkan").room_id]
    assert others == ["join"] * len(inside) + [None] * (len(others) - len(inside))
    assert kicked[0][0] == hall
    assert len(kicked) > len(inside)


@pytest.mark.parametrize("membership", ["invite", "knock", "join"])
async def test_what_the_homeserver_does_not_tell_of_a_person_leaves_them_in_no_room(
    city: FakeCity, membership: str
) -> None:
    hanako = await city.member("hanako")
    room = alias("ka-zaisei-danwa")
    by = SECRETARY if membership == "invite" else hanako
    await city.hs.send_state_as(by, room, "m.room.member", hanako, {"membership": membership}, by_force=True)
    await city.settle()

    async def knows_nothing(user_id: UserId) -> Sequence[RoomId]:
        return []

    city.hs.rooms_shared_with = knows_nothing  # type: ignore[method-assign]
    await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == set()


@pytest.mark.parametrize("error", [Temporary("502"), Permanent("404 M_UNRECOGNIZED")])
async def test_a_homeserver_that_cannot_tell_who_is_where_holds_no_removal_up(city: FakeCity, error: Exception) -> None:
    hanako = await city.member("hanako")
    await come_in_everywhere(city, hanako)
    city.hs.fail_next("rooms_shared_with", error)
    await city.ask(f"!member remove {hanako} --yes")
    assert where(city, hanako) == set()
    assert await city.parked() == []
    assert city.hs.calls["rooms_shared_with"] == 1
