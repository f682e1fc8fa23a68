"""From the admission to the first division, by link, word and reaction, for members of either server."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.registration.welcome.service import welcome_key
from oshiyakusho_matrix.registration.welcome.tables import find_welcome, welcome
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.talk import answers_to, ask, body, is_japanese
from tests.e2e.waiting import eventually
from tests.support.users import Event, MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])
INVITED = "招待をお送りしました"


async def welcomed(city: City, member: MatrixUser) -> tuple[str, Event]:
    """Admit somebody who comes in and joins the chat that they are invited to; return it and the greeting."""
    await city.admit(member)

    async def chat_of() -> str | None:
        async with city.app.store.reading() as connection:
            one = await find_welcome(connection, member.user_id)
        return one.room_id if one else None

    chat = await eventually(chat_of, member, what="a chat with whoever has come in")
    await member.invited_to(chat)
    await member.join(chat, via=city.via)
    greeting = await member.event(chat, lambda e: "jp.oshiyakusho.welcome" in e["content"], what="the greeting")
    return chat, greeting


@SERVERS
async def test_from_the_admission_to_the_first_division_by_tap_word_and_reaction(
    city: City, person: Person, server: str
) -> None:
    member = await person("newcomer", on=getattr(city, server))
    chat, greeting = await welcomed(city, member)
    assert is_japanese(body(greeting))
    offered = [line for line in body(greeting).splitlines() if "matrix.to" in line]
    assert [line[0] for line in offered] == ["1", "2", "3"]
    # By tap: a link that any client opens joins at once.
    first = offered[0].rpartition("#")[2].partition(":")[0]
    await member.join(city.alias(first), via=city.via)
    # By word.
    second = offered[1].rpartition("#")[2].partition(":")[0]
    assert INVITED in body(await ask(member, chat, "２"))
    await city.accept(member, second)
    assert "もう参加されています" in body(await ask(member, chat, offered[1].partition("[")[2].partition("]")[0]))
    # By reaction, with the bot's own signs to tap on.
    await member.until(
        lambda: _signs(city, member, chat, greeting["event_id"]) == ["1️⃣", "2️⃣", "3️⃣"] or None,
        what="three numbers under the greeting",
    )
    third = offered[2].rpartition("#")[2].partition(":")[0]
    await member.react(chat, greeting["event_id"], "3️⃣")
    await member.until(
        lambda: any(INVITED in body(e) for e in answers_to(member, chat, greeting["event_id"])) or None,
        what="an answer to the reaction",
    )
    await city.accept(member, third)
    await later(city, member.user_id)
    assert "いないようです" not in said(city, member, chat)


@SERVERS
async def test_who_joins_nothing_is_reminded_once(city: City, person: Person, server: str) -> None:
    member = await person("waiting", on=getattr(city, server))
    chat, greeting = await welcomed(city, member)
    for _ in range(2):
        await later(city, member.user_id)
    await member.message(chat, "いないようです")
    assert said(city, member, chat).count("いないようです") == 1
    assert len([e for e in member.timeline[chat] if "jp.oshiyakusho.welcome" in e["content"]]) == 1
    assert greeting["content"]["m.mentions"] == {"user_ids": [member.user_id]}


async def later(city: City, user_id: UserId) -> None:
    """Have two days pass for one member: the city is shared, and its clock stays."""
    async with city.app.store.transaction() as tx:
        past = now() - timedelta(hours=49)
        await tx.connection.execute(update(welcome).where(welcome.c.user_id == user_id).values(greeted_at=past))
        await city.app.queue.ask(tx, welcome_key(user_id))
    await city.idle()


def said(city: City, member: MatrixUser, chat: str) -> str:
    """Return all that the bot has said in a chat."""
    events = member.timeline[chat]
    return "\n".join(body(e) for e in events if e["sender"] == city.bot and e["type"] == "m.room.message")


def _signs(city: City, member: MatrixUser, chat: str, target: str) -> list[str]:
    relations = [
        e["content"]["m.relates_to"]
        for e in member.timeline[chat]
        if (e["type"], e["sender"]) == ("m.reaction", city.bot)
    ]
    return [relation["key"] for relation in relations if relation["event_id"] == target]
