"""A desk that was closed: what it has taken in is kept no longer for that, and whoever leaves is forgotten."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine
from sqlalchemy import select

from oshiyakusho_matrix.core.sealing import new_key
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.roster.affiliations import affiliations
from tests.conftest import NewDatabase
from tests.registration.desk import TARO, form_of, open_desk
from tests.support.fake_city import FakeCity, fake_city
from tests.support.mail import Mailbox


async def states(city: FakeCity) -> dict[str, str]:
    """Return where each application stands."""
    async with city.app.store.reading() as connection:
        rows = await connection.execute(select(application.c.reference, application.c.state))
        return {row.reference: row.state for row in rows}


async def pass_by(city: FakeCity, clock: time_machine.Traveller, time: timedelta) -> None:
    """Let time go by; what falls due in it is done."""
    clock.shift(time)
    city.app.loop.wake()
    await city.settle()


async def test_files_are_closed_and_deleted_in_time_although_the_desk_is_closed(
    database_url: str, tmp_path: Path, mailbox: Mailbox
) -> None:
    with time_machine.travel(datetime(2026, 11, 10, 3, 0, tzinfo=UTC)) as clock:
        async with open_desk(database_url, tmp_path, mailbox) as desk:
            draft = await desk.file(form_of("draft"), token="draft")
            member = await desk.complete(TARO)
            await desk.react(member, "✅")
            hs = desk.city.hs
        async with fake_city(database_url, tmp_path / "rooms", hs=hs) as city:
            assert await states(city) == {draft.reference: "draft", member.reference: "admitted"}
            await pass_by(city, clock, timedelta(days=8))
            assert await states(city) == {member.reference: "admitted"}
            await city.ask(f"!member remove {TARO} --yes")
            assert await states(city) == {member.reference: "former"}
            async with city.app.store.reading() as connection:
                assert await affiliations(connection, [TARO]) == {}
            await pass_by(city, clock, timedelta(days=91))
            assert await states(city) == {}


async def test_what_waits_for_an_open_desk_does_not_trouble_a_closed_one_and_goes_on_after_it(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    url, key = new_database("sqlite"), new_key()
    with time_machine.travel(datetime(2026, 11, 10, 3, 0, tzinfo=UTC)) as clock:
        async with open_desk(url, tmp_path, mailbox, keys=[key]) as desk:
            waiting = await desk.complete(TARO)
            hs = desk.city.hs
        async with fake_city(url, tmp_path / "rooms", hs=hs) as city:
            await pass_by(city, clock, timedelta(days=4))
            assert (await city.app.status.figures()).work.due == 0
        async with open_desk(url, tmp_path, mailbox, hs=hs, keys=[key]) as desk:
            await pass_by(desk.city, clock, timedelta(days=1))
            reminders = [each for each in desk.city.said() if waiting.reference in each["content"]["body"]]
            assert any("待っています" in each["content"]["body"] for each in reminders)
