"""A talk on real homeservers: announced, begun by hand, and over; who may write in the studio meanwhile."""

import pytest

from oshiyakusho_matrix.divisions.desired import SPEAKER_POWER
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.talk import ask, body, enter, refused
from tests.e2e.waiting import eventually
from tests.support.users import Event, MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

STUDIO, SEATS, NEWS = "cityhall-housou-studio", "cityhall-housou-kanran", "cityhall-dayori"


async def test_only_those_whose_talk_is_on_write_in_the_studio_and_everybody_reacts(city: City, person: Person) -> None:
    host, listener = await person("host", on=city.neighbour), await person("listener")
    await city.admit(host, listener)
    studio, seats, news = await enter(city, listener, STUDIO, SEATS, NEWS)
    await enter(city, host, STUDIO)
    await enter(city, city.secretary, STUDIO)
    office = await city.room("cityhall-jimukyoku")

    planned = await ask(
        city.secretary, office, f"!放送 企画 やめる勇気 明日20時 --司会 {host.user_id} --はい", "告知済み"
    )
    number = body(planned).partition("第")[2].partition("回")[0]
    announced = await listener.message(news, "やめる勇気")
    assert "20:00〜21:00" in body(announced)
    await listener.event(news, lambda e: reacts(e, announced["event_id"], "✋"), what="a hand to tap on")
    await listener.react(news, announced["event_id"], "✋")
    for somebody in (host, listener, city.secretary):
        await forbidden(somebody, studio)

    await ask(city.secretary, office, f"!放送 開始 {number}", "放送中")
    # The answer comes when it is so.
    assert await speakers(city.secretary, studio) == {host.user_id}
    await listener.message(seats, "始まりました")
    await eventually(lambda: has_the_word(host, studio), host, what="the word, on the other server")
    said = await host.say(studio, "こんばんは")
    for somebody in (listener, city.secretary):
        await forbidden(somebody, studio)
    await listener.event(studio, lambda e: bool(e["event_id"] == said), what="what the host says")
    await listener.react(studio, said, "👏")
    await listener.say(seats, "よく聞こえます")
    await asks_and_is_answered(city, host, listener, seats, number)
    await city.idle()
    assert "1人" in body(await ask(city.secretary, office, f"!放送 詳細 {number}", "第"))

    await ask(city.secretary, office, f"!放送 終了 {number}", "終了")
    assert await speakers(city.secretary, studio) == set()
    await listener.message(seats, "終了しました")
    await eventually(lambda: has_no_word(host, studio), host, what="the end, on the other server")
    await forbidden(host, studio)


async def asks_and_is_answered(city: City, host: MatrixUser, listener: MatrixUser, seats: str, number: str) -> None:
    """Have a question asked, voted for from both servers, and marked as answered by the host on the other one."""
    await enter(city, host, SEATS)
    asked = await listener.say(seats, "質問: 最初の一歩は何でしたか")
    card = await listener.message(seats, "質問1")
    assert card["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == asked
    await listener.event(seats, lambda e: reacts(e, card["event_id"], "👍"), what="a thumb to tap on")
    await host.event(seats, lambda e: bool(e["event_id"] == card["event_id"]), what="the question, on the other server")
    for event_id in (card["event_id"], asked):
        await listener.react(seats, event_id, "👍")
    await host.react(seats, card["event_id"], "👍️")
    await host.react(seats, card["event_id"], "✅")
    edited = await listener.message(seats, "回答済み")
    assert edited["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": card["event_id"]}
    office = await city.room("cityhall-jimukyoku")
    listed = body(await ask(city.secretary, office, f"!質疑 一覧 {number}", "質問"))
    assert "👍2 回答済み: 最初の一歩は何でしたか" in listed


def reacts(event: Event, event_id: str, key: str) -> bool:
    """Tell whether an event is a reaction."""
    relation = event["content"].get("m.relates_to", {})
    return (event["type"], relation.get("event_id"), relation.get("key")) == ("m.reaction", event_id, key)


async def has_the_word(somebody: MatrixUser, studio: str) -> bool | None:
    """Return True once somebody's own server lets them write."""
    return somebody.user_id in await speakers(somebody, studio) or None


async def has_no_word(somebody: MatrixUser, studio: str) -> bool | None:
    """Return True once it does no more."""
    return somebody.user_id not in await speakers(somebody, studio) or None


async def speakers(somebody: MatrixUser, studio: str) -> set[str]:
    """Return who may write in the studio besides the bot, as somebody's own server sees it."""
    levels = await somebody.state_content(studio, "m.room.power_levels")
    return {user for user, power in levels["users"].items() if power == SPEAKER_POWER}


async def forbidden(somebody: MatrixUser, room_id: str) -> None:
    """Expect that somebody who is inside cannot write."""
    await refused(somebody.say(room_id, "わたしも"))


async def test_a_guest_of_another_server_enters_the_backstage_and_nothing_else(city: City, person: Person) -> None:
    host, guest = await person("host"), await person("guest", on=city.neighbour)
    await city.admit(host)
    office = await city.room("cityhall-jimukyoku")
    planned = await ask(
        city.secretary, office, f"!放送 企画 控室のある話 明後日20時 --司会 {host.user_id} --はい", "告知済み"
    )
    number = body(planned).partition("第")[2].partition("回")[0]
    await city.idle()
    backstage = await city.room(f"cityhall-talk-{number}")
    await host.invited_to(backstage)
    await host.join(backstage, via=city.via)

    await ask(city.secretary, office, f"!ゲスト 招待 {number} {guest.user_id} 試験花子", "ゲストにしました")
    await guest.invited_to(backstage)
    await guest.join(backstage, via=city.via)
    said = await guest.say(backstage, "よろしくお願いします")
    await host.event(backstage, lambda e: bool(e["event_id"] == said), what="what the guest says")
    for gated in (STUDIO, SEATS, NEWS):
        await refused(guest.join(city.alias(gated), via=city.via))
    await refused(guest.invite(backstage, city.secretary.user_id))

    await ask(city.secretary, office, f"!ゲスト 取消 {number} {guest.user_id}", "ではなくなりました")
    assert await host.membership(backstage, guest.user_id) == "leave"
    await ask(city.secretary, office, f"!放送 中止 {number} --はい 試験のため", "中止")
    await host.message(backstage, "閉じます")
