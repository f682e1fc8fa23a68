"""Direct chats with the bot: no prefix needed; out of encrypted ones it leads; other people's rooms it declines."""

import pytest

from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.talk import ask, body, is_japanese
from tests.e2e.waiting import eventually
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])


@SERVERS
async def test_no_prefix_is_needed_in_a_direct_chat(city: City, person: Person, server: str) -> None:
    member = await person("talks", on=getattr(city, server))
    await city.admit(member)
    chat = await member.direct_chat(city.bot)
    greeting = await from_the_bot(city, member, chat)
    assert is_japanese(greeting)
    assert "広報課" in body(await ask(member, chat, "課　一覧"))
    await ask(member, chat, "language en", "From now on I speak English with you.")
    assert "Public Relations Division" in body(await ask(member, chat, "division list"))
    assert "I did not understand that" in body(await ask(member, chat, "good morning"))


@SERVERS
async def test_an_encrypted_chat_gets_one_plain_notice_that_leads_to_another(
    city: City, person: Person, server: str
) -> None:
    member = await person("sealed", on=getattr(city, server))
    await city.admit(member)
    sealed = await member.direct_chat(city.bot, encrypted=True)
    notice = await from_the_bot(city, member, sealed)
    assert is_japanese(notice)
    alias = notice[notice.index("#") :].split()[0].rstrip(")").split("(")[0].rstrip("]")
    assert alias.endswith(city.hub.server_name)

    other = await city.room(alias[1:].partition(":")[0])
    await member.invited_to(other)
    await member.join(alias, via=city.via)
    assert not [event for event in await member.state(other) if event["type"] == "m.room.encryption"]
    assert "広報課" in body(await ask(member, other, "課 一覧"))
    said = [e for e in member.timeline[sealed] if e["sender"] == city.bot and e["type"] != "m.room.member"]
    assert [e["type"] for e in said] == ["m.room.message"]
    assert said[0]["content"]["msgtype"] == "m.notice"


async def test_a_second_encrypted_chat_leads_to_the_same_place(city: City, person: Person) -> None:
    member = await person("again")
    await city.admit(member)
    first = await from_the_bot(city, member, await member.direct_chat(city.bot, encrypted=True))
    second = await from_the_bot(city, member, await member.direct_chat(city.bot, encrypted=True))
    assert first == second


@SERVERS
async def test_a_stranger_gets_help_for_strangers_only(city: City, person: Person, server: str) -> None:
    stranger = await person("unknown", on=getattr(city, server))
    chat = await stranger.direct_chat(city.bot)
    await from_the_bot(city, stranger, chat)
    await ask(stranger, chat, "language en", "From now on I speak English with you.")
    helped = body(await ask(stranger, chat, "help"))
    assert "!language" in helped
    for hidden in ("division", "member", "rooms", "audit", "status", "課"):
        assert hidden not in helped
    invented = body(await ask(stranger, chat, "!fantasy list"))
    existing = body(await ask(stranger, chat, "!division list"))
    assert existing == invented == body(await ask(stranger, chat, "division list"))
    assert "only members of the city hall" in existing
    assert f"{city.site}/en/register" in existing
    assert "広報課" not in existing
    assert "Only" not in body(await ask(stranger, chat, f"!member admit {stranger.user_id}"))
    assert await city.membership(await city.room("cityhall"), stranger.user_id) is None


@SERVERS
async def test_who_left_the_chat_and_writes_on_in_the_encrypted_one_is_led_to_another(
    city: City, person: Person, server: str
) -> None:
    member = await person("returns", on=getattr(city, server))
    await city.admit(member)
    sealed = await member.direct_chat(city.bot, encrypted=True)
    first = alias_in(city, await from_the_bot(city, member, sealed))
    await member.invited_to(await city.room(first))
    left = await member.join(city.alias(first), via=city.via)
    await member.leave(left)

    async def bot_left() -> bool | None:
        return await city.membership(left, city.bot) == "leave" or None

    # Before that, it cannot know: their own server has to tell ours.
    await eventually(bot_left, member, what="the bot leaving the chat that its person left")
    await member.send(sealed, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "…"})
    again = await member.event(
        sealed,
        lambda e: e["sender"] == city.bot and e["type"] == "m.room.message" and alias_in(city, body(e)) != first,
        what="another address",
    )
    second = await city.room(alias_in(city, body(again)))
    await member.invited_to(second)
    await member.join(city.alias(alias_in(city, body(again))), via=city.via)
    assert "広報課" in body(await ask(member, second, "課 一覧"))


async def test_an_invite_into_somebodys_room_is_declined(city: City, person: Person) -> None:
    member = await person("collects")
    await city.admit(member)
    room = await member.create_room(name="みんなの部屋", preset="private_chat", invite=[city.bot])

    async def declined() -> bool | None:
        return await member.membership(room, city.bot) == "leave" or None

    await eventually(declined, member, what="the bot declining")


async def test_a_chat_that_becomes_encrypted_is_led_out_of(city: City, person: Person) -> None:
    member = await person("seals")
    await city.admit(member)
    chat = await member.direct_chat(city.bot)
    await from_the_bot(city, member, chat)
    await member.set_state(chat, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    await member.message(chat, city.alias("cityhall-chat-")[:15])


def alias_in(city: City, notice: str) -> str:
    """Return the local part of the address in a notice."""
    start = notice.index("#") + 1
    return notice[start : notice.index(f":{city.hub.server_name}", start)]


async def from_the_bot(city: City, person: MatrixUser, room_id: str) -> str:
    """Wait for the first thing that the bot says in a room."""
    event = await person.event(
        room_id, lambda e: e["sender"] == city.bot and e["type"] == "m.room.message", what="a word of the bot"
    )
    return body(event)
