"""The audit: each privileged run, in order, for ever; and read out in words."""

import re

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.commands.audit import PATIENCE
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import UserId
from tests.commands.conftest import Counter
from tests.commands.fakes import HANAKO, TARO, flat, message, reaction

STRANGER = UserId("@stranger:town.example")


async def test_each_privileged_run_is_entered_with_its_outcome(counter: Counter) -> None:
    await counter.hear(message("!課 新設 zaisei --名称 財政課", number=1))
    await counter.hear(message("!課 新設 taken --名称 財政課", number=2))
    await counter.hear(message("!課 新設 zaisei --名称 財政課", sender=TARO, number=3))
    await counter.hear(message("!課 新設 zaisei --名称 財政課", sender=STRANGER, number=4))
    await counter.preview(message("!会員 除名 @taro:hub.example 秘密の理由", number=5), echo_as="$event50")
    await counter.hear(reaction("✅", "$event50", number=51))
    entries = [(row.reference, row.actor, row.command, row.target, row.outcome) for row in await counter.audited()]
    assert entries == [
        ("REF00001", "@hanako:hub.example", "division create", "zaisei", "done"),
        ("REF00002", "@hanako:hub.example", "division create", "taken", "refused"),
        ("REF00003", "@taro:hub.example", "division create", "zaisei", "refused"),
        ("REF00004", "@stranger:town.example", "division create", "", "refused"),
        ("REF00005", "@hanako:hub.example", "member remove", "@taro:hub.example", "asked"),
        ("REF00005", "@hanako:hub.example", "member remove", "@taro:hub.example", "confirmed"),
    ]


async def test_what_is_not_privileged_or_was_never_a_run_is_not_entered(counter: Counter) -> None:
    for number, body in enumerate(("!課 一覧", "!課 新設", "!課 新設 だめ --名称 x", "!help", "!nonsense"), start=1):
        await counter.hear(message(body, number=number))
    assert await counter.audited() == []


async def test_arguments_are_kept_but_what_is_private(counter: Counter) -> None:
    await counter.hear(message("!会員 除名 @taro:hub.example --はい 秘密の理由"))
    (row,) = await counter.audited()
    assert row.arguments == {"user": "@taro:hub.example"}
    assert "秘密" not in repr(row)


async def test_what_a_stranger_tried_is_entered_without_their_words(counter: Counter) -> None:
    await counter.hear(message("!課 新設 zaisei --名称 山田の電話番号", sender=STRANGER))
    (row,) = await counter.audited()
    assert (row.arguments, row.target, row.outcome) == ({}, "", "refused")


CHANGES = {
    "sqlite": (
        "UPDATE audit SET actor = '@nobody:hub.example'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT id, at, 'x', command, target, arguments, outcome, reference FROM audit",
    ),
    "postgresql": (
        "UPDATE audit SET actor = '@nobody:hub.example'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET actor = 'x'",
    ),
}


async def test_the_database_refuses_to_change_or_remove_an_entry(counter: Counter, engine: AsyncEngine) -> None:
    await counter.hear(message("!課 新設 zaisei --名称 財政課"))
    before = await counter.audited()
    for statement in CHANGES[engine.dialect.name]:
        with pytest.raises(CityHallError, match=r"append-only|RaiseException"):
            async with counter.store.transaction() as tx:
                await tx.connection.execute(text(statement))
    assert await counter.audited() == before


async def test_the_secretariat_reads_the_last_entries_in_japanese_time(counter: Counter) -> None:
    for number in (1, 2, 3):
        await counter.hear(message(f"!課 新設 zaisei{number} --名称 財政課", number=number))
    reply = await counter.answer(message("!監査 ２", number=4))
    assert [flat(part) for part in reply.text.parts] == [
        "- 2026-04-01 12:00 @hanako:hub.example: `!課 新設 zaisei3 名称=財政課` (done, reference REF00003)",
        "- 2026-04-01 12:00 @hanako:hub.example: `!課 新設 zaisei2 名称=財政課` (done, reference REF00002)",
    ]
    assert flat((await counter.answer(message("!audit", sender=TARO, number=5))).text).startswith(
        "Only the secretariat"
    )
    assert [row.command for row in await counter.audited()][-2:] == ["audit", "audit"]


async def test_what_was_done_is_read_out_in_the_words_of_who_asks(counter: Counter) -> None:
    await counter.hear(message("!課 新設 zaisei --名称 財政課 --静かに --課長 @taro:hub.example", number=1))
    japanese = flat((await counter.answer(message("!監査", number=2))).text)
    assert "`!課 新設 zaisei 名称=財政課 課長=@taro:hub.example 静かに`" in japanese
    counter.askers.languages[HANAKO] = "en"
    english = flat((await counter.answer(message("!audit", number=3))).text)
    assert "`!division create zaisei name=財政課 head=@taro:hub.example quiet`" in english


async def test_what_no_command_is_called_any_more_is_read_out_as_it_was_kept(counter: Counter) -> None:
    async with counter.store.transaction() as tx:
        await tx.connection.execute(
            insert(audit).values(
                at=counter.clock(), actor=HANAKO, command="division merge", target="zaisei",
                arguments={"into": "zei"}, outcome="done", reference="REF00000",
            )
        )  # fmt: skip
    assert "`!division merge zaisei into=zei`" in flat((await counter.answer(message("!監査"))).text)


async def test_a_preview_is_read_out_with_what_became_of_it(counter: Counter) -> None:
    async def became(number: int) -> str:
        reply = await counter.answer(message("!監査 50", number=number))
        (line,) = (flat(part) for part in reply.text.parts if "asked" in flat(part) or "REF00001" in flat(part))
        return str(re.findall(r"\((.*), reference", line)[0])

    await counter.preview(message("!会員 除名 @taro:hub.example", number=1), echo_as="$event10")
    assert await became(2) == "asked for confirmation"
    counter.clock.time += PATIENCE
    assert await became(3) == "lapsed"
    assert not [row for row in await counter.audited() if row.outcome not in ("asked", "done")]


@pytest.mark.parametrize(("sign", "words"), [("✅", ["done after confirmation"]), ("❌", ["called off"])])
async def test_a_command_that_was_answered_is_read_out_once_with_its_end(
    counter: Counter, sign: str, words: list[str]
) -> None:
    await counter.preview(message("!会員 除名 @taro:hub.example 秘密の理由", number=1), echo_as="$event10")
    await counter.hear(reaction(sign, "$event10", number=11))
    counter.clock.time += PATIENCE
    reply = await counter.answer(message("!監査", number=12))
    assert [re.findall(r"\((.*), reference", flat(part))[0] for part in reply.text.parts] == words
    assert "秘密" not in repr(await counter.audited())


async def test_an_empty_audit_says_so(counter: Counter) -> None:
    assert flat((await counter.answer(message("!監査"))).text) == "The audit is empty."


async def test_no_more_is_read_out_than_fits_a_message(counter: Counter) -> None:
    assert "50 or less" in flat((await counter.answer(message("!監査 51"))).text)


async def test_as_many_commands_are_read_out_as_were_asked_for_however_many_entries_they_have(counter: Counter) -> None:
    for number in (1, 2, 3):
        await counter.preview(message("!会員 除名 @taro:hub.example", number=number), echo_as=f"$event{number}0")
        await counter.hear(reaction("❌", f"$event{number}0", number=number * 10 + 1))
    reply = await counter.answer(message("!監査 2", number=50))
    assert [re.findall(r"\((.*)\)", flat(part))[0] for part in reply.text.parts] == [
        "called off, reference REF00003",
        "called off, reference REF00002",
    ]
    assert len(await counter.audited()) == 7  # the view folds, the audit does not


async def test_what_was_typed_bare_is_read_out_bare(counter: Counter) -> None:
    await counter.hear(message("!課 新設 zaisei 3 --名称 財政課", number=1))
    await counter.hear(message("!監査 4", number=2))
    japanese = flat((await counter.answer(message("!監査", number=3))).text)
    assert "`!監査 4`" in japanese
    assert "`!課 新設 zaisei 3 名称=財政課`" in japanese
