"""`make demo` as whoever types it sees it: a process that stands up, says what to do, resumes, and leaves nothing."""

import itertools
import json
import shutil
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import IO

import pytest

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.demo import home
from oshiyakusho_matrix.demo.cast import HANAKO, PLAYERS, SECRETARY, STRANGER
from oshiyakusho_matrix.demo.home import opened
from oshiyakusho_matrix.demo.ports import choose, refuse_taken
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.homeserver.person import Person
from oshiyakusho_matrix.outbox.letter import letter
from oshiyakusho_matrix.outbox.smtp import SmtpTransport
from oshiyakusho_matrix.settings import load_settings
from tests.demo.running import PATIENCE, Demo, until
from tests.support.ports import ReservedPort

HALL, DIVISION, OFFICE = "#cityhall:localhost", "#ka-zaisei:localhost", "#cityhall-jimukyoku:localhost"


async def test_it_says_how_to_come_in_and_what_it_says_is_true(demo: Demo) -> None:
    with demo.started() as process:
        welcome = demo.read_welcome(process)
        url = f"http://localhost:{demo.ports[0]}"
        passwords: dict[str, str] = json.loads((demo.directory / "accounts.json").read_text(encoding="utf-8"))
        assert url in welcome
        assert f"http://localhost:{demo.ports[2]}" in welcome
        for player in PLAYERS:
            line = next(line for line in welcome.splitlines() if f" {player.user_id} " in line)
            assert line.endswith(" " + passwords[player.user_id])
        async with member(url, SECRETARY.user_id, passwords) as secretary:
            assert await secretary.resolve(OFFICE) in await secretary.joined_rooms()
        async with member(url, HANAKO.user_id, passwords) as hanako:
            inside = await hanako.joined_rooms()
            assert {await hanako.resolve(HALL), await hanako.resolve(DIVISION)} <= inside
        async with member(url, STRANGER.user_id, passwords) as stranger:
            assert await stranger.joined_rooms() == set()
            with pytest.raises(Forbidden):
                await stranger.join(DIVISION)
        settings = load_settings(demo.directory / "city" / "config.yaml")
        assert settings.mail is not None
        assert settings.sealer is not None
        await mail(SmtpTransport(settings.mail))
        assert process.stdout is not None
        assert caught(process.stdout) == ["E-mail to hanako@city.example.lg.jp: 確認番号", "  │ 番号：12345678"]
        assert demo.end(process, signal.SIGINT) == 0
    assert ended_entirely(demo)
    assert "hanako@city" not in (demo.directory / "log" / "cityhall.log").read_text(encoding="utf-8")
    assert (demo.directory / "accounts.json").stat().st_mode & 0o077 == 0
    assert "ready" in (demo.directory / "log" / "cityhall.log").read_text(encoding="utf-8")


def test_it_resumes_with_the_same_accounts_and_makes_nothing_twice(demo: Demo) -> None:
    with demo.started() as process:
        first = demo.read_welcome(process)
        assert demo.end(process, signal.SIGTERM) == 0
    made = demo.rooms_of_homeserver()
    assert demo.rooms() == (made, made)
    with demo.started() as process:
        assert demo.read_welcome(process) == first
        assert demo.end(process, signal.SIGINT) == 0
    assert demo.rooms_of_homeserver() == made
    assert ended_entirely(demo)


def test_a_demo_that_lost_its_database_says_so_and_puts_nobody_out(demo: Demo) -> None:
    with demo.started() as process:
        demo.read_welcome(process)
        assert demo.end(process, signal.SIGINT) == 0
    made = demo.rooms_of_homeserver()
    shutil.rmtree(demo.directory / "city" / "data")
    with demo.started() as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors.count("\n")) == (1, "", 1), errors
    assert "--fresh" in errors
    assert demo.rooms_of_homeserver() == made


def test_killed_in_the_middle_of_its_first_start_it_is_finished_by_the_next(demo: Demo) -> None:
    with demo.started() as process:
        until("some rooms, not all", lambda: demo.rooms()[1] >= 4)
        process.kill()
        process.wait()
    wanted, made = demo.rooms()
    assert made < wanted, "it was killed too late for this test to mean anything"
    passwords = (demo.directory / "accounts.json").read_text(encoding="utf-8")
    with demo.started() as process:
        demo.read_welcome(process)
        assert demo.end(process, signal.SIGINT) == 0
    assert demo.rooms() == (wanted, wanted)
    assert demo.rooms_of_homeserver() == wanted
    assert (demo.directory / "accounts.json").read_text(encoding="utf-8") == passwords


def test_interrupted_in_the_middle_of_its_first_start_it_ends_at_once_and_goes_on_later(demo: Demo) -> None:
    demo.declare_more(10)
    with demo.started() as process:
        until("some rooms, not all", lambda: demo.rooms()[1] >= 4)
        assert demo.end(process, signal.SIGINT) == 0
    assert ended_entirely(demo)
    before = demo.room_ids()
    wanted, made = demo.rooms()
    assert made < wanted, "it was interrupted too late for this test to mean anything"
    with demo.started() as process:
        demo.read_welcome(process)
        assert demo.end(process, signal.SIGINT) == 0
    assert before < demo.room_ids()
    assert demo.rooms() == (wanted, wanted)
    assert demo.rooms_of_homeserver() == wanted


def test_a_second_demo_in_the_same_place_is_one_sentence(demo: Demo) -> None:
    with demo.started() as process:
        until("the first one", lambda: (demo.directory / "demo.lock").exists())
        with demo.started("--fresh") as second:
            output, errors = second.communicate()
        assert (second.returncode, output) == (1, "")
        assert errors.count("\n") == 1
        assert "running" in errors
        assert demo.end(process, signal.SIGINT) == 0


async def test_a_port_that_another_program_took_is_one_sentence(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    from oshiyakusho_matrix.demo import run

    monkeypatch.setattr(run, "_LINGERING", 0.0)
    with (
        socket.create_server(("127.0.0.1", demo.ports[1])),
        pytest.raises(Misconfigured, match=rf"port {demo.ports[1]}.*--fresh"),
    ):
        await run.run_demo(demo.directory)


def test_a_fresh_start_deletes_what_a_demo_made_and_nothing_else(demo: Demo) -> None:
    for name in ("city", "synapse"):
        (demo.directory / name).mkdir()
    (demo.directory / "notes.txt").write_text("mine", encoding="utf-8")
    with opened(demo.directory, fresh=True) as fresh:
        assert not fresh.city.exists()
        assert not fresh.synapse.exists()
        assert not fresh.state.furnished
    assert (demo.directory / "notes.txt").exists()


@pytest.mark.parametrize("name", ["notes.txt", "demo.json"])
@pytest.mark.parametrize("fresh", [False, True])
def test_what_no_demo_made_is_left_alone(tmp_path: Path, name: str, fresh: bool) -> None:
    (tmp_path / name).write_text('{"what": "something else"}', encoding="utf-8")
    (tmp_path / "log").mkdir()
    with pytest.raises(Misconfigured, match="no demo made"), opened(tmp_path, fresh=fresh):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {name, "log"}


def test_ports_that_are_taken_are_replaced_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = ReservedPort()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(home, "PREFERRED", (free.open_to_listeners(), number, number, number))
        with opened(tmp_path, fresh=False) as first:
            chosen = first.state
        assert chosen.client_port == free.number
        assert number not in (chosen.service_port, chosen.pages_port)
        assert chosen.service_port != chosen.pages_port
        refuse_taken(chosen.service_port)
        with pytest.raises(Misconfigured):
            refuse_taken(number)
        assert choose([number]) != [number]
    with opened(tmp_path, fresh=False) as again:
        assert again.state == chosen
    free.release()


def test_a_demo_from_before_there_was_e_mail_gets_a_port_for_it(tmp_path: Path) -> None:
    ports = {"client_port": 8021, "service_port": 8019, "pages_port": 8020}
    (tmp_path / "demo.json").write_text(json.dumps({"what": "oshiyakusho-matrix demo", **ports, "furnished": True}))
    with opened(tmp_path, fresh=False) as old:
        assert (old.state.client_port, old.state.furnished) == (8021, True)
        assert old.mail_port not in ports.values()
    with opened(tmp_path, fresh=False) as again:
        assert again.state == old.state


def member(url: str, user_id: UserId, passwords: dict[str, str]) -> AbstractAsyncContextManager[Person]:
    return Person.logged_in(url, user_id, passwords[user_id])


async def mail(transport: SmtpTransport) -> None:
    to, at = "hanako@city.example.lg.jp", now()
    text, sender = "番号：12345678", transport.sender
    await transport.deliver(letter(sender, to=to, subject="確認番号", text=text, message_id="x@y", at=at), to)


def caught(lines: IO[str]) -> list[str]:
    """Return the two lines of the first e-mail that is shown."""
    found = [line.rstrip("\n") for line in itertools.islice(lines, 4)]
    return [line for line in found if line]


def ended_entirely(demo: Demo) -> bool:
    if sys.platform == "linux":
        assert demo.processes() == []
    for port in demo.ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    return True
