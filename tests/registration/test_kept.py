"""How long applications are kept, and when the secretariat is reminded of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.tables import application, application_card, application_code
from oshiyakusho_matrix.registration.views import Ticket
from tests.registration.desk import TARO, Desk

NOON = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which begins at noon in Japan."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


async def exists(desk: Desk, ticket: Ticket) -> bool:
    async with desk.city.app.store.reading() as connection:
        query = select(application.c.reference).where(application.c.reference == ticket.reference)
        return await connection.scalar(query) is not None


async def pass_by(desk: Desk, clock: time_machine.Traveller, time: timedelta) -> None:
    """Let time go by; what falls due in it is done."""
    clock.shift(time)
    desk.city.app.loop.wake()
    await desk.city.settle()


async def test_drafts_are_gone_after_seven_days(desk: Desk, clock: time_machine.Traveller) -> None:
    draft, claiming = await desk.file(), await desk.proven(token="two")
    await pass_by(desk, clock, timedelta(days=6, hours=23))
    assert await exists(desk, draft)
    assert await exists(desk, claiming)
    await pass_by(desk, clock, timedelta(hours=2))
    assert not await exists(desk, draft)
    assert not await exists(desk, claiming)
    async with desk.city.app.store.reading() as connection:
        assert not (await connection.execute(select(application_code))).all()


async def test_what_was_rejected_is_gone_after_ninety_days(desk: Desk, clock: time_machine.Traveller) -> None:
    ticket = await desk.complete(TARO)
    await desk.city.ask(f"!application reject {ticket.reference} 在籍が確認できません")
    await pass_by(desk, clock, timedelta(days=89))
    assert await exists(desk, ticket)
    await pass_by(desk, clock, timedelta(days=2))
    assert not await exists(desk, ticket)
    async with desk.city.app.store.reading() as connection:
        assert not (await connection.execute(select(application_card))).all()


async def test_what_was_withdrawn_is_gone_the_day_after(desk: Desk, clock: time_machine.Traveller) -> None:
    ticket = await desk.complete(TARO)
    await desk.do("withdraw", ticket)
    assert (await desk.status(ticket)).application.state is State.WITHDRAWN
    await pass_by(desk, clock, timedelta(days=1, hours=1))
    assert not await exists(desk, ticket)


async def test_the_file_of_a_member_stays_until_90_days_after_they_left(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "✅")
    await pass_by(desk, clock, timedelta(days=200))
    assert await exists(desk, ticket)
    await desk.city.confirm(f"!member remove {TARO}")
    assert (await desk.status(ticket)).application.state is State.FORMER
    await pass_by(desk, clock, timedelta(days=91))
    assert not await exists(desk, ticket)


async def test_a_start_later_in_the_day_is_no_morning_and_one_that_was_missed_is_made_up_for(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    await desk.complete(TARO)
    for later, told in ((timedelta(hours=2), 0), (timedelta(hours=20), 1), (timedelta(hours=1), 1)):
        clock.shift(later)
        async with desk.city.app.store.transaction() as tx:
            await desk.registration.open(tx)
        await desk.city.settle()
        assert desk.city.heard().count("おはようございます") == told


async def test_the_secretariat_is_reminded_of_what_waits_and_told_each_morning(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    ticket = await desk.complete(TARO)
    before = desk.city.heard().count(ticket.reference)
    await pass_by(desk, clock, timedelta(hours=21, minutes=5))  # 9:05
    assert "おはようございます" in desk.city.said()[-1]["content"]["body"]
    assert desk.city.heard().count(ticket.reference) == before + 1
    await pass_by(desk, clock, timedelta(minutes=30))
    assert desk.city.heard().count(ticket.reference) == before + 1
    await pass_by(desk, clock, timedelta(days=2, hours=6))
    assert "審査を" in desk.city.heard()
    await desk.react(ticket, "✅")
    after = desk.city.heard()
    await pass_by(desk, clock, timedelta(days=5))
    assert "おはようございます" not in desk.city.heard()[len(after) :]


async def test_what_was_rejected_is_gone_in_time_although_the_homeserver_does_not_end_the_knock(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    ticket = await desk.complete(TARO)
    desk.city.hs.fail_next("kick", Forbidden("M_FORBIDDEN"))
    await desk.city.ask(f"!application reject {ticket.reference} 在籍が確認できません")
    assert await desk.city.parked() == []
    await pass_by(desk, clock, timedelta(days=91))
    assert not await exists(desk, ticket)
