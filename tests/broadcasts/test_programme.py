"""Talks in the little town: planned by words, run by the clock, changed and cancelled before everybody who was told."""

from pathlib import Path

import time_machine

from oshiyakusho_matrix.core.ids import UserId
from tests.broadcasts.town import DIVISION_NEWS, NEWS, SEATS, SEATS2, STUDIO, STUDIO2, Evening, evening
from tests.conftest import NewDatabase
from tests.support.fake_city import OFFICE, SECRETARY, alias, someone

TONIGHT = "やめる勇気 今日20時"


def speakers(town: Evening, studio: str) -> set[str]:
    """Return who may write in a studio, besides the bot."""
    return {user for user, power in town.city.powers(studio).items() if power == 25}


async def test_a_talk_is_shown_first_and_announced_after_yes(town: Evening) -> None:
    preview = await town.city.ask(f"!放送 企画 {TONIGHT} --ゲスト 試験花子")
    assert "やめる勇気" in preview
    assert "2026年11月24日(火) 20:00〜21:00" in preview
    assert town.city.heard(NEWS) == ""
    assert "放送はありません" in await town.city.ask("!放送 一覧")
    assert "告知済み" in await town.city.confirm(f"!放送 企画 {TONIGHT} --ゲスト 試験花子")
    heard = town.city.heard(NEWS)
    assert "第1回 庁内放送「やめる勇気」" in heard
    assert "2026年11月24日(火) 20:00〜21:00" in heard
    assert "試験花子" in heard
    assert town.city.heard(DIVISION_NEWS) == ""


async def test_the_divisions_concerned_are_told_too(town: Evening) -> None:
    await town.plan(f"{TONIGHT} --課 juumin")
    assert "やめる勇気" in town.city.heard(NEWS)
    assert "やめる勇気" in town.city.heard(DIVISION_NEWS)
    assert "短縮名" in await town.plan("別の話 今日18時 --課 dokonimonai")


async def test_a_talk_runs_by_itself_and_speakers_have_the_word_meanwhile(town: Evening) -> None:
    host = await town.city.member("shikai")
    await town.plan(f"{TONIGHT} --司会 {host} --配信 https://zoom.us/j/1")
    assert speakers(town, STUDIO) == set()
    await town.pass_by(hours=7, minutes=46)
    assert "開場しました" in town.city.heard(alias(SEATS))
    assert "https://zoom.us/j/1" in town.city.heard(alias(SEATS))
    assert "https://zoom.us/j/1" not in town.city.heard(NEWS)
    assert speakers(town, STUDIO) == {host}
    await town.pass_by(minutes=15)
    assert "始まりました" in town.city.heard(alias(SEATS))
    await town.pass_by(minutes=45)
    assert "質問の時間" in town.city.heard(alias(SEATS))
    assert speakers(town, STUDIO) == {host}
    await town.pass_by(minutes=15)
    assert "終了しました" in town.city.heard(alias(SEATS))
    assert speakers(town, STUDIO) == set()
    assert len(town.city.said(alias(SEATS))) == 4
    assert town.city.heard(alias(SEATS2)) == ""
    assert "遅れ" not in town.city.heard(alias(SEATS))


async def test_it_runs_by_hand_where_reality_differs(town: Evening) -> None:
    await town.plan(f"{TONIGHT} --配信 https://zoom.us/j/1")
    assert "放送中" in await town.city.ask("!放送 開始 第1回")
    assert "https://zoom.us/j/1" in town.city.heard(alias(SEATS))
    assert "20:00 に始まります" not in town.city.heard(alias(SEATS))
    assert speakers(town, STUDIO) == {SECRETARY}
    assert "質問の時間" in await town.city.ask("!放送 質問 1")
    assert "終了" in await town.city.ask("!放送 終了 1")
    assert speakers(town, STUDIO) == set()
    assert "できません" not in await town.city.ask("!放送 保存 1")
    assert "もうできない" in await town.city.ask("!放送 開始 1")
    before = len(town.city.said(alias(SEATS)))
    await town.pass_by(hours=12)
    assert len(town.city.said(alias(SEATS))) == before


async def test_two_talks_at_once_need_two_stages(town: Evening) -> None:
    await town.plan(TONIGHT)
    refused = await town.plan("別の話 今日20時半")
    assert "別の放送があります" in refused
    assert "やめる勇気" in refused
    assert "daini" in refused
    second = await town.city.member("futari")
    assert "告知済み" in await town.plan(f"別の話 今日20時半 --舞台 daini --司会 {second}")
    assert "告知済み" in await town.plan("次の話 今日21時")
    await town.pass_by(hours=8, minutes=31)
    assert speakers(town, STUDIO) == {SECRETARY}
    assert speakers(town, STUDIO2) == {second}


async def test_while_a_talk_is_on_air_those_of_the_next_wait_for_the_word(town: Evening) -> None:
    first, second = await town.city.member("hajime"), await town.city.member("tsugi")
    await town.plan(f"{TONIGHT} --司会 {first}")
    await town.plan(f"次の話 今日21時 --司会 {second}")
    await town.pass_by(hours=8, minutes=50)
    assert speakers(town, STUDIO) == {first}
    await town.pass_by(minutes=11)
    assert speakers(town, STUDIO) == {second}


async def test_those_who_put_their_hand_up_are_reminded_and_nobody_else(town: Evening) -> None:
    hanako, jiro = await town.city.member("hanako"), await town.city.member("jiro")
    chat, other = await town.city.open_chat(hanako), await town.city.open_chat(jiro)
    await town.plan("やめる勇気 11/26 20時")
    assert reactions(town) == ["✋"]
    quiet = len(town.city.said(other))
    await town.react(hanako, town.announced(), "✋🏽")
    await town.react(jiro, town.announced(), "👍")
    for time in ({"days": 1, "hours": 8, "minutes": 1}, {"hours": 23}, {"minutes": 50}):
        before = len(town.city.said(chat))
        await town.pass_by(**time)
        assert len(town.city.said(chat)) == before + 1, time
        assert "やめる勇気" in town.city.said(chat)[-1]["content"]["body"]
        assert town.city.said(chat)[-1]["content"]["m.mentions"] == {"user_ids": [hanako]}
    await town.pass_by(hours=3)
    assert len(town.city.said(chat)) == before + 1
    assert len(town.city.said(other)) == quiet


async def test_whoever_takes_the_hand_back_is_told_no_more(town: Evening) -> None:
    hanako = await town.city.member("hanako")
    chat = await town.city.open_chat(hanako)
    await town.plan(TONIGHT)
    hand = await town.react(hanako, town.announced())
    assert "1人" in await town.city.ask("!放送 詳細 1")
    await town.city.hs.send_as(hanako, NEWS, "m.room.redaction", {"redacts": hand})
    await town.city.settle()
    assert "0人" in await town.city.ask("!放送 詳細 1")
    before = len(town.city.said(chat))
    await town.pass_by(hours=9)
    assert len(town.city.said(chat)) == before


def reactions(town: Evening) -> list[str]:
    """Return what the bot has put under messages in the room for news."""
    events = town.city.hs.room(NEWS).timeline
    return [e["content"]["m.relates_to"]["key"] for e in events if e["type"] == "m.reaction"]


async def test_moving_a_talk_moves_everything_and_tells_everybody_who_was_told(town: Evening) -> None:
    hanako = await town.city.member("hanako")
    chat = await town.city.open_chat(hanako)
    await town.plan(f"{TONIGHT} --課 juumin")
    await town.react(hanako, town.announced())
    assert "変更しました" in await town.city.ask("!放送 変更 1 明日21時")
    for room in (NEWS, DIVISION_NEWS, chat):
        told = town.city.said(room)[-1]["content"]["body"]
        assert "2026年11月25日(水) 21:00〜22:00" in told
        assert "変更前: 2026年11月24日(火) 20:00〜21:00" in told
    before = len(town.city.said(chat))
    await town.pass_by(hours=9)
    assert town.city.heard(alias(SEATS)) == ""
    assert len(town.city.said(chat)) == before + 1, "a day before the new start"
    await town.pass_by(hours=24, minutes=1)
    assert [e["content"]["body"].split("\n")[0] for e in town.city.said(alias(SEATS))] == [
        "開場しました。**やめる勇気** は 21:00 に始まります。",
        "**やめる勇気** が始まりました。スタジオの部屋でお聞きください。感想や質問は、この部屋へどうぞ。",
    ]
    assert len(town.city.said(chat)) == before + 1, "nobody is reminded of what has begun"


async def test_a_start_that_is_put_off_closes_the_doors_again(town: Evening) -> None:
    await town.plan(TONIGHT)
    await town.pass_by(hours=7, minutes=50)
    assert speakers(town, STUDIO) == {SECRETARY}
    await town.city.ask("!放送 変更 1 今日20時半")
    assert speakers(town, STUDIO) == set()
    await town.pass_by(minutes=41)
    assert "始まりました" in town.city.heard(alias(SEATS))
    assert "始まっています" in await town.city.ask("!放送 変更 1 今日22時")
    await town.city.ask("!放送 変更 1 --終了 22:00")
    await town.pass_by(minutes=60)
    assert "終了しました" not in town.city.heard(alias(SEATS))
    await town.pass_by(minutes=31)
    assert "終了しました" in town.city.heard(alias(SEATS))


async def test_a_talk_can_be_cancelled_until_it_has_ended(town: Evening) -> None:
    hanako = await town.city.member("hanako")
    chat = await town.city.open_chat(hanako)
    await town.plan(TONIGHT)
    await town.react(hanako, town.announced())
    await town.pass_by(hours=8, minutes=1)
    assert speakers(town, STUDIO) == {SECRETARY}
    preview = await town.city.ask("!放送 中止 1 ゲストの都合のため")
    assert "1人" in preview
    await town.city.ask("!放送 中止 1 ゲストの都合のため --はい")
    for room in (NEWS, alias(SEATS), chat):
        assert "ゲストの都合のため" in town.city.said(room)[-1]["content"]["body"]
    assert speakers(town, STUDIO) == set()
    assert "放送はありません" in await town.city.ask("!放送 一覧")
    await town.plan("別の話 今日22時")
    await town.city.ask("!放送 終了 2")
    for sure in ("", " --はい"):
        assert "もうできない" in await town.city.ask(f"!放送 中止 1 もう一度{sure}")


async def test_a_restart_in_the_middle_misses_nothing_and_says_that_it_is_late(
    tmp_path: Path, new_database: NewDatabase, clock: time_machine.Traveller
) -> None:
    database = new_database("sqlite")
    async with evening(database, tmp_path, clock) as town:
        await town.plan(TONIGHT)
        homeserver = town.city.hs
    clock.shift(8 * 3600 + 600)
    async with evening(database, tmp_path, clock, hs=homeserver) as town:
        said = [e["content"]["body"] for e in town.city.said(alias(SEATS))]
        assert len(said) == 2
        assert "開場しました" in said[0]
        assert "25分遅れました" in said[0]
        assert "10分遅れました" in said[1]
        assert speakers(town, STUDIO) == {SECRETARY}


async def test_who_may_plan_talks(town: Evening) -> None:
    hanako = await town.city.member("hanako")
    chat = await town.city.open_chat(hanako)
    assert "事務局、放送係" in await town.plan(TONIGHT, sender=hanako, room=chat)
    await town.city.ask(f"!課 課長 housou {hanako}")
    assert "告知済み" in await town.plan(TONIGHT, sender=hanako, room=chat)
    await town.city.ask(f"!課 課長 housou {hanako} --解任")
    # She is the host of this one still.
    assert "変更しました" in await town.city.ask("!放送 変更 1 明日21時", sender=hanako, room=chat)
    stranger = someone("dareka")
    assert "会員ではない" in await town.plan(f"別の話 明日18時 --司会 {stranger}")


async def test_strangers_see_no_talks(town: Evening) -> None:
    await town.plan(TONIGHT)
    stranger = UserId("@soto:elsewhere.example")
    chat = await town.city.open_chat(stranger)
    assert "会員" in await town.city.ask("!放送 一覧", sender=stranger, room=chat)
    assert "やめる勇気" not in town.city.heard(chat)


async def test_bad_times_are_refused_and_nothing_is_left(town: Evening) -> None:
    for when, why in {
        "今日10時": "過ぎています", "13/45": "時刻がありません", "いつか": "読み取れません",
        "明日20時-明後日8時半": "12時間まで", "12/1(月) 19時": "火曜日です",
    }.items():  # fmt: skip
        assert why in await town.plan(f"やめる勇気 {when}"), when
    assert "放送はありません" in await town.city.ask("!放送 一覧")
    assert town.city.heard(NEWS) == ""


async def test_a_draft_is_seen_by_the_secretariat_alone_until_it_is_announced(town: Evening) -> None:
    hanako = await town.city.member("hanako")
    chat = await town.city.open_chat(hanako)
    await town.plan(f"{TONIGHT} --下書き")
    assert town.city.heard(NEWS) == ""
    assert "下書き" in await town.city.ask("!放送 一覧", room=OFFICE)
    assert "やめる勇気" not in await town.city.ask("!放送 一覧", sender=hanako, room=chat)
    assert "放送はありません" not in await town.city.ask("!放送 告知 1")
    assert "やめる勇気" in town.city.heard(NEWS)
