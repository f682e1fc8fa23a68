"""Records from a backup beside a homeserver that has gone on: nothing is said twice, and no room is made twice."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import time_machine

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.catalogue import load_from
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.homeserver.interface import NewRoom, StateEvent
from oshiyakusho_matrix.operations.backup import backup, restore
from oshiyakusho_matrix.store.engine import create_engine
from tests.conftest import NewDatabase
from tests.divisions.little_town import write_town
from tests.operations.test_backup import settings
from tests.support.fake_city import OFFICE, PORCH, SECRETARY, SERVER, FakeCity, deliver_to, fake_city, someone

Said = Counter[tuple[str, str]]


def all_said(hs: FakeHomeserver) -> Said:
    """Return what the bot has said: how often, where and what."""
    return Counter(
        (room_id, event["content"]["body"])
        for room_id, room in hs.world.rooms.items()
        for event in room.timeline
        if event["sender"] == hs.bot and event["type"] == "m.room.message"
    )


async def chat(hs: FakeHomeserver, user: UserId, *, encrypted: bool) -> None:
    """Open a direct chat with the bot, as clients do."""
    state = [StateEvent("m.room.encryption", "", {"algorithm": "m.megolm.v1.aes-sha2"})] if encrypted else []
    room_id = await hs.create_room_as(user, NewRoom(version="12", state=state))
    await hs.send_state_as(user, room_id, "m.room.member", hs.bot, {"membership": "invite", "is_direct": True})


async def owe_an_answer(city: FakeCity) -> None:
    """Have a command run whose outcome does not come any more."""
    await city.app.loop.stop()
    await city.hs.say_as(SECRETARY, OFFICE, f"!member admit {someone('hanako')}")
    await city.app.inbox.idle()


async def only_kept(hs: FakeHomeserver, database_url: str, rooms: Path) -> None:
    """Have much happen that is taken in, and not handled yet."""
    engine = create_engine(database_url)
    identity = Identity(appservice_id="test", server_name=SERVER, bot=hs.bot, secretariat=(SECRETARY,))
    app = CityHallApp(identity=identity, homeserver=hs, engine=engine, load=load_from(rooms))
    hs.deliver = deliver_to(app)
    try:
        await hs.say_as(SECRETARY, OFFICE, "!status")
        await hs.say_as(SECRETARY, OFFICE, f"!member admit {someone('hanako')}")
        await hs.knock_as(someone("taro"), PORCH)
        await chat(hs, SECRETARY, encrypted=False)
        await chat(hs, someone("jiro"), encrypted=True)
        await hs.say_as(SECRETARY, OFFICE, f"!member remove {someone('hanako')}")
    finally:
        hs.deliver = None
        await engine.dispose()


async def test_what_was_waiting_when_the_backup_was_made_is_answered_once(
    tmp_path: Path, database_kind: str, new_database: NewDatabase
) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    old, new, file = new_database(database_kind), new_database(database_kind), tmp_path / "b"
    async with fake_city(old, rooms, hs=hs):
        pass
    await only_kept(hs, old, rooms)
    await backup(settings(tmp_path, old), file)
    async with fake_city(old, rooms, hs=hs) as city:
        await city.settle()
        heard, made = all_said(hs), set(hs.world.rooms)
        # Five answers in all, one of them the outcome; and a greeting, and a link out of the encrypted chat.
        assert len(heard) >= 6, heard

    await restore(settings(tmp_path, new), file)
    async with fake_city(new, rooms, hs=hs) as city:
        await city.settle()
        again = all_said(hs)
        assert set(hs.world.rooms) == made
        (notice,) = (again - heard).elements()
        assert "バックアップ" in notice[1]
        assert not await city.parked()
        figures = await city.app.status.figures()
        assert (figures.inbox.pending, figures.outbox.pending) == (0, 0)


async def test_a_backup_that_the_homeserver_has_outlived_says_nothing_of_what_was_waiting_a_second_time(
    tmp_path: Path, database_kind: str, new_database: NewDatabase
) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    old, new, file = new_database(database_kind), new_database(database_kind), tmp_path / "b"
    async with fake_city(old, rooms, hs=hs) as city:
        await owe_an_answer(city)
        await chat(hs, someone("shiro"), encrypted=False)
        await city.app.inbox.idle()
    await only_kept(hs, old, rooms)
    await backup(settings(tmp_path, old), file)
    async with fake_city(old, rooms, hs=hs) as city:
        await city.settle()
        heard, made = all_said(hs), set(hs.world.rooms)

    hs.world.sent.clear()  # as a homeserver forgets transaction ids
    with time_machine.travel(now() + timedelta(days=3)):
        await restore(settings(tmp_path, new), file)
        async with fake_city(new, rooms, hs=hs) as city:
            await city.settle()
            (notice,) = (all_said(hs) - heard).elements()
            assert "届いたばかりだったもの" in notice[1]
            assert set(hs.world.rooms) == made
            assert not await city.parked()
            figures = await city.app.status.figures()
            assert (figures.inbox.pending, figures.inbox.held, figures.outbox.pending) == (0, 0, 0)


async def test_an_answer_that_was_owed_when_the_backup_was_made_is_given_once(
    tmp_path: Path, database_kind: str, new_database: NewDatabase
) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    old, new, file = new_database(database_kind), new_database(database_kind), tmp_path / "b"
    async with fake_city(old, rooms, hs=hs) as city:
        await owe_an_answer(city)
        await backup(settings(tmp_path, old), file)
    async with fake_city(old, rooms, hs=hs) as city:
        await city.settle()
        heard = all_said(hs)
        assert str(someone("hanako")) in city.heard()

    await restore(settings(tmp_path, new), file)
    async with fake_city(new, rooms, hs=hs) as city:
        await city.settle()
        (notice,) = (all_said(hs) - heard).elements()
        assert "バックアップ" in notice[1]
