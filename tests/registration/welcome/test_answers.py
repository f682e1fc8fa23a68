"""A tap, a number or a name leads into a division; two days later whoever is in none is reminded, once."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.registration.welcome.domain import State
from tests.registration.welcome.conftest import Founded
from tests.registration.welcome.town import (
    HANAKO,
    admitted,
    entered,
    greetings,
    inside,
    open_chat,
    own_chats,
    signs,
    tap,
    welcome_of,
)
from tests.support.fake_city import HALL, OFFICE, SECRETARY, SERVER, FakeCity, alias, fake_city, someone

REMINDER = "まだどの課にも入っていないようです"


async def two_days_pass(city: FakeCity) -> None:
    """Have the time come at which whoever was greeted just now is reminded."""
    with time_machine.travel(now() + timedelta(hours=48, seconds=5)):
        city.app.loop.wake()
        await city.app.loop.idle()
        await city.settle()


def reminders(city: FakeCity, chat: RoomId) -> int:
    return city.heard(chat).count(REMINDER)


# --- a tap, a word


async def test_a_word_has_the_bot_invite_and_say_what_is_left_to_do(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    for number, words, slug in ((0, "２", "dx"), (1, "「ＫＯＨＯの課」", "koho"), (2, "Residents Division", "juumin")):
        answer = await city.ask(words, sender=HANAKO, room=chat)
        assert "承諾すると、入れます" in answer, number
        assert (inside(city, f"ka-{slug}"), inside(city, f"ka-{slug}-danwa")) == ("invite", "leave"), number
    assert "**住民課**" in answer
    await city.hs.join_as(HANAKO, alias("ka-dx"))
    assert "もう参加されています" in await city.ask("2", sender=HANAKO, room=chat)


async def test_who_is_removed_just_before_the_invitation_is_not_left_invited(
    city: FakeCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = await entered(city, await admitted(city))
    invite = city.hs.invite

    async def too_late(room_id: RoomId, user_id: UserId) -> None:
        monkeypatch.undo()
        async with city.app.store.transaction() as tx:
            await city.app.roster.remove(tx, HANAKO, by=SECRETARY)
        await city.app.loop.settle_all(timedelta(seconds=20), kinds=["member"])
        assert inside(city, "cityhall") == "leave"
        await invite(room_id, user_id)

    monkeypatch.setattr(city.hs, "invite", too_late)
    answer = await city.ask("koho", sender=HANAKO, room=chat)
    assert inside(city, "ka-koho") == "leave"
    assert "招待をお送りしました" not in answer


async def test_a_reaction_does_the_same_with_and_without_variation_selector(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    assert "招待をお送りしました" in await tap(city, chat, "1️⃣")
    assert "招待をお送りしました" in await tap(city, chat, "2\u20e3")
    assert (inside(city, "ka-zaisei"), inside(city, "ka-dx")) == ("invite", "invite")
    assert await tap(city, chat, "4️⃣") == ""  # nothing is offered under it
    assert await tap(city, chat, "👍") == ""


async def test_greeting_reaction_word_and_reminder_on_postgresql(city_on_postgresql: FakeCity) -> None:
    city = city_on_postgresql
    chat = await entered(city, await admitted(city, prefecture="13"))
    assert len(greetings(city, chat)) == 1
    assert "招待をお送りしました" in await tap(city, chat, "1️⃣")
    assert "招待をお送りしました" in await city.ask("dxの課", sender=HANAKO, room=chat)
    assert (inside(city, "kenjinkai-13"), inside(city, "ka-dx")) == ("invite", "invite")
    await two_days_pass(city)
    assert reminders(city, chat) == 1


async def test_nobody_else_answers_a_greeting(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    taro = await city.member("taro")
    await city.hs.send_state_as(city.hs.bot, chat, "m.room.member", taro, {"membership": "invite"}, by_force=True)
    await city.hs.join_as(taro, chat)
    assert await tap(city, chat, "1️⃣", user=taro) == ""
    assert (inside(city, "ka-zaisei"), inside(city, "ka-zaisei", taro)) == ("leave", "leave")


async def test_words_that_name_nothing_are_not_understood_as_before(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    for words in ("7", "課の名前", "おはようございます"):
        assert "わかりません" in await city.ask(words, sender=HANAKO, room=chat), words
    stranger = someone("yosomono")
    answer = await city.ask("みんなの財政課", sender=stranger, room=await open_chat(city, stranger))
    assert "会員だけ" in answer
    assert inside(city, "ka-zaisei", stranger) == "leave"


async def test_who_takes_no_invitation_is_told_of_the_link(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    city.hs.fail_next("invite", Forbidden("M_INVITE_BLOCKED"))
    answer = await city.ask("1", sender=HANAKO, room=chat)
    assert "招待をお送りできませんでした" in answer
    assert f"#ka-zaisei:{SERVER}" in answer
    assert await city.parked() == []


async def test_a_division_that_was_closed_is_offered_no_more(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    await city.ask("!division archive zaisei --yes")
    assert await tap(city, chat, "1️⃣") == ""
    assert "招待をお送りしました" in await tap(city, chat, "2️⃣")
    assert inside(city, "ka-dx") == "invite"  # the numbers stay what they were


# --- the reminder


async def test_who_joined_nothing_is_reminded_once(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    with time_machine.travel(now() + timedelta(hours=47)):
        city.app.loop.wake()
        await city.settle()
        assert reminders(city, chat) == 0
    await two_days_pass(city)
    last = city.said(chat)[-1]["content"]
    assert REMINDER in last["body"]
    assert (last["msgtype"], last["m.mentions"]) == ("m.text", {"user_ids": [HANAKO]})
    await two_days_pass(city)
    assert reminders(city, chat) == 1
    # What was offered can still be entered.
    assert "招待をお送りしました" in await tap(city, chat, "1️⃣")


async def test_nobody_else_is_reminded(city: FakeCity) -> None:
    people = {name: someone(name) for name in ("joined", "stopped", "left", "removed", "quiet")}
    chats = {name: await entered(city, await admitted(city, user)) for name, user in people.items()}
    # None of those suggested, and a room without its space.
    await city.hs.join_as(people["joined"], alias("ka-juumin-danwa"))
    assert "承知しました" in await city.ask("不要", sender=people["stopped"], room=chats["stopped"])
    await city.hs.leave_as(people["left"], HALL)
    await city.ask(f"!member remove {people['removed']} --yes")
    await city.hs.leave_as(people["quiet"], chats["quiet"])
    await city.settle()
    assert await welcome_of(city, people["left"]) is None  # also for who comes back
    said = {name: len(city.said(room)) for name, room in (chats | {"office": OFFICE}).items()}
    await two_days_pass(city)
    assert {name: len(city.said(room)) for name, room in (chats | {"office": OFFICE}).items()} == said
    states = {name: one and one.state for name, user in people.items() for one in [await welcome_of(city, user)]}
    assert states == {"joined": State.OVER, "stopped": State.OVER, "left": None, "removed": None, "quiet": State.OVER}
    # Who wants no reminder may still take up the offer; who is outside is told so, and let in nowhere.
    assert "招待をお送りしました" in await tap(city, chats["stopped"], "1️⃣", user=people["stopped"])
    assert await tap(city, chats["left"], "1️⃣", user=people["left"]) == ""
    assert "市役所の外" in await city.ask("みんなの財政課", sender=people["left"], room=chats["left"])
    assert await tap(city, chats["removed"], "1️⃣", user=people["removed"]) == ""
    for name in ("left", "removed"):
        assert inside(city, "ka-zaisei", people[name]) == "leave"


async def test_where_the_homeserver_does_not_tell_each_room_is_looked_at(city: FakeCity) -> None:
    people = [await admitted(city), await admitted(city, someone("taro"))]
    chats = [await entered(city, user) for user in people]
    await city.hs.join_as(HANAKO, alias("ka-juumin-danwa"))
    city.hs.fail_next("rooms_shared_with", Temporary("not every homeserver can tell"), times=2)
    await two_days_pass(city)
    assert [reminders(city, chat) for chat in chats] == [0, 1]


# --- cut off anywhere


async def test_each_step_is_taken_by_another_start(founded: Founded, tmp_path: Path) -> None:
    rooms, (database_url, hs) = founded.rooms, founded.again(tmp_path)
    async with fake_city(database_url, rooms, hs=hs) as city:
        await admitted(city, prefecture="01")
    await hs.join_as(HANAKO, HALL)
    async with fake_city(database_url, rooms, hs=hs) as city:
        (chat,) = own_chats(city)
        assert greetings(city, chat) == []
    await hs.join_as(HANAKO, chat)
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert len(greetings(city, chat)) == 1
        assert signs(city, chat) == ["1️⃣", "2️⃣", "3️⃣", "4️⃣"]
    greeting = greetings(city, chat)[0]["event_id"]
    relation = {"rel_type": "m.annotation", "event_id": greeting, "key": "1️⃣"}
    await hs.send_as(HANAKO, chat, "m.reaction", {"m.relates_to": relation})
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert city.heard(chat).count("招待をお送りしました") == 1
        assert inside(city, "kenjinkai-01") == "invite"
    with time_machine.travel(now() + timedelta(hours=49)):
        for _ in range(2):
            async with fake_city(database_url, rooms, hs=hs) as city:
                assert reminders(city, chat) == 1
    assert (len(greetings(city, chat)), len(signs(city, chat))) == (1, 4)


@pytest.mark.parametrize("after", [False, True])
async def test_a_homeserver_that_fails_or_loses_answers_changes_nothing(city: FakeCity, after: bool) -> None:
    await admitted(city)
    for call in ("create_room", "invite", "send_event"):
        city.hs.fail_next(call, Temporary("the answer was lost"), after=after)
    chat = await entered(city)
    assert own_chats(city) == [chat]
    assert len(greetings(city, chat)) == 1
    assert signs(city, chat) == ["1️⃣", "2️⃣", "3️⃣"]
    city.hs.fail_next("invite", Temporary("the answer was lost"), after=after)
    assert (await tap(city, chat, "2️⃣")).count("招待をお送りしました") == 1
