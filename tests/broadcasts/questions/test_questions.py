"""Questions of an audience in the little town: asked, voted, led, and seen by all as they stand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from oshiyakusho_matrix.core.ids import EventId, UserId
from tests.broadcasts.town import SEATS, SEATS2, STUDIO, Evening
from tests.support.fake_city import alias, someone

ROOM, ROOM2 = alias(SEATS), alias(SEATS2)


@pytest_asyncio.fixture
async def host(town: Evening) -> AsyncIterator[UserId]:
    """Have talk 1 on air in the first seats; give its host."""
    host = await town.city.member("shikai")
    await town.plan(f"やめる勇気 今日20時 --司会 {host}")
    await town.pass_by(hours=8, minutes=1)
    yield host


async def ask(town: Evening, user: UserId, text: str, *, room: str = ROOM) -> EventId:
    """Have a member, who comes in for it, write in the seats; return the message."""
    await town.city.hs.join_as(user, room)
    return await town.city.say(user, text, room=room)


def card(town: Evening, number: int, *, room: str = ROOM) -> EventId:
    """Return our message that shows a question."""
    found = [
        e["event_id"] for e in town.city.said(room) if e["content"].get("jp.oshiyakusho.question", [0, 0])[1] == number
    ]
    return EventId(found[-1])


def last_words(town: Evening, *, room: str = ROOM) -> str:
    """Return what the last message of ours says, an edit what it says anew."""
    content: dict[str, Any] = town.city.said(room)[-1]["content"]
    return str(content.get("m.new_content", content)["body"]).replace("**", "")


async def vote(town: Evening, user: UserId, event_id: str, key: str = "👍", *, room: str = ROOM) -> EventId:
    return await town.react(user, event_id, key, room=room)


async def take_back(town: Evening, user: UserId, reaction: EventId) -> None:
    await town.city.hs.send_as(user, ROOM, "m.room.redaction", {"redacts": reaction})
    await town.city.settle()


async def listed(town: Evening) -> list[str]:
    """Return the lines of the host's list."""
    return [line for line in (await town.city.ask("!質疑 一覧 1")).splitlines() if line.startswith("- ")]


async def test_a_member_asks_in_the_seats_and_the_question_stands_there(town: Evening, host: UserId) -> None:
    one = await town.city.member("hitori")
    message = await ask(town, one, "質問：最初の一歩は 何でしたか")
    assert f"質問1（{one}）: 最初の一歩は 何でしたか" in last_words(town)
    content = town.city.said(ROOM)[-1]["content"]
    assert content["m.relates_to"]["m.in_reply_to"]["event_id"] == message
    thumbs = [e for e in town.city.hs.room(ROOM).timeline if e["type"] == "m.reaction"]
    assert [e["content"]["m.relates_to"]["event_id"] for e in thumbs] == [card(town, 1)]
    await ask(town, one, "!q 二つ目です")
    assert f"質問2（{one}）: 二つ目です" in last_words(town)
    assert len(await listed(town)) == 2


async def test_ordinary_talk_and_thumbs_make_no_question(town: Evening, host: UserId) -> None:
    one = await town.city.member("hitori")
    message = await ask(town, one, "その質問: よいですね、に見えて質問ではありません")
    await vote(town, one, message)
    assert "まだありません" in await town.city.ask("!質疑 一覧 1")


async def test_each_member_has_one_vote_however_they_press(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    first = await ask(town, asker, "質問: 一つ目")
    await ask(town, asker, "質問: 二つ目")
    await vote(town, voter, card(town, 1))
    brown = await vote(town, voter, card(town, 1), "👍🏽")
    await vote(town, voter, first)
    await vote(town, asker, card(town, 2))
    await vote(town, voter, card(town, 2), "👍️")
    lines = await listed(town)
    assert [line[:9] for line in lines] == ["- `2` 👍2 ", "- `1` 👍1 "]
    await take_back(town, voter, brown)
    assert "👍1" in (await listed(town))[1]


async def test_nobody_but_members_asks_or_votes(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    await ask(town, asker, "質問: 一つ目")
    await vote(town, voter, card(town, 1))
    assert "👍1" in (await listed(town))[0]
    await town.city.ask(f"!member remove {voter} --yes")
    assert "👍0" in (await listed(town))[0]
    await town.city.ask(f"!member admit {voter}")
    await town.city.settle()
    assert "👍1" in (await listed(town))[0]
    stranger = someone("dareka")
    chat = await town.city.open_chat(stranger)
    assert "質問" not in await town.city.ask("!q 入れて", sender=stranger, room=chat)


async def test_whoever_takes_all_votes_back_has_none(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    await ask(town, asker, "質問: 一つ目")
    thumb = await vote(town, voter, card(town, 1))
    await take_back(town, voter, thumb)
    assert "👍0" in (await listed(town))[0]


async def test_the_audience_sees_where_a_question_stands(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    await ask(town, asker, "質問: 一つ目")
    shown = card(town, 1)
    await vote(town, host, shown, "🎤")
    assert last_words(town).startswith("🎤 質問1")
    assert town.city.said(ROOM)[-1]["content"]["m.relates_to"] == {"rel_type": "m.replace", "event_id": shown}
    await vote(town, host, shown, "✅️")
    assert last_words(town).startswith("✅ 質問1")
    assert "回答済み" in (await listed(town))[0]
    assert "すでに回答済み" in await town.city.ask("!質疑 採用 1 1")
    await town.city.ask("!質疑 戻す 1 1")
    assert last_words(town).startswith("質問1")


async def test_a_sign_of_the_audience_moves_nothing(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    await ask(town, asker, "質問: 一つ目")
    await vote(town, asker, card(town, 1), "✅")
    await vote(town, asker, card(town, 1), "🙈")
    assert "受付中" in (await listed(town))[0]
    await town.city.hs.join_as(asker, ROOM)
    refused = await town.city.ask("!質疑 回答済 1 1", sender=asker, room=ROOM)
    assert "事務局、放送係、" in refused
    assert "受付中" in (await listed(town))[0]


async def test_a_hidden_question_leaves_the_room_and_comes_back_anew(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    await ask(town, asker, "質問: 消したい話")
    first = card(town, 1)
    await vote(town, voter, first)
    await town.city.ask("!質疑 非表示 1 1")
    redactions = [e["content"].get("redacts") for e in town.city.hs.room(ROOM).timeline if "redacts" in e["content"]]
    assert first in redactions
    await town.city.ask("!質疑 戻す 1 1")
    assert card(town, 1) != first
    assert "👍1" in (await listed(town))[0]


async def test_merged_questions_count_each_member_once(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    for text in ("一つ目", "二つ目", "三つ目"):
        await ask(town, asker, f"質問: {text}")
    for number in (1, 2, 3):
        await vote(town, voter, card(town, number))
    await vote(town, asker, card(town, 3))
    await town.city.ask("!質疑 統合 1 3 2")
    assert "質問2に統合" in last_words(town)
    answer = await town.city.ask("!質疑 統合 1 2 1")
    assert "👍2" in answer
    assert [line[:9] for line in await listed(town)] == ["- `1` 👍2 "]
    assert "自身" in await town.city.ask("!質疑 統合 1 1 3")
    await town.city.ask("!質疑 戻す 1 3")
    assert [line[:9] for line in await listed(town)] == ["- `3` 👍2 ", "- `1` 👍1 "]


async def test_an_anonymous_question_names_nobody_but_to_the_secretariat(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    chat = await town.city.open_chat(asker)
    assert "第1回の質問1" in await town.city.ask("!質問 --匿名 言いにくいこと", sender=asker, room=chat)
    assert "質問1（匿名）: 言いにくいこと" in last_words(town)
    assert asker not in str(town.city.said(ROOM))
    assert asker not in "".join(await listed(town))
    assert asker in await town.city.ask("!質疑 質問者 1 1")
    chat = await town.city.open_chat(host)
    assert asker not in await town.city.ask("!質疑 質問者 1 1", sender=host, room=chat)
    await town.city.hs.join_as(asker, ROOM)
    assert "個別チャット" in await town.city.ask("!質問 --匿名 ここで", sender=asker, room=ROOM)


async def test_in_a_chat_the_words_alone_are_enough(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    chat = await town.city.open_chat(asker)
    assert "第1回の質問1" in await town.city.ask("質問：チャットから", sender=asker, room=chat)
    assert f"質問1（{asker}）: チャットから" in last_words(town)


async def test_with_two_talks_on_a_question_is_for_the_seats_where_it_is_asked(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    await town.plan("別の話 今日20時10分 --舞台 daini")
    await town.city.ask("!放送 開始 2")
    await ask(town, asker, "質問: あちらへ", room=ROOM2)
    assert "あちらへ" in last_words(town, room=ROOM2)
    chat = await town.city.open_chat(asker)
    assert "--放送" in await town.city.ask("!質問 どちらへ", sender=asker, room=chat)
    await town.city.ask("!質問 --放送 2 そちらへ", sender=asker, room=chat)
    assert "質問2" in last_words(town, room=ROOM2)
    assert town.city.heard(ROOM).count("そちら") == 0


async def test_without_questions_none_are_taken(town: Evening) -> None:
    asker = await town.city.member("toi")
    await town.plan("静かな話 今日20時 --質問 0")
    await ask(town, asker, "質問: まだですか")
    assert "まだですか" not in town.city.heard(ROOM)
    await town.pass_by(hours=8, minutes=1)
    await ask(town, asker, "質問: いいですか")
    assert "受け付けていません" in last_words(town)
    chat = await town.city.open_chat(asker)
    await town.pass_by(hours=2)
    assert "今は放送がない" in await town.city.ask("!質問 遅い", sender=asker, room=chat)


async def test_one_member_asks_so_many_and_no_more(town: Evening, host: UserId) -> None:
    asker = await town.city.member("toi")
    for number in range(1, 11):
        await ask(town, asker, f"質問: その{number}")
    await ask(town, asker, "質問: もう一つ")
    assert "10件まで" in last_words(town)
    assert len(await listed(town)) == 10


async def test_votes_end_with_the_talk(town: Evening, host: UserId) -> None:
    asker, voter = await town.city.member("toi"), await town.city.member("hyou")
    await ask(town, asker, "質問: 一つ目")
    shown = card(town, 1)
    await town.pass_by(hours=2)
    await vote(town, voter, shown)
    assert "👍0" in (await listed(town))[0]
    assert town.city.heard(alias(STUDIO)) == ""


async def test_whoever_edits_their_message_corrects_an_open_question(town: Evening, host: UserId) -> None:
    asker, other = await town.city.member("toi"), await town.city.member("hoka")
    message = await ask(town, asker, "質問: 一つ目です")
    await town.city.hs.join_as(other, ROOM)
    await edit(town, other, message, "質問: 横取り")
    await edit(town, asker, message, "質問: 二つ目です")
    assert last_words(town) == f"質問1（{asker}）: 二つ目です"
    assert "二つ目です" in (await listed(town))[0]
    await town.city.ask("!質疑 回答済 1 1")
    await edit(town, asker, message, "質問: 後から")
    assert "二つ目です" in (await listed(town))[0]
    assert len(await listed(town)) == 1


async def test_whoever_deletes_their_message_takes_the_question_back(town: Evening, host: UserId) -> None:
    asker, other = await town.city.member("toi"), await town.city.member("hoka")
    message = await ask(town, asker, "質問: 一つ目です")
    shown = card(town, 1)
    await town.city.hs.join_as(other, ROOM)
    await take_back(town, asker, message)
    assert "非表示" in (await listed(town))[0]
    redacted = [e["content"].get("redacts") for e in town.city.hs.room(ROOM).timeline if "redacts" in e["content"]]
    assert redacted == [message, shown]


async def edit(town: Evening, user: UserId, event_id: EventId, text: str) -> None:
    """Have somebody edit a message."""
    content = {
        "msgtype": "m.text",
        "body": f"* {text}",
        "m.new_content": {"msgtype": "m.text", "body": text},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }
    await town.city.hs.send_as(user, ROOM, "m.room.message", content)
    await town.city.settle()
