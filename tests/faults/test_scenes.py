"""Killed at any step of what people do, the next start leads to one end: confirming, archiving, applying, chats …

``make test``: some steps of each with SQLite, spread evenly. ``make soak``: every step, with PostgreSQL too.
"""

import shutil
from pathlib import Path

import pytest

from tests.faults.attempts import Processes
from tests.faults.scenes import (
    Scene,
    applying,
    archiving,
    chatting,
    confirming,
    drifting,
    play,
    welcoming,
)
from tests.faults.sites import FakeSite
from tests.faults.sweep import BEFORE_THE_200, Choose, Kills, Outcome, every, strided, sweep
from tests.faults.test_command import found_the_town
from tests.support.databases import Databases, SqliteFiles

SCENES: dict[str, Scene] = {
    "confirm": confirming,
    "archive": archiving,
    "apply": applying,
    "chat": chatting,
    "drift": drifting,
    "welcome": welcoming,
}
#: How often each is killed in ``make test``.
TIMES = 4


class OnFake:
    """Each attempt in the same town as it was before the scene."""

    def __init__(self, site: FakeSite, databases: Databases, directory: Path, scene: Scene) -> None:
        self._site, self._databases, self._directory, self._scene = site, databases, directory, scene
        self._number = 0

    async def sweep(self, choose: Choose, *, name: str) -> None:
        """Build the town in which each attempt begins, and go through the steps."""
        with self._databases.fresh_database() as self._town:
            self._site.deliver()
            await found_the_town(self._site, Processes(self._site, self._directory / "town", self._town))
            self._world = self._site.keep()
            await sweep(self._attempt, choose, name=name, also=BEFORE_THE_200)

    async def _attempt(self, kills: Kills) -> Outcome:
        self._number += 1
        self._site.go_back(self._world)
        directory = self._directory / f"{self._number}"
        with self._databases.fresh_database(like=self._town) as database_url:
            processes = Processes(self._site, directory, database_url, edited=self._scene is applying)
            outcome = await play(processes, await self._scene(self._site), kills)
        shutil.rmtree(directory)
        return outcome


@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_some_steps(fake_site: FakeSite, tmp_path: Path, name: str) -> None:
    attempts = OnFake(fake_site, SqliteFiles(tmp_path), tmp_path, SCENES[name])
    await attempts.sweep(strided(TIMES), name=name)


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_every_step(fake_site: FakeSite, databases: Databases, tmp_path: Path, name: str) -> None:
    await OnFake(fake_site, databases, tmp_path, SCENES[name]).sweep(every(), name=name)
