"""What Prometheus reads is what is so: the gate, what waits and since when, what failed, how long work took."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.measures import BOUNDS, Durations
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.operations.metrics import Watch
from oshiyakusho_matrix.operations.monitoring import Health
from oshiyakusho_matrix.outbox.mail import MailOutbox
from oshiyakusho_matrix.outbox.tables import lanes, outbox_message
from oshiyakusho_matrix.registration.composition import Policy, Reception
from oshiyakusho_matrix.store.lanes import Backlog, RowState
from oshiyakusho_matrix.store.sealing import missing_keys
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.divisions.little_town import ROOMS, write_town
from tests.support.fake_city import FakeCity, alias, fake_city, someone
from tests.support.mail import SENDER, Mailbox

DANWA = alias("ka-zaisei-danwa")


async def read(city: FakeCity) -> Mapping[str, float]:
    """Return what stands on the page, by name and labels, without our lead."""
    page = (await Watch.over(city.app, Health(city.app.store, city.hs)).page()).decode()
    return {name: float(value) for name, value in re.findall(r"^oshiyakusho_(\S+) (\S+)$", page, re.MULTILINE)}


async def test_who_is_where_they_do_not_belong_is_counted_until_they_are_out(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        before = await read(city)
        assert (before["gate_violations"], before["gate_put_out_total"]) == (0, 0)
        assert (before["members"], before["rooms"], before["rooms_made"]) == (1, ROOMS, ROOMS)
        city.hs.fail_next("kick", Permanent("no"))
        outsider = ("m.room.member", someone("yoso"), {"membership": "join"})
        await city.hs.send_state_as(someone("root"), DANWA, *outsider, by_force=True)
        await city.settle()
        seen = await read(city)
        assert (seen["gate_violations"], seen["gate_put_out_total"], seen["work_parked"]) == (1, 0, 1)
        assert "出される人: 1 人" in await city.ask("!status")
        await city.ask("!retry")
        after = await read(city)
        assert (after["gate_violations"], after["gate_put_out_total"], after["work_parked"]) == (0, 1, 0)
        assert city.room("ka-zaisei-danwa").membership(someone("yoso")) == "leave"


async def test_who_was_removed_is_counted_until_they_are_out(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        hanako = await city.member("hanako")
        city.hs.fail_next("kick", Permanent("no"))
        await city.ask(f"!member remove {hanako} --yes")
        assert ((await read(city))["members_leaving"], (await read(city))["members"]) == (1, 1)
        await city.ask("!retry")
        assert (await read(city))["members_leaving"] == 0


async def test_what_the_homeserver_refused_and_how_long_work_took_is_counted(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        city.hs.fail_next("invite", Permanent("no"))
        await city.ask(f"!member admit {someone('hanako')}")
        seen = await read(city)
        assert seen['homeserver_errors_total{call="invite",code="other"}'] == 1
        settled = seen['work_run_seconds_count{controller="room"}']
        assert settled >= ROOMS
        assert seen['work_latency_seconds_bucket{controller="room",le="+Inf"}'] == settled
        assert (
            seen['work_latency_seconds_sum{controller="room"}'] >= seen['work_run_seconds_sum{controller="room"}'] > 0
        )


async def test_what_waits_is_counted_with_its_age(store: Store) -> None:
    present = now()
    async with store.transaction() as tx:
        for number, state in enumerate((RowState.PENDING, RowState.PENDING, RowState.PARKED, RowState.SENT)):
            await tx.connection.execute(
                insert(outbox_message).values(
                    address="!a",
                    event_type="m.room.message",
                    content={},
                    transaction_id=str(number),
                    state=state,
                    attempts=0,
                    failures=0,
                    due_at=present,
                    created_at=present + timedelta(minutes=number - 5),
                )
            )
        found = await lanes.backlog(tx.connection, outbox_message.c.created_at)
    assert found == Backlog(pending=2, held=0, parked=1, oldest=present - timedelta(minutes=5))


def test_durations_are_counted_in_classes_that_add_up() -> None:
    durations = Durations()
    for seconds in (0, 0.05, 0.06, 4, 10**6, -3):
        durations.add("room", timedelta(seconds=seconds))
    spread = durations.read()["room"]
    found = dict(spread.up_to())
    assert (found["0.05"], found["0.1"], found["5.0"], found["1800.0"], found["+Inf"]) == (3, 4, 5, 5, 6)
    assert len(found) == len(BOUNDS) + 1


async def test_members_who_are_taken_out_are_counted_room_by_room_and_those_who_never_came_in_are_not(
    tmp_path: Path, database_url: str
) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        hanako, taro = await city.member("hanako"), someone("taro")
        await city.hs.join_as(hanako, DANWA)
        await city.settle()
        await city.ask(f"!member remove {hanako} --yes")
        assert (await read(city))["gate_put_out_total"] == 2
        await city.ask(f"!member admit {taro}")
        await city.ask(f"!member remove {taro} --yes")
        seen = await read(city)
        assert (seen["gate_put_out_total"], seen["gate_violations"]) == (2, 0)


async def test_e_mail_that_waits_is_counted_with_its_age(tmp_path: Path, database_url: str, mailbox: Mailbox) -> None:
    sealer, to = Sealer(new_key()), "hanako@city.example.lg.jp"
    mailbox.answers[to] = "450 4.2.1 try again"
    policy = Policy(public_url="https://cityhall.example.jp")
    reception = Reception(sealer=sealer, mail=mailbox.transport(), policy=policy)
    async with fake_city(database_url, write_town(tmp_path / "rooms"), reception=reception) as city:
        assert (await read(city))["mail_pending"] == (await read(city))["mail_oldest_seconds"] == 0
        assert "メール" not in await city.ask("!status")
        async with city.app.store.reading() as connection:
            assert await missing_keys(connection, None) == [sealer.fingerprint], "noted before anything is sealed"
        mail = MailOutbox(sealer, SENDER, now=lambda: now() - timedelta(minutes=5))
        async with city.app.store.transaction() as tx:
            await mail.send(tx, to=to, subject="x", text="x", reference="X", expires_at=now() + timedelta(hours=1))
        assert city.app.mailer is not None
        city.app.mailer.wake()
        await city.settle()
        seen = await read(city)
        assert seen["mail_pending"] == 1
        assert 300 <= seen["mail_oldest_seconds"] < 400
        assert "未送信のメール: 1 件" in await city.ask("!status")
