"""An edited message: until it has run something its new words are heard; then it is told that they are not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from sqlalchemy import select, update

from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import EventId, UserId
from oshiyakusho_matrix.divisions.tables import space
from oshiyakusho_matrix.homeserver.fake_room import Event
from tests.divisions.little_town import write_town
from tests.support.fake_city import HALL, OFFICE, SECRETARY, FakeCity, fake_city, someone

TYPO, RIGHT = "!divsion create koen 公園課 --group zei", "!division create koen 公園課 --group zei"
RAN_BEFORE = "編集しても変わりません"


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running


async def edit(city: FakeCity, of: EventId, body: str, *, sender: UserId = SECRETARY) -> EventId:
    """Have somebody edit a message, as clients do; what comes of it is not waited for."""
    new = {"msgtype": "m.text", "body": body, "m.mentions": {}}
    relation = {"rel_type": "m.replace", "event_id": of}
    content = {"msgtype": "m.text", "body": f"* {body}", "m.new_content": new, "m.relates_to": relation}
    return await city.hs.send_as(sender, OFFICE, "m.room.message", content)


async def edited(city: FakeCity, of: EventId, body: str, *, sender: UserId = SECRETARY) -> list[str]:
    """Have somebody edit a message; return all that has been answered to it by then."""
    await edit(city, of, body, sender=sender)
    await city.settle()
    return answers(city, of)


def answers(city: FakeCity, to: EventId) -> list[str]:
    return [e["content"]["body"] for e in city.said() if _is_answer(e, to)]


def _is_answer(event: Event, to: EventId) -> bool:
    return bool(event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == to)


async def divisions_called(city: FakeCity, slug: str) -> int:
    async with city.app.store.reading() as connection:
        return len((await connection.execute(select(space).where(space.c.slug == slug))).all())


async def test_a_typo_that_is_edited_runs_once_and_is_told_so_once(city: FakeCity) -> None:
    asked = await city.say(SECRETARY, TYPO)
    assert len(answers(city, asked)) == 1
    assert not city.exists("ka-koen")
    said = await edited(city, asked, RIGHT)
    assert len(said) == 2
    assert city.exists("ka-koen")
    said = await edited(city, asked, RIGHT.replace("koen", "hana"))
    assert len(said) == 3
    assert RAN_BEFORE in said[2]
    assert len(await edited(city, asked, RIGHT.replace("koen", "yama"))) == 3
    assert not await divisions_called(city, "hana")
    assert not await divisions_called(city, "yama")


async def test_what_was_refused_or_wrongly_used_may_be_edited_too(city: FakeCity) -> None:
    for body in ("!division show zaisie", "!division show", "status"):
        asked = await city.say(SECRETARY, body)
        said = await edited(city, asked, "!division show zaisei")
        assert "財政課" in said[-1]
    assert RAN_BEFORE not in city.heard()


async def test_two_edits_in_one_delivery_have_one_effect(city: FakeCity) -> None:
    asked = await city.say(SECRETARY, TYPO)
    city.hs.deliver, deliver = None, city.hs.deliver
    await edit(city, asked, RIGHT)
    await edit(city, asked, RIGHT.replace("koen", "hana"))
    city.hs.deliver = deliver
    await city.settle()
    assert (await divisions_called(city, "koen"), await divisions_called(city, "hana")) == (1, 0)
    assert len(answers(city, asked)) == 3  # of the typo, of the first edit, of the second


async def test_a_message_and_its_edits_in_one_delivery_are_one(city: FakeCity) -> None:
    for first, words in ((TYPO, RIGHT), (RIGHT.replace("koen", "hana"), "!divsion"), (RIGHT, "やめておきます")):
        city.hs.deliver, deliver = None, city.hs.deliver
        asked = await city.hs.say_as(SECRETARY, OFFICE, first)
        await edit(city, asked, RIGHT.replace("koen", "yama"))
        await edit(city, asked, words)
        city.hs.deliver = deliver
        await city.settle()
        assert len(answers(city, asked)) == (words != "やめておきます")
    assert [await divisions_called(city, slug) for slug in ("koen", "hana", "yama")] == [1, 0, 0]


async def test_an_edit_that_comes_before_its_message_is_one_with_it(city: FakeCity) -> None:
    deliver = city.hs.deliver
    assert deliver is not None
    city.hs.deliver = None
    asked = await city.hs.say_as(SECRETARY, OFFICE, TYPO)
    await edit(city, asked, RIGHT)
    city.hs.world.outgoing.reverse()
    city.hs.deliver = deliver
    await city.settle()
    assert len(answers(city, asked)) == 1
    assert await divisions_called(city, "koen") == 1


async def test_what_is_delivered_twice_runs_once(city: FakeCity) -> None:
    asked = await city.say(SECRETARY, TYPO)
    await edited(city, asked, RIGHT)
    again = [e for e in city.hs.room(OFFICE).timeline if e["sender"] == SECRETARY]
    assert city.hs.deliver is not None
    await city.hs.deliver(again)
    await city.settle()
    assert len(answers(city, asked)) == 2


async def test_a_preview_is_not_asked_for_twice(city: FakeCity) -> None:
    hanako, taro = await city.member("hanako"), await city.member("taro")
    asked = await city.say(SECRETARY, f"!member remove {hanako}")
    said = await edited(city, asked, f"!member remove {taro} --yes")
    assert RAN_BEFORE in said[1]
    for user in (hanako, taro):
        assert city.room("cityhall").membership(user) == "join"


async def test_what_others_edit_and_what_is_older_than_commands_may_be_is_left_alone(city: FakeCity) -> None:
    dareka = someone("dareka")
    await city.ask(f"!member admit {dareka} --secretariat")
    for room in (HALL, OFFICE):
        await city.hs.join_as(dareka, room)
    asked = await city.say(SECRETARY, TYPO)
    assert len(await edited(city, asked, RIGHT, sender=dareka)) == 1
    old = int((now() - timedelta(hours=2)).timestamp() * 1000)
    async with city.app.store.transaction() as tx:
        past = {"origin_server_ts": old, "received_at": now() - timedelta(minutes=70)}
        await tx.connection.execute(update(inbox_event).where(inbox_event.c.event_id == asked).values(**past))
    assert len(await edited(city, asked, RIGHT)) == 1
    assert not await divisions_called(city, "koen")


async def test_after_a_restart_it_is_still_known_what_ran(tmp_path: Path, database_url: str) -> None:
    rooms = write_town(tmp_path / "rooms")
    async with fake_city(database_url, rooms) as city:
        asked = await city.say(SECRETARY, TYPO)
        await edited(city, asked, RIGHT)
        hs = city.hs
    async with asyncio.timeout(120), fake_city(database_url, rooms, hs=hs) as city:
        assert RAN_BEFORE in (await edited(city, asked, RIGHT.replace("koen", "hana")))[-1]
        assert not await divisions_called(city, "hana")


async def test_the_answer_to_an_edit_is_in_the_thread_of_what_was_edited(city: FakeCity) -> None:
    root = await city.say(SECRETARY, "公園課をつくります")
    in_thread = {"rel_type": "m.thread", "event_id": root}
    said = {"msgtype": "m.text", "body": TYPO, "m.relates_to": in_thread}
    asked = await city.hs.send_as(SECRETARY, OFFICE, "m.room.message", said)
    await city.settle()
    await edited(city, asked, RIGHT)
    assert city.exists("ka-koen")
    relations = [e["content"]["m.relates_to"] for e in city.said() if _is_answer(e, asked)]
    assert len(relations) >= 2
    assert {(r.get("rel_type"), r.get("event_id")) for r in relations} == {("m.thread", root)}
