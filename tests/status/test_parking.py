"""What was set aside is listed with its reference and reason, tried again or given up by it, one or all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from sqlalchemy import insert, select, update

from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.outbox.tables import outbox_message
from oshiyakusho_matrix.store.lanes import RowState
from tests.divisions.little_town import write_town
from tests.support.fake_city import FakeCity, alias, fake_city, someone


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[FakeCity]:
    async with fake_city(tmp_path, write_town(tmp_path / "rooms")) as running:
        yield running


async def park_a_key(city: FakeCity) -> str:
    city.hs.fail_next("invite", Permanent("no such user"))
    await city.ask(f"!member admit {someone('hanako')}")
    (parked,) = await city.parked()
    return parked.reference


async def park_an_event(city: FakeCity, reference: str = "EVENTREF") -> None:
    """Set an event aside as the inbox does after five failures."""
    async with city.app.store.transaction() as tx:
        event_id = await tx.connection.scalar(
            select(inbox_event.c.event_id).order_by(inbox_event.c.seq.desc()).limit(1)
        )
        await tx.connection.execute(
            update(inbox_event)
            .where(inbox_event.c.event_id == event_id)
            .values(state=RowState.PARKED, failures=5, last_error="KeyError", reference=reference, content={"a": 1})
        )


async def park_a_message(city: FakeCity, reference: str = "MESSAGER") -> None:
    present = now()
    values = {"address": city.room("cityhall-genkan").room_id, "event_type": "m.room.message", "attempts": 1}
    content = {"msgtype": "m.notice", "body": "late"}
    times = {"due_at": present, "created_at": present}
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(
            insert(outbox_message).values(
                **values,
                **times,
                content=content,
                transaction_id="och-late",
                state=RowState.PARKED,
                failures=0,
                last_error="it could double",
                reference=reference,
            )
        )


async def test_status_lists_each_thing_with_its_reference_and_reason(city: FakeCity) -> None:
    assert "問題はありません" in await city.ask("!status")
    key = await park_a_key(city)
    await park_an_event(city)
    await park_a_message(city)
    told = await city.ask("!status")
    assert "3 件に人の対応が必要です" in told
    lines = {line.strip("- ").partition("：")[0]: line for line in told.splitlines() if "：" in line}
    assert "no such user" in lines[key]
    assert "KeyError" in lines["EVENTREF"]
    assert "it could double" in lines["MESSAGER"]


async def test_retry_takes_up_one_or_all(city: FakeCity) -> None:
    key = await park_a_key(city)
    await park_an_event(city)
    await park_a_message(city)
    assert "保留になっているものはありません" in await city.ask("!retry NICHTDA2")
    assert "1 件をやり直しました" in await city.ask("!retry  messager")  # as people type
    assert "late" in city.heard(alias("cityhall-genkan"))
    assert [p.reference for p in await city.parked()] == [key]
    assert "2 件をやり直しました" in await city.ask("!再試行")
    assert await city.parked() == []
    figures = await city.app.status.figures()
    assert figures.parked == 0
    assert city.room("cityhall").membership(someone("hanako")) == "invite"


async def test_drop_shows_first_what_it_gives_up_and_is_audited(city: FakeCity) -> None:
    key = await park_a_key(city)
    await park_an_event(city)
    await park_a_message(city)
    assert "保留になっているものはありません" in await city.ask("!drop NICHTDA2")
    preview = await city.ask("!drop MESSAGER")
    assert "it could double" in preview
    assert "✅" in preview
    assert (await city.app.status.figures()).parked == 3
    for reference, left in ((key, 2), ("EVENTREF", 1), ("MESSAGER", 0)):
        assert "1 件をあきらめ" in await city.confirm(f"!破棄 {reference}")
        assert (await city.app.status.figures()).parked == left
    assert await city.parked() == []
    assert "late" not in city.heard(alias("cityhall-genkan"))
    async with city.app.store.reading() as connection:
        targets = list(await connection.scalars(select(audit.c.target).where(audit.c.outcome == "confirmed")))
        kept = (await connection.execute(select(inbox_event).where(inbox_event.c.reference == "EVENTREF"))).one()
    assert targets == [key, "EVENTREF", "MESSAGER"]
    # Its row stays, empty: delivered once more it is no news.
    assert (kept.state, kept.content) == ("done", {})


async def test_who_is_no_secretary_can_neither_list_nor_drop(city: FakeCity) -> None:
    await park_a_message(city)
    hanako = await city.member("hanako")
    room = alias("ka-zaisei-danwa")
    await city.hs.join_as(hanako, room)
    for command in ("!status", "!retry MESSAGER", "!drop MESSAGER --yes"):
        assert "事務局" in await city.ask(command, sender=hanako, room=room)
    assert (await city.app.status.figures()).outbox.parked == 1
