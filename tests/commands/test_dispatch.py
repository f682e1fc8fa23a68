"""From a message to an answer: who may, where, in which words, and that a refusal leaves nothing half done."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from oshiyakusho_matrix.commands.interface import Role
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.reconcile.interface import WorkKey
from tests.commands.conftest import Counter
from tests.commands.fakes import BOT, CHAT, ELSEWHERE, HANAKO, LOBBY, ROOM, TARO, event, flat, message
from tests.commands.sample import looked_for, notes

STRANGER = UserId("@stranger:town.example")


async def test_a_command_runs_and_is_answered_where_it_was_asked(counter: Counter) -> None:
    reply = await counter.answer(message("！課　一覧", sender=TARO))
    assert flat(reply.text) == "Here is the list."
    assert (reply.to.room_id, reply.to.event_id, reply.to.asker, reply.to.language) == ("!room", "$event1", TARO, "ja")
    assert reply.to.thread_root is None


async def test_a_command_in_a_thread_is_answered_in_the_thread(counter: Counter) -> None:
    relation = {"rel_type": "m.thread", "event_id": "$root"}
    reply = await counter.answer(event({"msgtype": "m.text", "body": "!課 一覧", "m.relates_to": relation}))
    assert reply.to.thread_root == "$root"


async def test_an_answer_that_waits_for_work_is_promised_not_said(counter: Counter) -> None:
    assert await counter.hear(message("!課 新設 zaisei --名称 財政課")) == []
    ((to, keys, done),) = counter.follow_ups.promises
    assert (to.event_id, keys, flat(done)) == ("$event1", (WorkKey("division", "zaisei"),), "財政課 was made.")
    assert await notes(counter.store) == ["made zaisei"]


async def test_a_refusal_undoes_what_the_handler_wrote(counter: Counter) -> None:
    reply = await counter.answer(message("!課 新設 taken --名称 財政課"))
    assert flat(reply.text) == "That one exists already."
    assert await notes(counter.store) == []


async def test_any_other_error_is_the_inboxs(counter: Counter) -> None:
    with pytest.raises(ZeroDivisionError):
        await counter.hear(message("!break"))
    assert counter.outbox.replies == []
    assert await notes(counter.store) == []


async def test_what_was_asked_too_long_ago_is_answered_and_not_done(counter: Counter) -> None:
    asked = message("!課 新設 zaisei --名称 財政課")
    reply = await counter.answer(replace(asked, age=timedelta(hours=2, minutes=5)))
    assert flat(reply.text).startswith("You asked this 2 hours and 5 minutes ago")
    assert counter.follow_ups.promises == []
    assert await notes(counter.store) == []
    assert await counter.hear(replace(asked, age=timedelta(minutes=55))) == []
    assert len(counter.follow_ups.promises) == 1


async def test_old_talk_is_no_old_command(counter: Counter) -> None:
    talk = message("zaisei の件、よろしくお願いします。")
    assert await counter.hear(replace(talk, age=timedelta(days=2))) == []


async def test_a_mistake_is_answered_in_the_askers_language(counter: Counter) -> None:
    counter.askers.languages[HANAKO] = "en"
    reply = await counter.answer(message("!課 新設"))
    assert reply.to.language == "en"
    assert flat(reply.text).startswith("slug is missing. Usage: `!division create <slug>")


async def test_a_member_is_told_whom_to_ask_for_what_is_the_secretariats(counter: Counter) -> None:
    reply = await counter.answer(message("!課 新設 zaisei --名称 財政課", sender=TARO))
    assert flat(reply.text).startswith("Only the secretariat")
    assert await notes(counter.store) == []


async def test_a_stranger_gets_one_answer_whether_a_command_exists_or_not(counter: Counter) -> None:
    asked = ["!division create zaisei", "!division fabricate zaisei", "!division", "!audit 5", "!audio 5"]
    for room in (ROOM, CHAT):
        replies = [
            await counter.answer(message(body, sender=STRANGER, room=room, number=n)) for n, body in enumerate(asked)
        ]
        assert {flat(r.text) for r in replies} == {
            "I do not understand that, or only members of the city hall can do it. To become a member, knock at the "
            "city hall's entrance: [#cityhall-genkan:hub.example](https://matrix.to/#/#cityhall-genkan:hub.example) "
            "Write `!ヘルプ`, and I tell you what I can do."
        }


async def test_a_stranger_who_mistypes_what_is_for_everybody_is_led_to_it_and_to_nothing_else(counter: Counter) -> None:
    assert "`!help`" in flat((await counter.answer(message("!hepl", sender=STRANGER))).text)
    assert "Did you mean" not in flat((await counter.answer(message("!divsion list", sender=STRANGER, number=2))).text)


async def test_in_a_direct_chat_a_stranger_hears_how_to_become_a_member_with_and_without_prefix(
    counter: Counter,
) -> None:
    for number, body in enumerate(("!課 一覧", "課 一覧", "会員 除名 @taro:hub.example", "おはようございます")):
        reply = await counter.answer(message(body, sender=STRANGER, room=CHAT, number=number))
        assert "only members of the city hall" in flat(reply.text)
        assert "#cityhall-genkan:hub.example" in flat(reply.text)
    # Members are told nothing of the kind.
    assert "knock" not in flat((await counter.answer(message("おはよう", sender=TARO, room=CHAT, number=9))).text)


async def test_a_member_is_never_offered_what_is_the_secretariats(counter: Counter) -> None:
    for number, body in enumerate(("!divsion create", "!member remov", "!audti", "!監査記録")):
        reply = await counter.answer(message(body, sender=TARO, number=number))
        assert not re.search("create|member remove|audit|監査`", flat(reply.text).partition("Did you mean")[2])
    assert "`!audit`" in flat((await counter.answer(message("!audti", number=9))).text)


async def test_a_group_of_which_a_member_may_use_nothing_is_the_secretariats(counter: Counter) -> None:
    reply = await counter.answer(message("!会員", sender=TARO))
    assert flat(reply.text).startswith("Only the secretariat")


async def test_what_is_confidential_is_refused_where_others_read_along(counter: Counter) -> None:
    for number, room in enumerate((LOBBY, ROOM, CHAT)):
        reply = await counter.answer(message("!監査", room=room, number=number))
        assert flat(reply.text).startswith("Others would read") == (room == LOBBY)
    entries = [(row.command, row.outcome) for row in await counter.audited()]
    assert entries == [("audit", "refused"), ("audit", "done"), ("audit", "done")]
    # Whose direct chat it is not reads along there.
    counter.askers.roles[TARO] = Role.SECRETARIAT
    reply = await counter.answer(message("!監査", room=CHAT, sender=TARO, number=4))
    assert flat(reply.text).startswith("Others would read")


async def test_a_command_that_has_to_look_does_so_before_anything_is_written_and_only_for_who_may(
    counter: Counter,
) -> None:
    looked_for.clear()
    for number, (body, sender) in enumerate(
        [("!会員 呼出 @nobody:hub.example", TARO), ("!会員 呼出", HANAKO), ("!会員 呼出 @nobody:hub.example", STRANGER)]
    ):
        await counter.hear(message(body, sender=sender, number=number))
    assert looked_for == []
    reply = await counter.answer(message("!会員 呼出 @nobody:hub.example", number=4))
    assert flat(reply.text) == "There is nobody of that name."
    assert await notes(counter.store) == []
    assert [row.outcome for row in await counter.audited()] == ["refused"] * 3
    assert flat((await counter.answer(message("!会員 呼出 @taro:hub.example", number=5))).text) == "Done."
    assert looked_for == ["@nobody:hub.example", "@taro:hub.example"]


async def test_a_stranger_may_use_what_is_for_everybody(counter: Counter) -> None:
    assert flat((await counter.answer(message("!発言 こんにちは", sender=STRANGER))).text) == "Done."
    assert await notes(counter.store) == ["said こんにちは"]


async def test_a_mistyped_command_leads_to_the_nearest(counter: Counter) -> None:
    reply = await counter.answer(message("!divsion list"))
    assert "Did you mean `!division list" in flat(reply.text)


async def test_a_group_alone_shows_its_commands_that_the_asker_may_use(counter: Counter) -> None:
    assert [flat(p) for p in (await counter.answer(message("!課", sender=TARO))).text.parts] == ["- `!課 一覧`: Lists."]
    assert len((await counter.answer(message("!課", number=2))).text.parts) == 2


async def test_a_direct_chat_needs_no_prefix_and_talk_gets_a_hint(counter: Counter) -> None:
    assert flat((await counter.answer(message("課 一覧", room=CHAT))).text) == "Here is the list."
    assert flat((await counter.answer(message("課", room=CHAT, number=2))).text).startswith("These commands belong")
    for number, talk in enumerate(("おはようございます", "課 のことで質問です", "！？", ""), start=3):
        assert "`!ヘルプ`" in flat((await counter.answer(message(talk, room=CHAT, number=number))).text)


async def test_talk_in_a_room_is_left_alone(counter: Counter) -> None:
    talk = ("課 一覧", "おはよう", "！？", "!!", "! すごい", "市役所: 明日は休みです", "市役所さん、課 一覧", "課", "")
    assert [await counter.hear(message(body)) for body in talk] == [[]] * len(talk)


async def test_in_a_room_the_bots_name_leads_a_command_and_a_mention_is_always_answered(counter: Counter) -> None:
    assert flat((await counter.answer(message("市役所: 課 一覧"))).text) == "Here is the list."
    reply = await counter.answer(message(f"{BOT}: ありがとう", number=2))
    assert "`!ヘルプ`" in flat(reply.text)


async def test_rooms_that_are_not_ours_are_not_listened_to_and_nobody_is_looked_up(counter: Counter) -> None:
    assert await counter.hear(message("!help", room=ELSEWHERE)) == []
    assert await counter.hear(message("おはよう")) == []
    assert counter.askers.asked == []


async def test_who_asks_is_looked_up_each_time(counter: Counter) -> None:
    await counter.answer(message("!課 一覧", sender=TARO))
    counter.askers.roles[TARO] = Role.ANYONE
    assert "only members" in flat((await counter.answer(message("!課 一覧", sender=TARO, number=2))).text)


HOSTILE = (
    "<script>alert(1)</script>",
    "\u202e\u2066evil",
    "\U0001f600" * 10_000,
    "a\x00b\x1b[31m",
    "\ud83d",
    "{name} {0} %s `*_[x](y)",
    "'; DROP TABLE audit; --",
    "「" * 5000,
)


async def test_hostile_text_is_only_text(counter: Counter) -> None:
    for hostile in HOSTILE:
        await counter.hear(message(f"!発言 {hostile}"))
        await counter.hear(message(f"!{hostile}"))
        await counter.hear(message(f"!課 新設 {hostile}"))
        await counter.hear(message(f"!課 新設 zaisei --名称 x{hostile}"))
        await counter.hear(message(f"!会員 除名 @taro:hub.example --はい {hostile}"))
        await counter.hear(message(hostile, room=CHAT))
    said = [note.removeprefix("said ") for note in await notes(counter.store) if note.startswith("said ")]
    assert said == [hostile.replace("\x00", "\ufffd").replace("\ud83d", "\ufffd") for hostile in HOSTILE]
    renderer = Renderer()
    for reply in counter.outbox.replies:
        assert "<script" not in renderer.render(reply.text, "ja").html


async def test_a_refusal_that_needs_others_tells_the_reference_number_and_a_slip_of_ones_own_does_not(
    counter: Counter,
) -> None:
    only_for_others = await counter.answer(message("!課 新設 zaisei --名称 財政課", sender=TARO, number=1))
    assert flat(only_for_others.text.parts[-1]) == "Reference number: REF00001"
    (entry,) = await counter.audited()
    assert entry.reference == "REF00001"
    for number, slip in enumerate(("!課 新設", "!課 新設 taken --名称 財政課", "!nonsense"), start=2):
        assert "Reference number" not in flat((await counter.answer(message(slip, number=number))).text)
