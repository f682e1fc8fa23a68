"""Who is let in or taken out while something else is going on, and what that gives them the right to."""

from datetime import timedelta

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.interface import NewRoom
from tests.divisions.little_town import write_town
from tests.divisions.small_hall import DIVISION
from tests.support.fake_city import HALL, OFFICE, SECRETARY, FakeCity, alias, someone

DANWA = alias("ka-zaisei-danwa")
DIRECT = {"membership": "invite", "is_direct": True}


async def test_who_is_appointed_commands_only_once_inside_the_room_of_the_secretariat(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.ask(f"!member secretariat {hanako}")
    assert city.hs.room(OFFICE).membership(hanako) == "invite"
    chat = await city.hs.create_room_as(hanako, NewRoom("12"))
    await city.hs.send_state_as(hanako, chat, "m.room.member", city.hs.bot, DIRECT)
    await city.settle()
    assert "事務局だけです" in await city.ask("!status", sender=hanako, room=chat)
    await city.hs.join_as(hanako, OFFICE)
    await city.settle()
    assert "部屋" in await city.ask("!status", sender=hanako, room=chat)


async def test_who_is_removed_is_out_of_the_hall_before_any_other_room(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.join_as(hanako, DANWA)
    await city.settle()
    kick, kicked = city.hs.kick, list[RoomId]()

    async def noted(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> None:
        # Else a restricted room would let them in again, behind our back.
        assert not kicked or city.hs.room(HALL).membership(hanako) == "leave"
        kicked.append(room_id)
        await kick(room_id, user_id, reason)

    city.hs.kick = noted  # type: ignore[method-assign]
    await city.ask(f"!member remove {hanako} --yes")
    assert kicked[0] == city.hs.room(HALL).room_id
    assert city.hs.room(DANWA).room_id in kicked
    assert await city.parked() == []


async def test_who_was_removed_by_the_secretariat_is_not_told_of_as_an_intruder(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.hs.join_as(hanako, DANWA)
    await city.settle()
    kick, broken = city.hs.kick, {city.hs.room(DANWA).room_id}

    async def breaks_once(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> None:
        if room_id in broken:
            broken.clear()
            raise Permanent("the room is broken")
        await kick(room_id, user_id, reason)

    city.hs.kick = breaks_once  # type: ignore[method-assign]
    await city.ask(f"!member remove {hanako} --yes")
    assert city.hs.room(DANWA).membership(hanako) == "join"
    await city.ask("!rooms apply --yes")
    assert city.hs.room(DANWA).membership(hanako) == "leave"
    assert "登録のないまま" not in city.heard()


async def test_who_is_removed_while_a_room_is_made_that_they_have_entered_is_taken_out_of_it(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    create = city.hs.create_room

    async def removed_meanwhile(room: NewRoom) -> RoomId:
        room_id = await create(room)
        if room.alias_localpart == "ka-shin-danwa":
            await city.hs.join_as(hanako, room_id)
            await city.app.inbox.idle()
            async with city.app.store.transaction() as tx:
                await city.app.roster.remove(tx, hanako, by=SECRETARY)
            await city.app.loop.settle_all(timedelta(seconds=60), kinds={"member"})
            assert city.hs.room(room_id).membership(hanako) == "join"
        return room_id

    city.hs.create_room = removed_meanwhile  # type: ignore[method-assign]
    shin = DIVISION.replace("zaisei", "shin").replace("財政課", "新しい課").replace("Finance", "New")
    write_town(city.rooms, {"divisions/shin.yaml": shin})
    await city.ask("!rooms apply --yes")
    assert city.room("ka-shin-danwa").membership(hanako) == "leave"
    assert city.room("cityhall").membership(hanako) == "leave"
    assert await city.parked() == []


async def test_who_is_admitted_while_they_are_being_taken_out_of_the_hall_is_invited_again(city: FakeCity) -> None:
    hanako, hall, kick = someone("hanako"), city.room("cityhall"), city.hs.kick

    async def admitted_meanwhile(
        room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None
    ) -> None:
        if room_id == hall.room_id:
            async with city.app.store.transaction() as tx:
                await city.app.roster.admit(tx, hanako, by=SECRETARY)
            await city.app.loop.settle_all(timedelta(seconds=60), kinds={"member"})
            assert hall.membership(hanako) == "join"
        await kick(room_id, user_id, reason)

    city.hs.kick = admitted_meanwhile  # type: ignore[method-assign]
    await city.hs.send_state_as(
        someone("kanrisha"), HALL, "m.room.member", hanako, {"membership": "join"}, by_force=True
    )
    await city.settle()
    assert [e["content"]["membership"] for e in hall.timeline if e.get("state_key") == hanako] == [
        "join",
        "leave",
        "invite",
    ]
