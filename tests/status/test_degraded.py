"""One broken row, room or file stops neither the start nor the rest, and is named with its cause and its cure."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import structlog.testing

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import NewRoom
from oshiyakusho_matrix.store.unit_of_work import Transaction
from tests.divisions.little_town import division, write_town
from tests.support.fake_city import HALL, SECRETARY, SERVER, FakeCity, alias, fake_city, someone

BOT = UserId(f"@shiyakusho:{SERVER}")
DANWA = alias("ka-juumin-danwa")
HANAKO, TARO, YOSO = someone("hanako"), someone("taro"), someone("yoso")
#: JSON of the wrong shape, for any column of JSON on any database.
MISSHAPEN = '{"what": ["is", "this"]}'


async def stands(city: FakeCity) -> None:
    """Look whether all that matters works: admitting, entering, commands, drift, putting out, removing."""
    assert f"{TARO} さんを会員として承認しました" in await city.ask(f"!member admit {TARO}")
    await city.hs.join_as(TARO, HALL)
    await city.hs.join_as(TARO, DANWA)
    await city.settle()
    await city.hs.send_state_as(SECRETARY, alias("ka-juumin"), "m.room.name", "", {"name": "変"}, by_force=True)
    outsider = ("m.room.member", YOSO, {"membership": "join"})
    await city.hs.send_state_as(SECRETARY, DANWA, *outsider, by_force=True)
    await city.settle()
    assert (city.room("ka-juumin").content("m.room.name") or {})["name"] != "変"
    assert city.room("ka-juumin-danwa").membership(YOSO) == "leave"
    await city.ask(f"!member remove {TARO} --yes")
    assert city.room("ka-juumin-danwa").membership(TARO) == "leave"
    assert city.room("cityhall").membership(TARO) == "leave"


class Break:
    """Statements that break rows, and what ``!status`` then says of each; ``None`` if the row is no record."""

    def __init__(self, *statements: str, told: str | None, sqlite_only: bool = False) -> None:
        self.statements = statements
        self.told = told
        self.sqlite_only = sqlite_only

    async def do(self, tx: Transaction) -> None:
        """Break it. ``<NAME>`` stands for what this module calls so."""
        for statement in self.statements:
            for name, value in (("MISSHAPEN", MISSHAPEN), ("HANAKO", HANAKO), ("TARO", TARO)):
                statement = statement.replace(f"<{name}>", value)
            await tx.connection.exec_driver_sql(statement)


BREAKS: Mapping[str, Break] = {
    "space.declared of a group": Break(
        "UPDATE space SET declared = '<MISSHAPEN>' WHERE slug = 'kikaku'", told="スペース kikaku の記録"
    ),
    "space.declared that is no JSON": Break(
        "UPDATE space SET declared = '{{{' WHERE slug = 'zaisei'", told="スペース zaisei の記録", sqlite_only=True
    ),
    "space.lifecycle of a division": Break(
        "UPDATE space SET lifecycle = 'asleep' WHERE slug = 'zaisei'", told="スペース zaisei の記録"
    ),
    "space_kind.content": Break(
        "INSERT INTO space_kind (key, content) VALUES ('old', '<MISSHAPEN>')", told="スペースの種類 old"
    ),
    "member.user_id": Break(
        "INSERT INTO member (user_id, standing, secretariat, hall, office, changed_at, changed_by)"
        " SELECT 'nobody', standing, secretariat, hall, office, changed_at, changed_by FROM member LIMIT 1",
        told="nobody の記録",
    ),
    "member.standing": Break("UPDATE member SET standing = 'maybe' WHERE user_id = '<HANAKO>'", told="hanako"),
    "managed_room.audience": Break(
        "UPDATE managed_room SET audience = 'cats' WHERE alias_localpart = 'ka-zaisei-danwa'",
        told="部屋 ka-zaisei-danwa の記録",
    ),
    "managed_room.room_id": Break(
        "UPDATE managed_room SET room_id = 'nowhere' WHERE alias_localpart = 'ka-zaisei-danwa'", told=None
    ),
    "mandate.user_id": Break(
        "INSERT INTO mandate (slug, user_id, office, since, granted_by)"
        " VALUES ('zaisei', 'nobody', 'head', '2026-01-01 00:00:00', 'x'), ('nowhere', 'x', 'y', '2026-01-01', 'x')",
        told=None,
    ),
    "work": Break(
        "INSERT INTO work (kind, name, priority, due_at, asked, attempts, crashes, created_at, last_error) VALUES"
        " ('member', 'nobody', 0, '2026-01-01 00:00:00', 1, 0, 0, '2026-01-01 00:00:00', '<MISSHAPEN>'),"
        " ('room', 'nowhere', 0, '2026-01-01 00:00:00', 1, 0, 0, '2026-01-01 00:00:00', '<MISSHAPEN>'),"
        " ('follow_up', 'gone', 0, '2026-01-01 00:00:00', 1, 0, 0, '2026-01-01 00:00:00', '<MISSHAPEN>')",
        told=None,
    ),
    "work.due_at that is no moment": Break(
        "INSERT INTO work (kind, name, priority, due_at, asked, attempts, crashes, created_at) VALUES"
        " ('room', 'a', 0, 'never', 1, 0, 0, 'never')",
        told=None,
        sqlite_only=True,
    ),
    "follow_up": Break(
        "INSERT INTO follow_up (id, reply_to, done, told_waiting, told_trouble, failed, created_at)"
        " VALUES ('broken', '<MISSHAPEN>', '<MISSHAPEN>', false, false, false, '2026-01-01 00:00:00')",
        "INSERT INTO follow_up_key (follow_up_id, kind, name, position, asked, settled, said)"
        " VALUES ('broken', 'member', '<TARO>', 0, 1, false, '[]')",
        told=None,
    ),
    "outbox_message": Break(
        "INSERT INTO outbox_message"
        " (address, event_type, content, transaction_id, state, attempts, failures, due_at, created_at) VALUES"
        " ('nowhere', 'm.room.message', '<MISSHAPEN>', 'broken', 'pending', 0, 0, '2026-01-01 00:00:00',"
        " '2026-01-01 00:00:00'),"
        " ('x', 'y', '[]', 'odd', 'asleep', 0, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
        told=None,
    ),
    "inbox_letter": Break(
        "INSERT INTO inbox_letter (txn_id, body, events, received_at)"
        " VALUES ('broken', '{{{', 3, '2026-01-01 00:00:00'), ('broken2', '[]', 3, '2026-01-01 00:00:00')",
        told=None,
    ),
    "inbox_event": Break(
        "INSERT INTO inbox_event (event_id, txn_id, room_id, sender, type, content, unsigned, origin_server_ts,"
        " received_at, reference, state, attempts, failures, due_at) VALUES ('$broken', '1', '!nowhere', 'nobody',"
        " 'm.room.message', '[]', '[]', 0, '2026-01-01 00:00:00', 'BROKENXX', 'pending', 0, 4, '2026-01-01 00:00:00')",
        told=None,
    ),
    "confirmation": Break(
        "INSERT INTO confirmation (id, asker, command, arguments, room_id, reply_to, expires_at, state) VALUES"
        " ('broken', 'x', 'nothing', '[]', '!x', '[]', '2026-01-01 00:00:00', 'asleep')",
        told=None,
    ),
    "language_preference": Break(
        "INSERT INTO language_preference (user_id, language, changed_at)"
        " VALUES ('<TARO>', 'xx', '2026-01-01 00:00:00')",
        told=None,
    ),
    "direct_chat": Break(
        "INSERT INTO direct_chat (reference, room_id, user_id, direct, encrypted, own, state, since)"
        " VALUES ('broken', 'nowhere', 'nobody', true, false, false, 'asleep', '2026-01-01 00:00:00')",
        told=None,
    ),
    "drift": Break(
        "INSERT INTO drift (event_id, alias_localpart, event_type, state_key, sender, seen_at)"
        " VALUES ('$broken', 'ka-juumin', 'm.what', '', 'nobody', '2026-01-01 00:00:00')",
        told=None,
    ),
    "audit": Break(
        "INSERT INTO audit (at, actor, command, target, arguments, outcome, reference)"
        " VALUES ('2026-01-01 00:00:00', 'x', 'nothing', '', '[]', 'asleep', 'BROKEN')",
        told=None,
    ),
    "lane_lease": Break(
        "INSERT INTO lane_lease (queue, lane, holder, leased_until) VALUES ('what', 'x', 'y', '2026-01-01 00:00:00')",
        told=None,
    ),
}


@pytest.mark.parametrize("broken", BREAKS, ids=str)
async def test_a_broken_row_stops_neither_the_start_nor_the_rest(
    tmp_path: Path, database_url: str, broken: str
) -> None:
    damage = BREAKS[broken]
    if damage.sqlite_only and not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL does not keep such a row")
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(BOT)
    async with fake_city(database_url, rooms, hs=hs) as city:
        await city.member("hanako")
        await city.hs.join_as(HANAKO, alias("ka-zaisei-danwa"))
        links = {name: city.links(name) for name in ("cityhall", "cityhall-kikaku", "cityhall-zei", "ka-zaisei")}
        async with city.app.store.transaction() as tx:
            await damage.do(tx)
    with structlog.testing.capture_logs() as logs:
        async with fake_city(database_url, rooms, hs=hs) as city:
            await stands(city)
            # Not known is not absent: nobody is put out and nothing is unlinked for it.
            assert city.room("ka-zaisei-danwa").membership(HANAKO) == "join"
            assert {name: city.links(name) for name in links} == links
            status = await city.ask("!status")
            assert "最近の記録" in await city.ask("!audit")
            if damage.told is not None:
                assert damage.told in status
                assert "読めません" in status
                await city.ask("!rooms apply --yes")
    named = [line for line in logs if line["event"] == "this cannot be read"]
    assert bool(named) is (damage.told is not None)
    assert all(line["cure"] and line["cause"] for line in named)


async def test_a_record_that_was_mended_is_read_again(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        await city.member("hanako")
        async with city.app.store.transaction() as tx:
            for name in ("space.declared of a group", "space.lifecycle of a division", "member.standing"):
                await BREAKS[name].do(tx)
        assert (await city.ask("!status")).count("読めません") == 3
        assert city.app.troubles.found == 3
        assert "書き直せます" in await city.ask("!status")
        await city.ask("!rooms apply --yes")
        await city.ask(f"!member admit {HANAKO}")
        assert "問題はありません" in await city.ask("!status")
        assert city.app.troubles.found == 0


async def test_a_broken_room_does_not_keep_the_others_from_being_made_and_is_named(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        make = city.hs.create_room

        async def create_room(room: NewRoom) -> RoomId:
            if room.alias_localpart == "ka-koen-danwa":
                raise Permanent("M_UNSUPPORTED_ROOM_VERSION")
            return await make(room)

        monkeypatch.setattr(city.hs, "create_room", create_room)
        await city.ask("!division create koen 公園課 --group zei")
        assert (city.exists("ka-koen-danwa"), city.exists("ka-koen-oshirase")) == (False, True)
        assert "ka-koen" in city.links("cityhall-zei")
        (parked,) = await city.parked()
        status = await city.ask("!status")
        assert f"{parked.reference}：部屋「公園課 談話室」（M_UNSUPPORTED_ROOM_VERSION）" in status
        await stands(city)


async def test_the_first_start_leaves_out_a_division_with_a_mistake_and_names_it(
    tmp_path: Path, database_url: str
) -> None:
    rooms = write_town(tmp_path / "rooms", {"divisions/koen.yaml": "slug: KOEN!\n"})
    async with fake_city(database_url, rooms) as city:
        await stands(city)
        assert not city.exists("ka-koen")
        for told in (city.heard(), await city.ask("!status")):
            assert "koen.yaml:1" in told
        (rooms / "divisions" / "koen.yaml").write_text(division("koen"), encoding="utf-8")
        await city.ask("!rooms apply --yes")
        assert city.exists("ka-koen")
        assert "問題はありません" in await city.ask("!status")


async def test_a_start_with_mistaken_files_closes_nothing_and_names_them(tmp_path: Path, database_url: str) -> None:
    rooms, hs = write_town(tmp_path / "rooms"), FakeHomeserver(BOT)
    async with fake_city(database_url, rooms, hs=hs):
        pass
    (rooms / "divisions" / "juumin.yaml").write_text("slug: [", encoding="utf-8")
    async with fake_city(database_url, rooms, hs=hs) as city:
        assert "ka-juumin" in city.links("cityhall-zei")
        assert "juumin.yaml:" in await city.ask("!status")
        await stands(city)
