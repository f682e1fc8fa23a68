"""The gate: who comes in and who does not, from either server; what members cannot do; how people leave and return."""

import pytest

from oshiyakusho_matrix.core.ids import RoomId
from tests.e2e.city import DIVISIONS, City
from tests.e2e.conftest import Person
from tests.e2e.law import assert_law_of_the_gate
from tests.e2e.talk import ask, body, enter, is_japanese, refused
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])
V3 = "/_matrix/client/v3/rooms"


@SERVERS
async def test_an_outsider_of_either_server_is_refused_everywhere(city: City, person: Person, server: str) -> None:
    outsider = await person("outsider", on=getattr(city, server))
    for localpart, room_id in (await city.gated_rooms()).items():
        await refused(outsider.join(city.alias(localpart), via=city.via))
        await refused(outsider.join(room_id, via=city.via))
        if localpart != "cityhall-genkan":
            await refused(outsider.knock(room_id, via=city.via))
        await refused(outsider.call("GET", f"{V3}/{room_id}/messages", dir="b"))
        await refused(outsider.state(room_id))
        await refused(outsider.call("GET", f"{V3}/{room_id}/members"))
        await refused(outsider.say(room_id, "こんにちは"))
        if server == "hub":  # a server that is in no room of ours cannot even try
            await refused(outsider.invite(room_id, outsider.user_id))
    assert await outsider.joined_rooms() == set()


@SERVERS
async def test_an_admitted_person_enters_division_after_division_and_each_room_in_one_step(
    city: City, person: Person, server: str
) -> None:
    newcomer = await person("newcomer", on=getattr(city, server))
    office = await city.room("cityhall-jimukyoku")
    await newcomer.knock(city.alias("cityhall-genkan"), via=city.via, reason="入れてください")
    hall = await city.room("cityhall")
    knock = body(await city.secretary.message(office, newcomer.user_id))
    assert is_japanese(knock)
    assert "入れてください" in knock
    what_to_write = knock.split("`")[1]

    answer = body(await ask(city.secretary, office, what_to_write, newcomer.user_id))
    assert is_japanese(answer)
    assert await city.membership(hall, newcomer.user_id) == "invite"
    await city.accept(newcomer, "cityhall")

    for slug in DIVISIONS:
        await enter(city, newcomer, f"ka-{slug}", *(f"ka-{slug}-{key}" for key in ("oshirase", "soudan", "danwa")))
    await enter(city, newcomer, "cityhall-dayori", "cityhall-annai", "cityhall-zei")
    room = (await enter(city, newcomer, "kenjinkai-27-danwa"))[0]
    sent = await newcomer.say(room, "はじめまして。")
    assert await newcomer.membership(room) == "join"

    neighbour = await person("hears")
    await city.admit(neighbour)
    await enter(city, neighbour, "kenjinkai-27-danwa")
    heard = await neighbour.event(room, lambda event: event["event_id"] == sent)
    assert heard["sender"] == newcomer.user_id


async def test_the_law_of_the_gate_is_watched(city: City, person: Person) -> None:
    stranger, room = await person("planted"), RoomId(await city.room("ka-koho-danwa"))
    # By the bot's own hand, which the service rightly takes for its own doing: nobody puts it right.
    await city.app.homeserver.invite(room, stranger.user_id)
    with pytest.raises(AssertionError, match="against the law of the gate"):
        await assert_law_of_the_gate(city)
    await city.app.homeserver.kick(room, stranger.user_id)


@SERVERS
async def test_a_knock_alone_opens_nothing(city: City, person: Person, server: str) -> None:
    knocker = await person("knocker", on=getattr(city, server))
    await knocker.knock(city.alias("cityhall-genkan"), via=city.via)
    await city.secretary.message(await city.room("cityhall-jimukyoku"), knocker.user_id)
    await refused(knocker.join(city.alias("cityhall"), via=city.via))
    await refused(knocker.join(city.alias("ka-zaisei"), via=city.via))
    await refused(knocker.join(city.alias("ka-zaisei-soudan"), via=city.via))


async def test_members_do_not_enter_the_secretariats_room(city: City, person: Person) -> None:
    member = await person("curious")
    await city.admit(member)
    office = await city.room("cityhall-jimukyoku")
    await refused(member.join(office))
    await refused(member.state(office))
    await refused(member.call("GET", f"{V3}/{office}/messages", dir="b"))


@SERVERS
async def test_a_member_cannot_let_anybody_in_or_change_a_room(city: City, person: Person, server: str) -> None:
    member, friend = await person("member", on=getattr(city, server)), await person("friend")
    await city.admit(member)
    space, room = await enter(city, member, "ka-koho", "ka-koho-danwa")
    hall = await city.room("cityhall")
    for where in (hall, space, room):
        await refused(member.invite(where, friend.user_id))
        await refused(member.set_state(where, "m.room.name", {"name": "わたしの部屋"}))
        await refused(member.set_state(where, "m.room.topic", {"topic": "わたしの話題"}))
        await refused(member.set_state(where, "m.room.join_rules", {"join_rule": "public"}))
        powers = await member.state_content(where, "m.room.power_levels")
        await refused(member.set_state(where, "m.room.power_levels", {**powers, "users": {member.user_id: 100}}))
        await refused(member.set_state(where, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}))
        await refused(member.set_state(where, "m.room.tombstone", {"body": "", "replacement_room": "!elsewhere"}))
    await refused(member.set_state(space, "m.space.child", {"via": city.via}, room))
    await refused(member.set_state(space, "m.space.child", {}, room))
    await refused(friend.join(room, via=city.via))


async def test_a_head_posts_and_pins_and_members_react(city: City, person: Person) -> None:
    head, member = await person("head"), await person("reader")
    await city.admit(head, member)
    office = await city.room("cityhall-jimukyoku")
    await ask(city.clerk, office, f"!division head koho {head.user_id}", f"{head.user_id} is head of 広報課 now.")
    room = (await enter(city, head, "ka-koho-oshirase"))[0]
    await enter(city, member, "ka-koho-oshirase")

    notice = await head.say(room, "来週の予定です。")
    await head.set_state(room, "m.room.pinned_events", {"pinned": [notice]})
    assert await member.state_content(room, "m.room.pinned_events") == {"pinned": [notice]}
    assert (await refused(member.say(room, "書いてみます"))).errcode == "M_FORBIDDEN"
    await refused(member.set_state(room, "m.room.pinned_events", {"pinned": []}))
    reaction = await member.react(room, notice, "👍️")
    await head.event(room, lambda event: event["event_id"] == reaction)
    await refused(head.set_state(room, "m.room.name", {"name": "課長の部屋"}))
    await refused(head.invite(room, member.user_id))

    await ask(city.clerk, office, f"!division head koho {head.user_id} --end", "is head of 広報課 no more")
    await refused(head.say(room, "まだ書けますか"))
    await city.idle()
    assert (await head.state_content(room, "m.room.pinned_events")) == {"pinned": [notice]}


@SERVERS
async def test_whoever_is_removed_is_out_of_every_room_and_returns_only_by_readmission(
    city: City, person: Person, server: str
) -> None:
    member = await person("leaver", on=getattr(city, server))
    await city.admit(member)
    rooms = await enter(city, member, "cityhall-annai", "cityhall-kikaku", "ka-zaisei", "ka-zaisei-soudan")
    rooms += await enter(city, member, "kenjinkai-13", "kenjinkai-13-danwa")
    hall, office = await city.room("cityhall"), await city.room("cityhall-jimukyoku")

    command = f"!member remove {member.user_id} --yes"
    said = await ask(city.clerk, office, command, f"{member.user_id} is no member any more.")
    assert f"{member.user_id} is in no room of the members." in body(said)
    for localpart, room_id in (await city.gated_rooms()).items():
        assert await city.membership(room_id, member.user_id) in (None, "leave"), localpart

    async def out() -> bool | None:
        return None if {hall, *rooms} & await member.joined_rooms() else True

    await eventually(out, member, what="their own server saying that they are out of every room")
    for localpart in ("cityhall", "cityhall-annai", "ka-zaisei", "ka-zaisei-soudan", "kenjinkai-13-danwa"):
        await refused(member.join(city.alias(localpart), via=city.via))
    await refused(member.say(rooms[3], "まだいますか"))

    await ask(city.clerk, office, f"!member admit {member.user_id}", f"{member.user_id} is a member now.")
    await city.accept(member, "cityhall")
    assert await enter(city, member, "ka-zaisei-soudan") == [rooms[3]]


async def test_a_member_who_leaves_the_hall_by_themselves_is_left_in_peace(city: City, person: Person) -> None:
    member = await person("goes")
    await city.admit(member)
    hall, office = await city.room("cityhall"), await city.room("cityhall-jimukyoku")
    await member.leave(hall)

    async def noted() -> bool | None:
        answer = await ask(city.clerk, office, f"!member show {member.user_id}", member.user_id)
        return True if "outside (left, or taken out" in body(answer) else None

    await eventually(noted, city.clerk, what="that they left")
    assert await city.membership(hall, member.user_id) == "leave"
