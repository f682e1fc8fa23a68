"""Direct chats with the bot on a homeserver in memory: taken up, declined, led out of, left."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.catalogue.schema import Access
from oshiyakusho_matrix.homeserver.interface import Forbidden, NewRoom, StateEvent
from tests.divisions.little_town import write_town
from tests.support.fake_city import FakeCity, fake_city, someone

HANAKO = someone("hanako")
DIRECT = {"membership": "invite", "is_direct": True}
ENCRYPTED = StateEvent("m.room.encryption", "", {"algorithm": "m.megolm.v1.aes-sha2"})


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running


async def chat(city: FakeCity, user: UserId, *state: StateEvent) -> RoomId:
    """Have somebody open a direct chat with the bot."""
    room_id = await city.hs.create_room_as(user, NewRoom("12", state=state))
    await city.hs.send_state_as(user, room_id, "m.room.member", city.hs.bot, DIRECT)
    await city.settle()
    return room_id


def own_chats(city: FakeCity, user: UserId = HANAKO) -> list[RoomId]:
    """Return the chats that the bot has made with somebody."""
    made = [room_id for a, room_id in city.hs.world.aliases.items() if "-chat-" in a]
    return [room_id for room_id in made if ("m.room.member", user) in city.hs.room(room_id).state]


async def test_a_direct_chat_is_taken_up_and_commands_need_no_prefix(city: FakeCity) -> None:
    stranger = someone("yosomono")
    assert own_chats(city, stranger) == []
    room = await chat(city, stranger)
    assert "ヘルプ" in city.heard(room)
    assert "language" in await city.ask("help language", sender=stranger, room=room)
    assert own_chats(city, stranger) == []
    hanako = await city.member("hanako")
    assert "juumin" in await city.ask("課　一覧", sender=hanako, room=await chat(city, hanako))


async def test_the_greeting_is_in_the_language_that_somebody_chose_before(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await city.say(hanako, "language en", room=await chat(city, hanako))
    assert "Hello" in city.heard(await chat(city, hanako))


async def test_a_stranger_gets_help_for_strangers_only(city: FakeCity) -> None:
    room = await chat(city, someone("yosomono"))
    answer = await city.ask("help", sender=someone("yosomono"), room=room)
    assert "会員 承認" not in answer
    assert "課 一覧" not in answer
    refused = await city.ask("課 一覧", sender=someone("yosomono"), room=room)
    assert "juumin" not in refused
    assert "会員だけ" in refused
    assert "#cityhall-genkan:city.example" in refused


async def test_an_invite_into_a_room_of_other_people_is_declined(city: FakeCity) -> None:
    room_id = await city.hs.create_room_as(someone("yosomono"), NewRoom("12"))
    await city.hs.invite_as(someone("yosomono"), room_id, city.hs.bot)
    await city.settle()
    assert city.hs.room(room_id).membership(city.hs.bot) == "leave"
    assert city.said(room_id) == []


async def test_an_encrypted_chat_gets_one_plain_notice_that_leads_to_a_chat_that_is_not(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = await chat(city, hanako, ENCRYPTED)
    (own,) = own_chats(city)
    address = next(a for a, room_id in city.hs.world.aliases.items() if room_id == own)
    assert len(city.said(room)) == 1
    assert address in city.heard(room)
    assert city.hs.room(own).membership(hanako) == "invite"
    assert city.hs.room(own).content("m.room.encryption") is None
    await city.hs.join_as(hanako, own)
    assert "juumin" in await city.ask("課 一覧", sender=hanako, room=own)
    await city.say(hanako, "聞こえますか", room=room)
    assert len(city.said(room)) == 1


async def test_encryption_that_is_turned_on_later_leads_on_as_well(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = await chat(city, hanako)
    await city.hs.send_state_as(hanako, room, ENCRYPTED.type, "", ENCRYPTED.content)
    await city.settle()
    assert len(own_chats(city)) == 1
    assert "暗号化されている" in city.heard(room)


async def test_a_second_encrypted_chat_leads_to_the_same_chat(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await chat(city, hanako, ENCRYPTED)
    room = await chat(city, hanako, ENCRYPTED)
    assert len(own_chats(city)) == 1
    assert "暗号化されている" in city.heard(room)


async def test_a_homeserver_that_loses_answers_gets_no_second_chat(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    for call in ("create_room", "join", "invite"):
        city.hs.fail_next(call, Temporary("the answer was lost"), after=True)
    room = await chat(city, hanako, ENCRYPTED)
    assert len(own_chats(city)) == 1
    assert len(city.said(room)) == 1


async def test_a_chat_that_its_person_left_is_left(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room = await chat(city, hanako)
    await city.hs.leave_as(hanako, room)
    await city.settle()
    assert city.hs.room(room).membership(city.hs.bot) == "leave"
    again = await chat(city, hanako)
    assert city.hs.room(again).membership(city.hs.bot) == "join"


async def test_who_left_the_chat_that_the_bot_made_gets_a_new_one(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    await chat(city, hanako, ENCRYPTED)
    (first,) = own_chats(city)
    await city.hs.join_as(hanako, first)
    await city.hs.leave_as(hanako, first)
    await city.settle()
    assert city.hs.room(first).membership(city.hs.bot) == "leave"
    await chat(city, hanako, ENCRYPTED)
    (second,) = set(own_chats(city)) - {first}
    assert city.hs.room(second).membership(hanako) == "invite"
    assert await city.parked() == []


async def test_who_left_the_chat_that_the_bot_made_and_writes_on_in_the_encrypted_one_is_led_on_again(
    city: FakeCity,
) -> None:
    hanako = await city.member("hanako")
    sealed = await chat(city, hanako, ENCRYPTED)
    (first,) = own_chats(city)
    await city.hs.join_as(hanako, first)
    # While there is somewhere to go, what cannot be read is left alone.
    await city.hs.send_as(hanako, sealed, "m.room.encrypted", {"ciphertext": "…"})
    await city.settle()
    assert (len(own_chats(city)), len(city.said(sealed))) == (1, 1)
    await city.hs.leave_as(hanako, first)
    await city.settle()
    await city.hs.send_as(hanako, sealed, "m.room.encrypted", {"ciphertext": "…"})
    await city.settle()
    (second,) = set(own_chats(city)) - {first}
    address = next(a for a, room_id in city.hs.world.aliases.items() if room_id == second)
    assert city.hs.room(second).membership(hanako) == "invite"
    assert address in city.said(sealed)[-1]["content"]["body"]
    await city.hs.join_as(hanako, second)
    assert "juumin" in await city.ask("課　一覧", sender=hanako, room=second)
    assert len(city.said(sealed)) == 2
    assert await city.parked() == []


async def test_only_the_person_of_an_encrypted_chat_has_it_led_on_again(city: FakeCity) -> None:
    hanako, taro = await city.member("hanako"), await city.member("taro")
    sealed = await chat(city, hanako, ENCRYPTED)
    (first,) = own_chats(city)
    await city.hs.leave_as(hanako, first)
    await city.hs.invite_as(hanako, sealed, taro)
    await city.hs.join_as(taro, sealed)
    await city.hs.send_as(taro, sealed, "m.room.encrypted", {"ciphertext": "…"})
    await city.settle()
    assert own_chats(city) == [first]


async def test_a_chat_is_of_the_version_that_rooms_have_unless_said(city: FakeCity) -> None:
    await chat(city, await city.member("hanako"), ENCRYPTED)
    (own,) = own_chats(city)
    assert (city.hs.room(own).content("m.room.create") or {})["room_version"] == Access().room_version


async def test_an_invite_that_was_withdrawn_meanwhile_is_forgotten(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    room_id = city.hs.world.create(NewRoom("12"), hanako)
    city.hs.world.send(city.hs.room(room_id), hanako, "m.room.member", DIRECT, city.hs.bot)
    await city.hs.kick_as(hanako, room_id, city.hs.bot)
    await city.settle()
    assert city.hs.room(room_id).membership(city.hs.bot) == "leave"
    assert await city.parked() == []


async def test_a_join_that_is_refused_at_first_as_over_federation_is_tried_again(city: FakeCity) -> None:
    city.hs.fail_next("join", Forbidden("the invite has not arrived yet"))
    room = await chat(city, someone("toku", "elsewhere.example"))
    assert "ヘルプ" in city.heard(room)
