"""What operators see: how far the making of rooms is, on a terminal and in a log; what the doctor found."""

import io
import sys

import pytest

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.operations.doctor.findings import failed, reason_of


def told(capsys: pytest.CaptureFixture[str], *steps: tuple[int, int], quiet: bool = False) -> list[str]:
    """Show these steps; return the lines on standard error, and see that standard output stays the answer's."""
    with terminal.progress(quiet=quiet) as show:
        for done, total in steps:
            show(done, total)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


def test_a_line_is_told_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, *((done, 340) for done in range(341)))
    assert lines == [f"Rooms: {done} of 340" for done in range(0, 341, 34)]


def test_nothing_is_told_twice_if_more_is_to_come_than_was_known(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [(0, 10), (5, 10), (5, 20), (6, 20), (12, 20), (20, 20), (20, 20)]
    assert told(capsys, *steps) == ["Rooms: 0 of 10", "Rooms: 5 of 10", "Rooms: 12 of 20", "Rooms: 20 of 20"]


def test_with_nothing_to_do_one_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, (0, 0), (0, 0)) == ["Rooms: 0 of 0"]


def test_quiet_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, (1, 2), quiet=True) == []


def test_it_is_told_in_the_operators_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert told(capsys, (1, 2)) == ["部屋：1 / 2"]


def test_an_examination_is_printed_to_its_last_letter_and_in_the_operators_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    why = reason_of(Temporary(say("the homeserver did not answer in time ({call})", call="versions")))
    mend = say("Look whether the homeserver runs and whether homeserver.url ({url}) leads to it.", url="http://x" * 20)
    assert terminal.print_examinations([failed("homeserver", why, mend)], as_json=False)
    shown = "".join(capsys.readouterr().out.split())
    assert terminal.words(mend).replace(" ", "") in shown
    assert "did not answer" not in shown
    assert "…" not in shown


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress() as show:
        show(1, 2)
    written = sys.stderr
    assert isinstance(written, Terminal)
    assert "1/2" in written.getvalue()
    assert "Rooms: 1 of 2" not in written.getvalue()
