"""What was set aside is listed with its reference and reason, tried again or given up by it, one or all."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, update

from oshiyakusho_matrix.appservice.tables import inbox_event, inbox_letter
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.tables import outbox_message
from oshiyakusho_matrix.reconcile.tables import work
from oshiyakusho_matrix.status.parking import Parked
from oshiyakusho_matrix.store.lanes import RowState
from tests.divisions.little_town import write_town
from tests.support.fake_city import OFFICE, SECRETARY, FakeCity, alias, fake_city, someone


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
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


async def status_while_waiting(city: FakeCity) -> str:
    """Ask while work is under way, which ``city.ask`` would wait for."""
    asked = await city.hs.say_as(SECRETARY, OFFICE, "!status")
    async with asyncio.timeout(30):
        while True:
            for said in city.said():
                if said["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == asked:
                    return str(said["content"]["body"])
            await asyncio.sleep(0.01)  # what is waited for is said by another task, which tells nobody


@pytest.mark.parametrize(
    ("late", "words"), [(timedelta(minutes=30), "に再試行します"), (timedelta(), "いま再試行しています")]
)
async def test_status_names_what_is_tried_again_and_does_not_say_that_all_is_well(
    city: FakeCity, monkeypatch: pytest.MonkeyPatch, late: timedelta, words: str
) -> None:
    hanako, goes_on, tries = someone("hanako"), asyncio.Event(), 0
    attempted, invite = asyncio.Event(), city.hs.invite

    async def refuse_once(room_id: RoomId, user_id: UserId) -> None:
        nonlocal tries
        tries += 1
        attempted.set()
        if tries == 1:
            raise Temporary("the homeserver is away", late)
        await goes_on.wait()
        await invite(room_id, user_id)

    monkeypatch.setattr(city.hs, "invite", refuse_once)
    await city.hs.say_as(SECRETARY, OFFICE, f"!member admit {hanako}")
    await asyncio.wait_for(attempted.wait(), 30)
    async with asyncio.timeout(30):
        told = ""
        while words not in told:
            told = await status_while_waiting(city)
    assert "問題はありません" not in told
    assert "1 件がまだ完了していません" in told
    (line,) = (line for line in told.splitlines() if words in line)
    assert f"{hanako} さんの入室状況" in line
    assert "から 1 回失敗しています（the homeserver is away）" in line
    goes_on.set()
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(update(work).values(due_at=now()))
    city.app.loop.wake()
    await city.settle()
    assert "問題はありません" in await city.ask("!status")


async def test_status_names_events_and_messages_that_are_tried_again(city: FakeCity) -> None:
    await park_an_event(city)
    await park_a_message(city)
    later = now() + timedelta(hours=1)
    async with city.app.store.transaction() as tx:
        for table in (inbox_event, outbox_message):
            again = {"state": RowState.PENDING, "attempts": 3, "due_at": later}
            await tx.connection.execute(update(table).where(table.c.state == RowState.PARKED).values(**again))
        # In a room of its own: behind it nobody has to wait.
        away = update(inbox_event).where(inbox_event.c.reference == "EVENTREF").values(room_id="!away")
        await tx.connection.execute(away)
    told = await status_while_waiting(city)
    assert "2 件がまだ完了していません" in told
    for what in ("の受信。", "へのメッセージ。"):
        (line,) = (line for line in told.splitlines() if what in line)
        assert "3 回失敗しています" in line


async def damage_a_letter(city: FakeCity, body: str) -> None:
    """Put what nobody can read where a transaction was kept, as a damaged disk does."""
    values = {"txn_id": "damaged", "body": body, "events": 3, "received_at": now()}
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(insert(inbox_letter).values(**values))


async def test_a_transaction_that_cannot_be_read_is_set_aside_told_and_given_up_by_its_reference(
    city: FakeCity,
) -> None:
    await damage_a_letter(city, '{"events": [秘密')
    told = await city.ask("!status")  # what came after it is read all the same
    (line,) = (line for line in told.splitlines() if "まとめて届いた受信" in line)
    assert line.endswith("（JSON として読めません）")
    reference = line.strip("- ").partition("：")[0]
    assert f"受付番号 {reference} をお伝えください" in city.heard()
    assert (await city.app.status.figures()).inbox.parked == 1
    (found,) = await parked_of(city)
    assert (found.reference, found.why) == (reference, say("the body is no JSON"))
    assert "原因: JSON として読めません" in city.heard()
    assert "1 件をあきらめ" in await city.confirm(f"!drop {reference}")
    assert "問題はありません" in await city.ask("!status")
    assert "秘密" not in city.heard()


async def test_a_transaction_that_can_be_read_again_is_handled_when_it_is_retried(city: FakeCity) -> None:
    await damage_a_letter(city, "[]")
    await city.ask("!status")
    (found,) = await parked_of(city)
    assert "1 件をやり直しました" in await city.ask(f"!retry {found.reference}")
    (again,) = await parked_of(city)
    room = city.hs.room(OFFICE).room_id
    event = {"event_id": "$mended", "room_id": room, "sender": SECRETARY, "type": "m.room.message"}
    words = {"unsigned": {"age": 1}, "content": {"msgtype": "m.text", "body": "!help status"}}
    body = json.dumps({"events": [event | words]})
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(update(inbox_letter).values(body=body))
    assert "1 件をやり直しました" in await city.ask(f"!retry {again.reference}")
    assert await parked_of(city) == []
    assert "サービスの状態を表示します" in city.heard()


async def parked_of(city: FakeCity) -> list[Parked]:
    """Return what waits for a person, as ``doctor`` asks for it."""
    async with city.app.store.transaction() as tx:
        return await city.app.parking.waiting(tx)
