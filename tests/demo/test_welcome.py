"""What the demo says when it is started again: who everybody is by now, not who they were at first."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import update

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.demo.cast import HANAKO, HEAD, PLAYERS, SAKURA, SECRETARY, SERVER_NAME, STRANGER, TARO, Player
from oshiyakusho_matrix.demo.furnishing import register
from oshiyakusho_matrix.demo.home import opened
from oshiyakusho_matrix.demo.places import look_around
from oshiyakusho_matrix.demo.welcome import print_welcome, standings
from oshiyakusho_matrix.divisions.catalogue import load_from
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.roster.domain import HallState
from oshiyakusho_matrix.roster.tables import member
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.upgrade import prepare
from tests.divisions.little_town import write_town


@pytest_asyncio.fixture
async def app(tmp_path: Path) -> AsyncIterator[CityHallApp]:
    """The records of a demo that was furnished; nothing runs."""
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'city.db'}")
    await prepare(engine)
    hs = FakeHomeserver(UserId(f"@shiyakusho:{SERVER_NAME}"))
    identity = Identity(appservice_id="demo", server_name=SERVER_NAME, bot=hs.bot, secretariat=(SECRETARY.user_id,))
    load = load_from(write_town(tmp_path / "rooms"))
    house = CityHallApp(identity=identity, homeserver=hs, engine=engine, load=load)
    await house.open()
    await register(house)
    yield house
    await engine.dispose()


async def welcome(
    app: CityHallApp, directory: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[Player, str], str]:
    """Return what each line of an account begins with, and all that is printed."""
    with opened(directory, fresh=False) as home:
        print_welcome(home, await look_around(app), dict.fromkeys(PLAYERS, "secret"), await standings(app))
    text = capsys.readouterr().out
    lines = {
        p: next(line for line in text.splitlines() if f" {p.user_id} " in line and "secret" in line) for p in PLAYERS
    }
    return {p: line.split("  ")[1] for p, line in lines.items()}, text


async def test_the_welcome_says_what_everybody_is_by_now(
    app: CityHallApp, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert (await welcome(app, tmp_path / "demo", capsys))[0] == {
        SECRETARY: "Secretariat",
        HEAD: "Head of a division",
        HANAKO: "Member",
        TARO: "Member",
        SAKURA: "Member",
        STRANGER: "Visitor, not admitted yet",
    }
    by = SECRETARY.user_id
    async with app.store.transaction() as tx:
        await app.roster.admit(tx, STRANGER.user_id, by=by)
        await app.roster.remove(tx, HANAKO.user_id, by=by)
        await app.roster.join_secretariat(tx, TARO.user_id, by=by)
        inside = update(member).where(member.c.user_id == TARO.user_id).values(office=HallState.JOINED)
        await tx.connection.execute(inside)
        await app.roster.leave_secretariat(tx, SECRETARY.user_id, by=by)
        await app.roster.remove(tx, HEAD.user_id, by=by)
    found, text = await welcome(app, tmp_path / "demo", capsys)
    assert found == {
        SECRETARY: "Member",
        HEAD: "Member no more",
        HANAKO: "Member no more",
        TARO: "Secretariat",
        SAKURA: "Member",
        STRANGER: "Member",
    }
    assert f"log in as {TARO.user_id}" in text
    assert "/register in a browser" in text
    # There is nobody left to let in.
    assert "!member admit" not in text
