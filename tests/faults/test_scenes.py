"""Killed at any step of what people do, the next start leads to one end: confirming, archiving, applying, chats, drift.

``make test``: some steps of each, spread evenly. ``make soak``: every step.
"""

import shutil
from pathlib import Path

import pytest

from tests.faults.attempts import Processes
from tests.faults.scenes import Scene, applying, archiving, chatting, confirming, drifting, play
from tests.faults.sites import FakeSite
from tests.faults.sweep import Kills, Outcome, every, strided, sweep
from tests.faults.test_command import found_the_town

SCENES: dict[str, Scene] = {
    "confirm": confirming,
    "archive": archiving,
    "apply": applying,
    "chat": chatting,
    "drift": drifting,
}
#: How often each is killed in ``make test``.
TIMES = 12


class OnFake:
    """Each attempt in the same town as it was before the scene."""

    def __init__(self, site: FakeSite, directory: Path, scene: Scene) -> None:
        self._site, self._directory, self._scene = site, directory, scene
        self._number = 0

    async def found(self) -> None:
        """Build the town in which each attempt begins."""
        processes = Processes(self._site, self._directory / "town")
        self._site.deliver()
        await found_the_town(self._site, processes)
        self._database = processes.database
        self._world = self._site.keep()

    async def __call__(self, kills: Kills) -> Outcome:
        self._number += 1
        self._site.go_back(self._world)
        directory = self._directory / f"{self._number}"
        processes = Processes(self._site, directory, begin_with=self._database, edited=self._scene is applying)
        outcome = await play(processes, await self._scene(self._site), kills)
        shutil.rmtree(directory)
        return outcome


@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_some_steps(fake_site: FakeSite, tmp_path: Path, name: str) -> None:
    attempt = OnFake(fake_site, tmp_path, SCENES[name])
    await attempt.found()
    await sweep(attempt, strided(TIMES), name=name)


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENES)
async def test_killed_at_every_step(fake_site: FakeSite, tmp_path: Path, name: str) -> None:
    attempt = OnFake(fake_site, tmp_path, SCENES[name])
    await attempt.found()
    await sweep(attempt, every(), name=name)
