"""``doctor``: each fault of an operator is found, with how to mend it; on real Synapse, and on small fakes."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from aiohttp import ClientSession, web

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.core.text import plain, say
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.divisions.catalogue import shipped_directory
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.examination import MatrixExaminer
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden, NewRoom, SignUp, StateEvent
from oshiyakusho_matrix.operations.doctor import homeserver as matrix
from oshiyakusho_matrix.operations.doctor.examine import Instruments, check_limits, check_rooms, examine
from oshiyakusho_matrix.operations.doctor.findings import Examination, Verdict
from oshiyakusho_matrix.operations.doctor.limits import LIMITS, InForce, limits_in_force
from oshiyakusho_matrix.operations.doctor.reception import check_accounts, check_key, check_mail
from oshiyakusho_matrix.operations.doctor.records import check_parked, check_records
from oshiyakusho_matrix.outbox.smtp import MailServer
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.accounts import MasAccess, SynapseAccess
from oshiyakusho_matrix.settings.keys import HomeserverKeys
from oshiyakusho_matrix.settings.values import Listen, Registration
from oshiyakusho_matrix.status.parking import Parked
from oshiyakusho_matrix.status.troubles import Trouble, trouble_of
from oshiyakusho_matrix.store.rows import Broken
from tests.support.installations import Installation
from tests.support.mail import SENDER, Mailbox

BOT = UserId("@shiyakusho:matrix.example.jp")
HS_TOKEN = "hs-secret-word"


def ping_routes(hs_token: str) -> list[web.RouteDef]:
    """The ping of the application service API, as strict as the product's."""

    async def ping(request: web.Request) -> web.Response:
        right = request.headers.get("Authorization") == f"Bearer {hs_token}"
        return web.json_response({} if right else {"errcode": "M_FORBIDDEN"}, status=200 if right else 403)

    async def never(_request: web.Request) -> web.Response:
        raise AssertionError("the doctor must not take transactions")

    return [web.post("/_matrix/app/v1/ping", ping), web.put("/_matrix/app/v1/transactions/{txn}", never)]


def settings_for(
    tmp_path: Path, *, url: str = "http://127.0.0.1:8008", server_name: str = "matrix.example.jp", port: int = 9010
) -> Settings:
    return Settings(
        config=tmp_path / "config.yaml",
        homeserver=HomeserverKeys(url=url, server_name=server_name),
        registration=Registration("oshiyakusho", "shiyakusho", "as", HS_TOKEN, f"http://127.0.0.1:{port}"),
        listen=Listen("127.0.0.1", port),
        data=tmp_path / "data",
        database_url=f"sqlite+aiosqlite:///{tmp_path}/db",
        rooms=shipped_directory(),
        secretariat=(UserId("@jimukyoku:matrix.example.jp"),),
    )


T = TypeVar("T")


def given(answer: T | Exception) -> T:
    if isinstance(answer, Exception):
        raise answer
    return answer


@dataclass
class Answers:
    """A homeserver that gives the answers it was made with; an error among them is raised."""

    speaks: Sequence[str] | Exception = ("v1.11", "r0.6.1")
    me: UserId | Exception = BOT
    pinged: int | Exception = 3
    clock: Callable[[], datetime | None] = now
    versions_available: frozenset[str] | Exception = frozenset({"11", "12"})
    limited: bool | Exception = False
    rooms: Mapping[str, list[StateEvent] | Exception] = field(default_factory=lambda: office_with(jimukyoku="join"))

    async def versions(self) -> Sequence[str]:
        return given(self.speaks)

    async def whoami(self) -> UserId:
        return given(self.me)

    async def ensure_bot(self, display_name: str) -> None:
        raise AssertionError("the doctor changes nothing")

    async def ping(self, appservice_id: str, transaction_id: str) -> int:
        return given(self.pinged)

    async def server_time(self) -> datetime | None:
        return self.clock()

    async def room_versions(self) -> frozenset[str]:
        return given(self.versions_available)

    async def is_rate_limited(self) -> bool:
        return given(self.limited)

    async def resolve_alias(self, alias: RoomAlias) -> RoomId | None:
        raise AssertionError("not asked here")

    async def room_state(self, room_id: RoomId) -> list[StateEvent]:
        return given(self.rooms[room_id])

    async def state_content(self, room_id: RoomId, event_type: str, state_key: str = "") -> Content | None:
        raise AssertionError("not asked here")

    async def joined_rooms(self) -> Sequence[RoomId]:
        raise AssertionError("not asked here")


async def at_revision() -> str:
    return "0001"


async def no_office() -> None:
    return None


async def no_rooms() -> Sequence[tuple[RoomAlias, RoomId]]:
    return ()


OFFICE = RoomId("!office")


async def the_office() -> RoomId:
    return OFFICE


def office_with(**places: str) -> dict[str, list[StateEvent] | Exception]:
    """The state of 事務局室 with people in it, besides the bot."""
    inside = {BOT: "join", **{f"@{name}:matrix.example.jp": place for name, place in places.items()}}
    state = [StateEvent("m.room.create", "", {"room_version": "12"}, BOT)]
    return {OFFICE: [*state, *(StateEvent("m.room.member", u, {"membership": p}) for u, p in inside.items())]}


def instruments(answers: Answers, *, hs_token: str = HS_TOKEN) -> Instruments:
    return Instruments(
        operations=answers,
        reader=answers,
        homeserver=answers,
        database=at_revision,
        managed_rooms=no_rooms,
        office=the_office,
        porch=the_office,
        routes=ping_routes(hs_token),
    )


def by_name(found: Sequence[Examination]) -> dict[str, Examination]:
    return {examination.name: examination for examination in found}


def said(examination: Examination) -> str:
    """The examination in English, as the command line would print it."""
    texts = [examination.found] + ([examination.mend] if examination.mend else [])
    return " / ".join(
        text.msgid.format(**{key: getattr(value, "msgid", value) for key, value in text.values.items()})
        for text in texts
    )


# --- on a real homeserver


@pytest.fixture
def whole(installation: Installation, tmp_path: Path) -> Settings:
    """Settings of an installation that the shared homeserver knows."""
    base = settings_for(
        tmp_path, url=installation.homeserver_url, server_name=installation.server_name, port=installation.port
    )
    registration = Registration(
        installation.id,
        installation.sender_localpart,
        installation.as_token,
        installation.hs_token,
        installation.url,
    )
    return replace(base, registration=registration)


@asynccontextmanager
async def tools(settings: Settings, *, hs_token: str | None = None) -> AsyncIterator[Instruments]:
    registration = settings.registration
    homeserver = MatrixHomeserver(settings.homeserver.url, bot=settings.bot, as_token=registration.as_token)
    examiner = MatrixExaminer(settings.homeserver.url, bot=settings.bot, as_token=registration.as_token)
    try:
        yield Instruments(
            operations=homeserver,
            reader=homeserver,
            homeserver=examiner,
            database=at_revision,
            managed_rooms=no_rooms,
            office=no_office,
            porch=no_office,
            routes=ping_routes(hs_token or registration.hs_token),
        )
    finally:
        await homeserver.close()
        await examiner.close()


async def test_a_sound_installation_is_found_sound(whole: Settings) -> None:
    async with tools(whole) as sound:
        alias = RoomAlias(f"#{whole.registration.id}-a:{whole.homeserver.server_name}")
        await sound.operations.ensure_bot("市役所")
        made = [
            (alias, await sound.reader.create_room(NewRoom(version=version)))  # type: ignore[attr-defined]
            for version in ("11", "12")
        ]

        async def managed() -> Sequence[tuple[RoomAlias, RoomId]]:
            return made

        found = await examine(whole, replace(sound, managed_rooms=managed))
    assert {examination.verdict for examination in found} == {Verdict.OK}, [said(one) for one in found]
    assert [examination.name for examination in found] == [
        "settings",
        "rooms",
        "database",
        "records",
        "parked",
        "sealing key",
        "mail",
        "homeserver",
        "clock",
        "as_token",
        "way back",
        "rate limit of the bot",
        "room versions",
        "power",
        "forgotten rooms",
    ]


async def test_a_wrong_hs_token_is_told_from_an_address_where_nobody_listens(whole: Settings) -> None:
    async with tools(whole, hs_token="another") as wrong:
        found = await matrix.check_way_back(whole, wrong.operations, wrong.routes)
        assert found.verdict is Verdict.FAILED
        assert "compare hs_token" in said(found)
        elsewhere = replace(whole, listen=Listen("127.0.0.1", free_port()))
        found = await matrix.check_way_back(elsewhere, wrong.operations, wrong.routes)
        assert found.verdict is Verdict.FAILED
        assert "must lead to" in said(found)


async def test_a_service_that_runs_already_is_asked_itself(whole: Settings) -> None:
    """The port is taken by the service (here: with the right token), so the doctor's own listener stays away."""
    application = web.Application()
    application.add_routes(ping_routes(whole.registration.hs_token))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, whole.listen.host, whole.listen.port).start()
    try:
        async with tools(whole, hs_token="doctor's own would be wrong") as sound:
            found = await matrix.check_way_back(whole, sound.operations, sound.routes)
        assert found.verdict is Verdict.OK, said(found)
    finally:
        await runner.cleanup()


async def test_a_wrong_as_token_is_named_without_being_shown(whole: Settings) -> None:
    wrong = replace(whole, registration=replace(whole.registration, as_token="wrong-secret"))
    async with tools(wrong) as broken:
        found = by_name(await examine(wrong, broken))
    assert found["as_token"].verdict is Verdict.FAILED
    assert "app_service_config_files" in said(found["as_token"])
    assert "wrong-secret" not in said(found["as_token"])
    assert "power" not in found


async def test_a_bot_that_the_homeserver_holds_back_is_found(
    new_synapse: Callable[..., EmbeddedSynapse], tmp_path: Path
) -> None:
    """The same registration with and without ``rate_limited: false``: only that line makes the difference."""
    for limited in (True, False):
        path = tmp_path / f"registration-{limited}.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "id": "oshiyakusho",
                    "url": None,
                    "as_token": "as-secret-word",
                    "hs_token": HS_TOKEN,
                    "sender_localpart": "shiyakusho",
                    "rate_limited": limited,
                    "namespaces": {},
                }
            )
        )
        synapse = new_synapse(registrations=[path])
        await synapse.start()
        bot = UserId(f"@shiyakusho:{synapse.server_name}")
        examiner = MatrixExaminer(synapse.url, bot=bot, as_token="as-secret-word")
        try:
            found = await matrix.check_exemption(examiner)
        finally:
            await examiner.close()
            await synapse.stop()
        assert found.verdict is (Verdict.FAILED if limited else Verdict.OK), said(found)


# --- what cannot be provoked on a real one in a second


async def test_an_absent_homeserver_ends_the_examination_there(tmp_path: Path) -> None:
    answers = Answers(speaks=Temporary("versions: no connection to the homeserver (ClientConnectorError)"))
    found = await examine(settings_for(tmp_path), instruments(answers))
    names = ["settings", "rooms", "database", "records", "parked", "sealing key", "mail", "homeserver"]
    assert [one.name for one in found] == names
    assert found[-1].verdict is Verdict.FAILED
    assert "http://127.0.0.1:8008" in said(found[-1])


@pytest.mark.parametrize(
    ("answers", "name", "verdict", "expected"),
    [
        (Answers(speaks=["r0.6.1", "v1.6"]), "homeserver", Verdict.FAILED, "speaks Matrix v1.6; v1.7 is needed"),
        (Answers(speaks=[]), "homeserver", Verdict.FAILED, "speaks Matrix v0.0"),
        (Answers(me=UserId("@other:x")), "as_token", Verdict.FAILED, "taken for @other:x, and should be for @shi"),
        (Answers(me=Permanent("whoami: refused")), "as_token", Verdict.FAILED, "It did not work: whoami: refused"),
        (Answers(clock=lambda: None), "clock", Verdict.WARNING, "carry no date"),
        (Answers(clock=lambda: now() - timedelta(seconds=9)), "clock", Verdict.WARNING, "seconds apart"),
        (Answers(clock=lambda: now() + timedelta(seconds=9)), "clock", Verdict.WARNING, "9 seconds apart"),
        (Answers(clock=lambda: now() + timedelta(seconds=4)), "clock", Verdict.OK, "agree"),
        (Answers(versions_available=frozenset({"11"})), "room versions", Verdict.FAILED, "version 12"),
        (Answers(limited=True), "rate limit of the bot", Verdict.FAILED, "rate_limited: false"),
        (Answers(limited=Temporary("hierarchy: slow")), "rate limit of the bot", Verdict.FAILED, "hierarchy: slow"),
        (Answers(pinged=Permanent("ping: 400 M_URL_NOT_SET")), "way back", Verdict.FAILED, "must lead to"),
        (Answers(), "power", Verdict.WARNING, "No room has been made yet"),
        (Answers(), "office", Verdict.OK, "room: 1."),
        (
            Answers(rooms=office_with(a="invite", b="leave")),
            "office",
            Verdict.WARNING,
            "Invited: @a:matrix.example.jp /",
        ),
        (Answers(rooms=office_with(a="leave")), "office", Verdict.WARNING, "nobody is invited"),
        (Answers(rooms=office_with(a="knock")), "office", Verdict.WARNING, "Restart `serve`"),
        (Answers(rooms={OFFICE: Temporary("room_state: slow")}), "office", Verdict.FAILED, "room_state: slow"),
    ],
)
async def test_what_is_wrong_is_found_and_mended(
    tmp_path: Path, answers: Answers, name: str, verdict: Verdict, expected: str
) -> None:
    found = by_name(await examine(settings_for(tmp_path, port=free_port()), instruments(answers)))
    assert found[name].verdict is verdict, said(found[name])
    assert expected in said(found[name])
    assert (found[name].mend is None) == (verdict is Verdict.OK)


async def test_a_database_that_does_not_fit_is_found_and_its_rooms_are_not_asked_for(tmp_path: Path) -> None:
    async def too_new() -> str:
        raise Misconfigured("The database was written by a newer version.")

    broken = replace(instruments(Answers()), database=too_new)
    found = by_name(await examine(settings_for(tmp_path, port=free_port()), broken))
    assert found["database"].verdict is Verdict.FAILED
    assert "newer version" in said(found["database"])
    assert "db upgrade" in said(found["database"])
    assert "power" not in found


async def test_an_office_that_is_not_made_or_not_ours_to_read_is_left_to_what_else_is_found(tmp_path: Path) -> None:
    shut = Answers(rooms={OFFICE: Forbidden("the bot is not in this room any more")})
    for looked in (replace(instruments(Answers()), office=no_office), instruments(shut)):
        assert "office" not in by_name(await examine(settings_for(tmp_path, port=free_port()), looked))


async def test_a_city_hall_whose_records_know_no_entrance_is_told_how_it_gets_one(tmp_path: Path) -> None:
    found = by_name(
        await examine(settings_for(tmp_path, port=free_port()), replace(instruments(Answers()), porch=no_office))
    )
    assert found["entrance"].verdict is Verdict.WARNING
    assert "rooms apply" in said(found["entrance"])
    found = by_name(await examine(settings_for(tmp_path, port=free_port()), instruments(Answers())))
    assert "entrance" not in found


def test_a_file_of_limits_that_cannot_be_read_is_told_clearly(tmp_path: Path) -> None:
    (tmp_path / "shut").symlink_to(tmp_path / "shut")  # shut to root as well
    cases = {"none.yaml": "There is no file", ".": "is a directory", "shut": "cannot be read by the account"}
    for file, why in ((tmp_path / name, why) for name, why in cases.items()):
        (found,) = check_limits(file)
        assert (found.name, found.verdict) == ("limits", Verdict.FAILED)
        assert why in said(found)
        assert str(file) in said(found)
        assert "init" not in said(found)
        assert "--homeserver-config" in said(found)


async def test_an_empty_database_is_no_fault_and_is_not_asked_for_rooms(tmp_path: Path) -> None:
    async def empty() -> None:
        return None

    async def no_table() -> Sequence[tuple[RoomAlias, RoomId]]:
        raise AssertionError("there is no table to read yet")

    fresh = replace(instruments(Answers()), database=empty, managed_rooms=no_table)
    found = by_name(await examine(settings_for(tmp_path, port=free_port()), fresh))
    assert (found["database"].verdict, found["power"].verdict) == (Verdict.OK, Verdict.WARNING)
    assert "first start sets it up" in said(found["database"])


def test_a_city_hall_with_a_mistake_is_found(tmp_path: Path) -> None:
    found, versions = check_rooms(replace(settings_for(tmp_path), rooms=tmp_path))
    assert found.verdict is Verdict.FAILED
    assert "rooms check" in said(found)
    assert versions == frozenset()


async def test_a_file_that_others_may_read_is_a_warning_with_the_command(tmp_path: Path) -> None:
    open_to_all = replace(settings_for(tmp_path, port=free_port()), open_files=(tmp_path / "registration.yaml",))
    warnings = [one for one in await examine(open_to_all, instruments(Answers())) if one.name == "settings"]
    assert [one.verdict for one in warnings] == [Verdict.OK, Verdict.WARNING]
    assert f"chmod o= {tmp_path}/registration.yaml" in said(warnings[1])


async def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    elsewhere = replace(settings_for(tmp_path), listen=Listen("192.0.2.1", 9010))
    found = await matrix.check_way_back(elsewhere, Answers(), ping_routes(HS_TOKEN))
    assert found.verdict is Verdict.FAILED
    assert "listen: 192.0.2.1:9010 cannot be opened here" in said(found)


async def test_while_the_doctor_listens_a_transaction_is_put_off_and_not_lost(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, port=free_port())
    statuses: list[int] = []

    class Asks(Answers):
        async def ping(self, appservice_id: str, transaction_id: str) -> int:
            url = f"http://{settings.listen}/_matrix/app/v1"
            async with ClientSession() as session, session.put(f"{url}/transactions/1", json={}) as answer:
                statuses.append(answer.status)
            async with ClientSession() as session, session.post(f"{url}/ping", json={}) as answer:
                statuses.append(answer.status)
            return 1

    await matrix.check_way_back(settings, Asks(), ping_routes(HS_TOKEN))
    assert statuses == [503, 403]


# --- power


def create(version: str, sender: str, **more: object) -> StateEvent:
    return StateEvent("m.room.create", "", {"room_version": version, **more}, UserId(sender))


def levels(**content: object) -> StateEvent:
    return StateEvent("m.room.power_levels", "", content, BOT)


@pytest.mark.parametrize(
    ("state", "enough"),
    [
        ([create("12", BOT), levels(users={}, state_default=100)], True),
        ([create("12", "@x:y", additional_creators=[BOT]), levels(users={}, state_default=100)], True),
        ([create("12", "@x:y"), levels(users={}, state_default=100)], False),
        ([create("11", BOT), levels(users={BOT: 100}, state_default=100)], True),
        ([create("11", BOT), levels(users={BOT: 99}, state_default=100)], False),
        ([create("11", BOT), levels(users={}, users_default=100, state_default=100)], True),
        ([create("11", BOT), levels(users={BOT: 100}, events={"m.room.tombstone": 150})], False),
        ([create("11", BOT), levels(users={BOT: 49})], False),
        ([create("11", BOT), levels(users={BOT: "100"})], True),
        ([create("11", BOT), levels(users=None, events=[])], False),
        ([create("11", BOT)], True),
        ([create("org.example.12", BOT), levels(users={}, state_default=100)], False),
        ([], False),
    ],
)
async def test_the_bots_power_is_compared_with_what_the_room_asks_for(state: list[StateEvent], enough: bool) -> None:
    reader = Answers(rooms={"!a": state})
    (found,) = await matrix.check_power(reader, BOT, [(RoomAlias("#cityhall:x"), RoomId("!a"))])
    assert found.verdict is (Verdict.OK if enough else Verdict.FAILED), said(found)
    assert enough or found.name == "power:#cityhall:x"


async def test_each_room_without_power_is_named_and_the_others_are_not() -> None:
    reader = Answers(
        rooms={"!a": [create("12", BOT)], "!b": Forbidden("room_state: 403"), "!c": Temporary("room_state: 502")}
    )
    rooms = [(RoomAlias(f"#{key}:x"), RoomId(f"!{key}")) for key in "abc"]
    found = await matrix.check_power(reader, BOT, rooms)
    assert [one.name for one in found] == ["power:#b:x", "power:#c:x"]
    assert "The bot is not in #b:x" in said(found[0])
    assert "room_state: 502" in said(found[1])


# --- limits


def test_the_defaults_are_those_of_the_homeserver_that_is_installed() -> None:
    """Asked of Synapse itself, in a process of its own, so that an upgrade that changes them is noticed."""
    names = [limit.key for limit in LIMITS]
    program = (
        "import json;from synapse.config.ratelimiting import RatelimitConfig as C;c=C.__new__(C);"
        "c.parse_size=lambda v:0;c.read_config({});"
        f"print(json.dumps([[getattr(c,n.replace('.','_')).per_second,getattr(c,n.replace('.','_')).burst_count]"
        f" for n in {names!r}]))"
    )
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, check=True, timeout=60)
    assert json.loads(ran.stdout) == [[limit.per_second, limit.burst] for limit in LIMITS]


def test_an_untouched_homeserver_makes_members_suffer_and_the_advice_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.yaml"
    path.write_text("server_name: matrix.example.jp\n")
    found = by_name(check_limits(path))
    assert {name for name, one in found.items() if one.verdict is Verdict.WARNING} == {
        "limit:rc_invites.per_user",
        "limit:rc_joins.local",
        "limit:rc_joins.remote",
        "limit:rc_joins_per_room",
        "limit:rc_message",
    }
    assert "2,300 people entering one room takes 38 minutes" in said(found["limit:rc_joins_per_room"])
    for limit in LIMITS:
        rate, burst = limit.better
        assert not InForce(limit, rate, burst).hurts, limit.key


def test_what_the_file_sets_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "homeserver.yaml"
    path.write_text(
        "rc_joins:\n  local: {per_second: 5, burst_count: 100}\n  remote:\n"
        "rc_joins_per_room: {per_second: 0, burst_count: 1}\nrc_messages_per_second: 7\nrc_invites: nonsense\n"
    )
    found = {one.limit.key: (one.per_second, one.burst) for one in limits_in_force(path)}
    assert found["rc_joins.local"] == (5.0, 100.0)
    assert found["rc_joins.remote"] == (0.01, 10.0)
    assert found["rc_message"] == (7.0, 10.0)
    assert found["rc_invites.per_user"] == (0.003, 5.0)
    assert "∞ minutes" in said(by_name(check_limits(path))["limit:rc_joins_per_room"])


@pytest.mark.parametrize("content", ["- a", "a: [", "", "a: \x07"])
def test_a_homeserver_yaml_that_cannot_be_read_is_one_failed_examination(tmp_path: Path, content: str) -> None:
    (tmp_path / "homeserver.yaml").write_text(content)
    (found,) = check_limits(tmp_path / "homeserver.yaml")
    assert found.verdict is Verdict.FAILED


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- what the database holds


async def test_records_that_cannot_be_read_and_what_was_set_aside_are_named_with_what_to_do() -> None:
    async def records() -> list[Trouble]:
        return [trouble_of(Broken("space", "zaisei", "ValueError: no such state"))]

    async def parked() -> list[Parked]:
        return [Parked("7KQ2M9XA", say("the room {name}", name="財政課"), "the room says no")]

    async def away() -> list[Any]:
        raise Temporary("the database is away")

    (broken,), (waits,) = await check_records(records), await check_parked(parked)
    told_broken, told_waits = (plain(each.found) + plain(each.mend or "") for each in (broken, waits))
    assert (broken.name, broken.verdict) == ("records", Verdict.FAILED)
    assert all(word in told_broken for word in ("zaisei", "no such state", "!rooms apply"))
    assert (waits.name, waits.verdict) == ("parked", Verdict.WARNING)
    assert all(word in told_waits for word in ("7KQ2M9XA", "財政課", "the room says no", "!drop 7KQ2M9XA"))
    for found in (*await check_records(away), *await check_parked(away)):
        assert found.verdict is Verdict.FAILED


# --- the registration desk


def at_the_desk(tmp_path: Path, **changed: Any) -> Settings:
    values: dict[str, Any] = {
        "sealer": Sealer(new_key()),
        "sealing_key_file": tmp_path / "sealing.key",
        "mail": MailServer(host="localhost", port=25, sender=SENDER),
        "public_url": "https://cityhall.example.jp",
        # In a directory of its own, as `init` has it.
        "database_url": f"sqlite+aiosqlite:///{tmp_path}/data/db",
    }
    return replace(settings_for(tmp_path), **{**values, **changed})


async def keys_lost() -> Sequence[str]:
    return ["0123456789abcdef"]


async def keys_unknown() -> Sequence[str]:
    raise Temporary("the database is not available")


@pytest.mark.parametrize(
    ("changed", "missing", "verdict", "expected"),
    [
        ({}, None, Verdict.OK, "sealed with the key"),
        ({"sealer": None, "mail": None}, None, Verdict.OK, "nothing that needs one"),
        ({"sealer": None}, None, Verdict.FAILED, "key new --file"),
        ({}, keys_lost, Verdict.FAILED, "key forget {key}"),
        ({"sealer": None}, keys_lost, Verdict.FAILED, "key forget {key}"),
        ({}, keys_unknown, Verdict.FAILED, "Run doctor again"),
        ({"data": Path("/")}, None, Verdict.WARNING, "Move the key"),
        ({"sealing_key_file": None, "data": Path("/")}, None, Verdict.OK, "sealed with the key"),
    ],
)
async def test_the_key_is_looked_for_and_where_it_lies(
    tmp_path: Path, changed: dict[str, Any], missing: Any, verdict: Verdict, expected: str
) -> None:
    found = await check_key(at_the_desk(tmp_path, **changed), missing or no_keys)
    assert found.verdict is verdict
    assert expected in said_raw(found)


async def test_a_key_beside_a_sqlite_database_is_doubtful(tmp_path: Path) -> None:
    beside = at_the_desk(tmp_path, database_url=f"sqlite+aiosqlite:///{tmp_path}/db")
    assert (await check_key(beside, no_keys)).verdict is Verdict.WARNING
    postgresql = at_the_desk(tmp_path, database_url="postgresql+psycopg://u@127.0.0.1/sealing")
    assert (await check_key(postgresql, no_keys)).verdict is Verdict.OK


async def no_keys() -> Sequence[str]:
    return ()


def said_raw(found: Examination) -> str:
    return found.found.msgid + (found.mend.msgid if found.mend else "")


async def test_the_mail_server_is_tried_without_sending(tmp_path: Path, mailbox: Mailbox) -> None:
    settings = at_the_desk(tmp_path, mail=mailbox.server())
    found = await check_mail(settings, mailbox.transport().examine)
    assert found.verdict is Verdict.OK, said(found)
    assert mailbox.connections == 1
    assert mailbox.received == []
    closed = await check_mail(replace(settings, public_url=None), mailbox.transport().examine)
    assert (closed.verdict, "public pages" in said(closed)) == (Verdict.WARNING, True)
    await mailbox.close()
    away = await check_mail(settings, mailbox.transport().examine)
    assert away.verdict is Verdict.FAILED
    assert f"localhost:{mailbox.port} does not take e-mail from us: not reachable" in said(away)
    none = await check_mail(replace(settings, mail=None), mailbox.transport().examine)
    assert (none.verdict, "closed" in said(none)) == (Verdict.OK, True)


SYNAPSE = SynapseAccess(url="http://127.0.0.1:8008", token="syt", where="matrix.example.jp")
MAS = MasAccess(url="http://127.0.0.1:8081", client_id="x", client_secret="y", where="matrix.example.jp")


@pytest.mark.parametrize(
    ("access", "answer", "verdict", "expected"),
    [
        (SYNAPSE, SignUp.INVITED, Verdict.OK, "we may make those"),
        (SYNAPSE, SignUp.ANYBODY, Verdict.WARNING, "registration_requires_token"),
        (SYNAPSE, SignUp.NOBODY, Verdict.FAILED, "enable_registration"),
        (SYNAPSE, Forbidden("403 M_FORBIDDEN"), Verdict.FAILED, "of an administrator's account"),
        (MAS, SignUp.UNKNOWN, Verdict.OK, "was not seen"),
        (MAS, Temporary("away"), Verdict.FAILED, "policy.data.admin_clients"),
    ],
)
async def test_whoever_makes_accounts_is_asked(
    tmp_path: Path,
    access: SynapseAccess | MasAccess,
    answer: SignUp | Exception,
    verdict: Verdict,
    expected: str,
) -> None:
    async def asked() -> SignUp:
        return given(answer)

    found = await check_accounts(access, asked)
    assert found.verdict is verdict
    assert expected in said(found)
    whole = by_name(
        await examine(replace(settings_for(tmp_path), accounts=access), replace(instruments(Answers()), accounts=asked))
    )
    assert whole["accounts"].verdict is verdict
    assert "accounts" not in by_name(await examine(settings_for(tmp_path), instruments(Answers())))
