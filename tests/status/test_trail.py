"""One reference number leads from a transaction to all that came of it; and the log names nobody."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select

from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.operations.terminal import set_up_log
from oshiyakusho_matrix.outbox.tables import outbox_message
from oshiyakusho_matrix.settings.keys import LogKeys
from tests.divisions.little_town import write_town
from tests.support.fake_city import PORCH, FakeCity, alias, fake_city, someone


@contextmanager
def log_as_served() -> Iterator[StringIO]:
    """Have everything logged as ``serve`` does for machines, in every detail, into what is given."""
    root, file = logging.getLogger(), StringIO()
    before = root.handlers[:], root.level
    root.handlers = []
    set_up_log(LogKeys(level="debug", format="json"), file)
    try:
        yield file
    finally:
        structlog.reset_defaults()
        root.handlers, root.level = before


def lines(log: StringIO, reference: str) -> list[dict[str, Any]]:
    found = (json.loads(line) for line in log.getvalue().splitlines())
    return [line for line in found if line.get("reference") == reference]


def of(found: Sequence[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in found if line["event"] == event]


async def references(city: FakeCity, command: str) -> list[str]:
    query = select(audit.c.reference).where(audit.c.command == command).order_by(audit.c.id)
    async with city.app.store.reading() as connection:
        return list(await connection.scalars(query))


async def test_one_reference_leads_from_the_transaction_to_the_messages_that_were_sent(
    tmp_path: Path, database_url: str
) -> None:
    with log_as_served() as log:
        async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
            await city.ask(f"!member admit {someone('hanako')}")
            await city.confirm(f"!member remove {someone('hanako')}")
            (admitted,) = await references(city, "member admit")
            asked, confirmed = await references(city, "member remove")
            async with city.app.store.reading() as connection:
                sent = await connection.execute(select(outbox_message.c.id, outbox_message.c.reference))
                by_message = {row.id: row.reference for row in sent}
    assert asked == confirmed != admitted
    for reference, command in ((admitted, "member admit"), (asked, "member remove")):
        found = lines(log, reference)
        (event,) = of(found, "an event was handled")
        assert event["transaction"].startswith("fake-")
        assert event["type"] == "m.room.message"
        assert [line["command"] for line in of(found, "a command was run")] == [command]
        assert [line["key"].partition(":")[0] for line in of(found, "a key has settled")][:1] == ["member"]
        messages = [line["message"] for line in of(found, "a message was sent")]
        assert messages
        assert {by_message[message] for message in messages} == {reference}
    # ✅ is an event of its own; what came of it belongs to the command.
    (answered,) = [json.loads(line) for line in log.getvalue().splitlines() if "a preview was answered" in line]
    assert answered["confirmation"] == asked != answered["reference"]


async def test_rooms_that_a_command_makes_are_found_by_its_reference(tmp_path: Path, database_url: str) -> None:
    with log_as_served() as log:
        async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
            await city.ask("!division create koen 公園課 --group zei")
            (reference,) = await references(city, "division create")
    settled = {line["key"] for line in of(lines(log, reference), "a key has settled")}
    assert {"room:ka-koen", "room:ka-koen-danwa", "room:cityhall-zei"} <= settled
    assert {line["room"] for line in of(lines(log, reference), "a room was put right")} >= {"ka-koen", "ka-koen-danwa"}


async def test_who_asks_reads_the_reference_of_what_failed(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        city.hs.fail_next("invite", Permanent("no such user"))
        answer = await city.ask(f"!member admit {someone('hanako')}")
        (reference,) = await references(city, "member admit")
        assert "処理できませんでした" in answer
        assert f"受付番号：{reference}" in answer
        assert city.heard().count(f"受付番号：{reference}") == 2  # the asker, and 事務局室 as such
        assert reference in await city.ask("!status")


async def test_the_log_of_a_day_names_nobody(tmp_path: Path, database_url: str) -> None:
    people = {name: someone(name) for name in ("hanako", "jirosaburo")}
    words = "今日はお昼に集まりませんか"
    with log_as_served() as log:
        async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
            hanako, jiro = await city.member("hanako"), people["jirosaburo"]
            await city.hs.join_as(hanako, alias("ka-zaisei-danwa"))
            await city.hs.knock_as(jiro, PORCH)
            await city.say(hanako, words, room=alias("ka-zaisei-danwa"))
            await city.say(hanako, "!unsinn", room=alias("ka-zaisei-danwa"))
            await city.ask(f"!division head zaisei {hanako}")
            # Fails for a while, fails for good, is refused, is put out.
            city.hs.fail_next("invite", Permanent("no"))
            await city.ask(f"!member admit {jiro}")
            await city.ask("!retry")
            await city.ask(f"!member admit {city.hs.bot}")
            membership = ("m.room.member", someone("gaibu"), {"membership": "join"})
            await city.hs.send_state_as(someone("root"), alias("ka-zaisei-danwa"), *membership, by_force=True)
            await city.settle()
            await city.confirm(f"!member remove {hanako}")
            await city.ask("!audit")
    text = log.getvalue()
    assert text.count("a key has settled") > 20
    for secret in ("hanako", "jirosaburo", "gaibu", "kanri", words, "お昼", "unsinn", "member admit @"):
        assert secret not in text, [line for line in text.splitlines() if secret in line][:3]


async def test_a_refusal_that_only_the_operators_can_do_something_about_tells_the_number_in_the_audit(
    tmp_path: Path, database_url: str
) -> None:
    rooms = write_town(tmp_path / "rooms")
    async with fake_city(database_url, rooms) as city:
        (rooms / "divisions" / "juumin.yaml").write_text("slug: [", encoding="utf-8")
        answer = await city.ask("!rooms apply --yes")
        (reference,) = await references(city, "rooms apply")
        assert answer.splitlines()[-1] == f"受付番号：{reference}"
        assert "受付番号" not in await city.ask("!division show nowhere")
