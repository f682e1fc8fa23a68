"""The audit: each privileged run, in order, for ever; and read out in words."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import UserId
from tests.commands.conftest import Counter
from tests.commands.fakes import TARO, flat, message, reaction

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
        ("REF00004", "@stranger:town.example", "division create", "zaisei", "refused"),
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


async def test_what_a_stranger_typed_wrongly_is_entered_without_arguments(counter: Counter) -> None:
    await counter.hear(message("!課 新設 だめ", sender=STRANGER))
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
        "- 2026-04-01 12:00 @hanako:hub.example: `!division create zaisei3 name=財政課` (done, reference REF00003)",
        "- 2026-04-01 12:00 @hanako:hub.example: `!division create zaisei2 name=財政課` (done, reference REF00002)",
    ]
    assert flat((await counter.answer(message("!audit", sender=TARO, number=5))).text).startswith(
        "Only the secretariat"
    )
    assert [row.command for row in await counter.audited()][-2:] == ["audit", "audit"]


async def test_an_empty_audit_says_so(counter: Counter) -> None:
    assert flat((await counter.answer(message("!監査"))).text) == "The audit is empty."


async def test_no_more_is_read_out_than_fits_a_message(counter: Counter) -> None:
    assert "50 or less" in flat((await counter.answer(message("!監査 51"))).text)
