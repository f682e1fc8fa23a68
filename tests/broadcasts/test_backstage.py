"""控室 in the little town: made with the announcement, for host and guests alone, emptied after the talk."""

from typing import Any

import pytest
import pytest_asyncio

from oshiyakusho_matrix.core.ids import EventId, UserId
from oshiyakusho_matrix.homeserver.interface import Forbidden
from tests.broadcasts.town import SEATS, STUDIO, Evening
from tests.support.fake_city import HALL, alias, someone

ROOM = alias("cityhall-talk-1")
GUEST = someone("kyaku", "elsewhere.example")


@pytest_asyncio.fixture
async def host(town: Evening) -> UserId:
    """Have talk 1 announced for tonight; give its host."""
    host = await town.city.member("shikai")
    await town.plan(f"やめる勇気 今日20時 --司会 {host}")
    return host


def inside(town: Evening) -> set[str]:
    """Return who is in the backstage room or invited, besides the bot."""
    state = town.city.hs.room(ROOM).state_events()
    people = {e.state_key for e in state if e.type == "m.room.member" and e.content["membership"] in ("join", "invite")}
    return people - {town.city.hs.bot}


async def test_it_is_there_for_the_host_once_the_talk_is_announced(town: Evening, host: UserId) -> None:
    assert inside(town) == {host}
    room = town.city.hs.room(ROOM)
    assert room.content("m.room.join_rules") == {"join_rule": "invite"}
    assert room.content("m.room.name") == {"name": "控室 第1回「やめる勇気」"}
    assert "控室です" in town.city.heard(ROOM)


async def test_a_draft_has_none_and_its_guests_are_invited_with_the_announcement(town: Evening) -> None:
    host = await town.city.member("shikai")
    await town.plan(f"やめる勇気 今日20時 --司会 {host} --下書き")
    assert "告知したら" in await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    assert not town.city.exists("cityhall-talk-1")
    await town.city.ask("!放送 告知 1")
    assert inside(town) == {host, GUEST}


async def test_a_guest_enters_the_backstage_and_no_other_room(town: Evening, host: UserId) -> None:
    answer = await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験 花子")
    assert "ゲストにしました" in answer
    assert inside(town) == {host, GUEST}
    await town.city.hs.join_as(GUEST, ROOM)
    assert f"試験 花子（{GUEST}）" in await town.city.ask("!ゲスト 一覧 1")
    for other in (HALL, alias(STUDIO), alias(SEATS)):
        with pytest.raises(Forbidden):
            await town.city.hs.join_as(GUEST, other)


async def test_a_guest_commands_nothing_and_brings_nobody(town: Evening, host: UserId) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    assert "ゲストにしました" not in await town.city.ask(f"!ゲスト 招待 1 {GUEST} 別の名前", sender=GUEST, room=ROOM)
    assert "試験花子" in await town.city.ask("!ゲスト 一覧 1")
    with pytest.raises(Forbidden):
        await town.city.hs.invite_as(GUEST, ROOM, someone("tsure"))


async def test_the_host_leads_from_the_backstage(town: Evening, host: UserId) -> None:
    await town.city.hs.join_as(host, ROOM)
    assert "ゲストにしました" in await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子", sender=host, room=ROOM)
    other = await town.city.member("betsu")
    chat = await town.city.open_chat(other)
    assert "ゲストにしました" not in await town.city.ask(f"!ゲスト 招待 1 {other} 私", sender=other, room=chat)


async def test_whoever_is_taken_back_is_taken_out(town: Evening, host: UserId) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    assert "ではなくなりました" in await town.city.ask(f"!ゲスト 取消 1 {GUEST}")
    assert inside(town) == {host}
    assert "ゲストではありません" in await town.city.ask(f"!ゲスト 取消 1 {GUEST}")
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    assert inside(town) == {host, GUEST}


async def test_another_host_takes_the_place_of_the_first(town: Evening, host: UserId) -> None:
    other = await town.city.member("kawari")
    await town.city.ask(f"!放送 変更 1 --司会 {other}")
    assert inside(town) == {other}


async def test_it_closes_a_while_after_the_end(town: Evening, host: UserId) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    await town.pass_by(hours=9, minutes=1)
    assert inside(town) == {host, GUEST}
    assert "終了しました" in town.city.heard(ROOM)
    await town.pass_by(minutes=16)
    assert inside(town) == set()
    assert "招待できません" in await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.pass_by(days=1)
    assert inside(town) == set()


async def test_guests_hear_of_changes_and_of_a_cancellation(town: Evening, host: UserId) -> None:
    await town.city.ask("!放送 変更 1 今日21時")
    assert "21:00" in town.city.heard(ROOM)
    await town.city.ask("!放送 中止 1 ゲストの都合 --はい")
    assert "ゲストの都合" in town.city.heard(ROOM)
    assert "中止になりました" in town.city.heard(ROOM)
    await town.pass_by(minutes=16)
    assert inside(town) == set()


async def test_whoever_left_by_themselves_is_left_in_peace(town: Evening, host: UserId) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    await town.city.hs.leave_as(GUEST, ROOM)
    await town.city.ask("!放送 変更 1 今日21時")
    assert inside(town) == {host}


def board(town: Evening) -> list[dict[str, Any]]:
    """Return every state of the list of questions, in its order: what it said first, and each edit."""
    said = [e["content"] for e in town.city.said(ROOM)]
    first = [c for c in said if "jp.oshiyakusho.questions" in c]
    return [*first, *(c["m.new_content"] for c in said if "m.new_content" in c)]


async def test_the_questions_are_listed_and_kept_up_to_date(town: Evening, host: UserId) -> None:
    await town.pass_by(hours=8, minutes=1)
    asker = await town.city.member("toi")
    await town.city.hs.join_as(asker, alias(SEATS))
    await town.city.say(asker, "質問: 一つ目", room=alias(SEATS))
    await town.city.say(asker, "質問: 二つ目", room=alias(SEATS))
    await town.pass_by(seconds=2)
    assert len(board(town)) == 1
    lines = board(town)[-1]["body"].splitlines()
    assert [line for line in lines if line.startswith("- ")] == ["- `1` 👍0 受付中: 一つ目", "- `2` 👍0 受付中: 二つ目"]
    cards = [e["event_id"] for e in town.city.said(alias(SEATS)) if "jp.oshiyakusho.question" in e["content"]]
    await town.react(asker, EventId(cards[1]), "👍", room=alias(SEATS))
    await town.city.ask("!質疑 採用 1 1")
    await town.pass_by(seconds=2)
    lines = board(town)[-1]["body"].splitlines()
    assert [line for line in lines if line.startswith("- ")] == ["- `1` 👍0 回答中: 一つ目", "- `2` 👍1 受付中: 二つ目"]
    assert len(board(town)) == 2
    assert asker not in str([e["content"] for e in town.city.said(ROOM)])
    await town.pass_by(seconds=5)
    assert len(board(town)) == 2


async def test_host_and_guests_are_asked_whether_they_are_there_and_the_secretariat_hears_who_is_not(
    town: Evening, host: UserId
) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    await town.city.hs.join_as(host, ROOM)
    await town.city.say(host, "早すぎましたか", room=ROOM)
    await town.pass_by(hours=7, minutes=29)
    assert "✋" not in town.city.heard(ROOM)
    await town.pass_by(minutes=2)
    asked = {u: e["event_id"] for e in town.city.said(ROOM) for u in e["content"]["m.mentions"].get("user_ids", ())}
    assert set(asked) == {host, GUEST}
    await town.react(GUEST, asked[GUEST], "✋", room=ROOM)
    await town.pass_by(minutes=25)
    alarm = town.city.heard().splitlines()[-1]
    assert "控室にまだ見えない人がいます" in alarm
    assert host in alarm
    assert GUEST not in alarm
    assert "そろいました" not in town.city.heard(ROOM)
    await town.pass_by(minutes=2)
    assert town.city.heard().count("控室にまだ見えない人") == 1


async def test_with_everybody_there_nobody_is_alarmed_and_a_moved_start_is_asked_about_anew(
    town: Evening, host: UserId
) -> None:
    await town.city.hs.join_as(host, ROOM)
    await town.pass_by(hours=7, minutes=31)
    await town.city.say(host, "います", room=ROOM)
    await town.pass_by(minutes=25)
    assert "全員そろいました" in town.city.heard(ROOM)
    assert "見えない人" not in town.city.heard()
    await town.city.ask("!放送 変更 1 今日21時")
    await town.pass_by(minutes=35)
    assert town.city.heard(ROOM).count("✋ を付けるか") == 2
    await town.pass_by(minutes=25)
    assert "見えない人" in town.city.heard()


async def test_a_guest_who_left_comes_back_when_they_are_invited_again(town: Evening, host: UserId) -> None:
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    await town.city.hs.join_as(GUEST, ROOM)
    await town.city.hs.leave_as(GUEST, ROOM)
    await town.city.ask(f"!ゲスト 招待 1 {GUEST} 試験花子")
    assert inside(town) == {host, GUEST}
