"""The tour plays from nothing to its end, shows the refusals, and notices when something is not as it must be."""

import subprocess

import pytest

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.demo.cast import HANAKO
from oshiyakusho_matrix.demo.stage import Stage, must
from oshiyakusho_matrix.homeserver.interface import Forbidden
from tests.demo.running import PATIENCE, Demo

REFUSALS = (
    "Refused: only members of the city hall come in.",
    "Refused: names change by command of the secretariat alone.",
    "Refused: the way in leads past the secretariat.",
)
THE_END = "Everything went as it must."


def test_it_plays_from_nothing_and_once_more(demo: Demo) -> None:
    for play in (played(demo), played(demo)):
        assert THE_END in play
        for refusal in REFUSALS:
            assert refusal in play
        assert play.count(REFUSALS[0]) == 3, "at the hall and a division before, at a division after being a member"
        assert "│ ！会員　承認 @hajime:localhost" in play
        assert "│ !課 変更 zaisei --名前 みんなの財政課・別館" in play
        lobby = next(line for line in play.splitlines() if "Not one name of a division" in line)
        for name in ("企画", "財政課", "防災課", "水道課"):
            assert name not in lobby
        inside = next(line for line in play.splitlines() if "divisions and circles behind them" in line)
        for name in ("財政課", "防災課", "水道課"):
            assert name in inside


async def test_something_that_ought_to_be_refused_and_is_not_ends_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    async def let_happen() -> None:
        pass

    async def refuse() -> None:
        raise Forbidden("no")

    stage = Stage()
    await stage.refused(refuse(), say("Refused: the way in leads past the secretariat."), otherwise="never")
    assert REFUSALS[2] in capsys.readouterr().out
    with pytest.raises(Permanent, match="a stranger came in"):
        await stage.refused(
            let_happen(), say("Refused: the way in leads past the secretariat."), otherwise="a stranger came in"
        )
    assert REFUSALS[2] not in capsys.readouterr().out
    with pytest.raises(Permanent, match="upside down"):
        must(False, "it is upside down")


def test_long_lines_stay_within_the_page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stage = Stage()
    stage.does(HANAKO, say("reads:"))
    stage.reads("庁" * 50 + "\n\n" + "\n".join(f"line {number}" for number in range(30)))
    lines = capsys.readouterr().out.splitlines()
    quoted = [line for line in lines if line.startswith("    │ ")]
    assert quoted[:3] == ["    │ " + "庁" * 17, "    │ " + "庁" * 17, "    │ " + "庁" * 16]
    assert quoted[-1] == "    │ …"
    assert "line 29" not in "\n".join(lines)


def played(demo: Demo) -> str:
    with demo.started("--tour") as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail("the tour did not end")
    assert process.returncode == 0, errors
    assert demo.processes() == []
    return output
