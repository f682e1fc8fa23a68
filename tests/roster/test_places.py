"""What depends on who is inside a room at this moment: what is said there, who commands, and who is in a new room."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.domain import Names
from oshiyakusho_matrix.homeserver.interface import NewRoom
from tests.divisions.little_town import write_town
from tests.support.fake_city import OFFICE, SECRETARY, FakeCity, alias, fake_city, someone

SEA = alias("ka-umi-danwa")


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    """The little town."""
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running


async def chat_of(city: FakeCity, person: UserId, *, direct: bool = True) -> RoomId:
    """Have somebody open a room and invite the bot into it."""
    room = await city.hs.create_room_as(person, NewRoom("12"))
    await invite(city, person, room, direct=direct)
    return room


async def invite(city: FakeCity, person: UserId, room: RoomId, *, direct: bool) -> None:
    content = {"membership": "invite"} | ({"is_direct": True} if direct else {})
    await city.hs.send_state_as(person, room, "m.room.member", city.hs.bot, content)
    await city.settle()


async def test_the_audit_is_told_in_a_chat_only_while_nobody_else_is_in_it(city: FakeCity) -> None:
    chat = await chat_of(city, SECRETARY)
    assert "member admit" not in await city.ask("!audit", room=chat)
    await city.member("hanako")
    assert "hanako" in await city.ask("!audit", room=chat)
    await city.hs.invite_as(SECRETARY, chat, someone("yosomono"))
    assert "hanako" not in await city.ask("!audit", room=chat)
    await city.hs.join_as(someone("yosomono"), chat)
    assert "事務局室" in await city.ask("!audit", room=chat)


async def test_a_chat_is_what_the_latest_invite_says(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    once_direct = await chat_of(city, hanako)
    await city.hs.kick_as(hanako, once_direct, city.hs.bot)
    await invite(city, hanako, once_direct, direct=False)
    assert city.hs.room(once_direct).membership(city.hs.bot) == "leave"
    now_direct = await chat_of(city, hanako, direct=False)
    assert city.hs.room(now_direct).membership(city.hs.bot) == "leave"
    await invite(city, hanako, now_direct, direct=True)
    assert city.hs.room(now_direct).membership(city.hs.bot) == "join"


async def test_while_the_bot_is_out_of_its_room_people_are_answered_as_members(city: FakeCity) -> None:
    chat = await chat_of(city, SECRETARY)
    out = {"membership": "leave"}
    await city.hs.send_state_as(someone("kanrisha"), OFFICE, "m.room.member", city.hs.bot, out, by_force=True)
    await city.hs.say_as(SECRETARY, chat, "!help")
    await city.hs.say_as(SECRETARY, chat, "!audit")
    await city.hs.deliver_pending()
    await city.app.inbox.idle()
    await city.app.sender.idle()
    assert "課 一覧" in city.heard(chat)
    assert "事務局だけです" in city.heard(chat)
    # What is to be said in its room waits until somebody has let it in again.
    await city.hs.send_state_as(SECRETARY, OFFICE, "m.room.member", city.hs.bot, {"membership": "join"}, by_force=True)
    await city.settle()
    assert "ボットが外された" in city.heard(OFFICE)


async def test_who_is_removed_while_a_room_is_made_is_not_left_in_it(city: FakeCity) -> None:
    """They come in by its address while the register does not know the room yet, and are sought in those it knows."""
    hanako = await city.member("hanako")
    create, created, may_go_on = city.hs.create_room, asyncio.Event(), asyncio.Event()
    kick, kicked = city.hs.kick, asyncio.Event()

    async def slowly(room: NewRoom) -> RoomId:
        made = await create(room)
        if SEA in city.hs.world.aliases:
            created.set()
            await may_go_on.wait()
        return made

    async def noted(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        ended = await kick(room_id, user_id, reason)
        kicked.set()
        return ended

    city.hs.create_room = slowly  # type: ignore[method-assign]
    city.hs.kick = noted  # type: ignore[method-assign]
    async with city.app.store.transaction() as tx:
        await city.app.hall.create(tx, slug="umi", group="zei", name=Names("海課", "Sea"), purpose=Names("海", "Sea"))
    async with asyncio.timeout(30):
        await created.wait()
    async with city.app.store.transaction() as tx:
        await city.app.roster.remove(tx, hanako, by=SECRETARY)
    await city.hs.join_as(hanako, SEA)
    await city.hs.deliver_pending()
    await city.app.inbox.idle()
    async with asyncio.timeout(30):
        await kicked.wait()
    may_go_on.set()
    await city.settle()
    assert city.hs.room(SEA).membership(hanako) == "leave"
    assert await city.parked() == []


async def test_others_who_leave_a_chat_do_not_end_it_and_its_person_does(city: FakeCity) -> None:
    hanako, other = await city.member("hanako"), someone("yosomono")
    chat = await chat_of(city, hanako)
    await city.hs.invite_as(hanako, chat, other)
    await city.hs.leave_as(other, chat)
    await city.settle()
    assert "課 一覧" in await city.ask("!help", sender=hanako, room=chat)
    await city.hs.leave_as(hanako, chat)
    await city.settle()
    assert city.hs.room(chat).membership(city.hs.bot) == "leave"


@pytest.mark.parametrize("command", ["!audit", "!status", f"!member show {SECRETARY}"])
async def test_what_names_people_is_told_only_to_who_asks(city: FakeCity, command: str) -> None:
    await city.hs.join_as(SECRETARY, alias("ka-zaisei-danwa"))
    await city.settle()
    assert "事務局室" in (answer := await city.ask(command, room=alias("ka-zaisei-danwa")))
    assert str(SECRETARY) not in answer
    assert await city.ask(command) != answer


@pytest.mark.parametrize("command", ["!member remove {user} --yes", "!member secretariat {user} --end"])
async def test_the_last_secretary_inside_stays_one_while_others_are_only_invited(city: FakeCity, command: str) -> None:
    hajime = await city.member("hajime")
    await city.ask(f"!member secretariat {hajime}")
    assert city.hs.room(OFFICE).membership(hajime) == "invite"
    assert "お待ちください" in await city.ask(command.format(user=SECRETARY))
    await city.hs.join_as(hajime, OFFICE)
    await city.settle()
    assert "お待ちください" not in await city.ask(command.format(user=SECRETARY))
    assert city.hs.room(OFFICE).membership(SECRETARY) == "leave"
