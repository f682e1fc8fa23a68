"""Killed at any step of building the city hall, the next start finishes it: no room twice, none missing, none half made.

Every step on the homeserver in memory, some on Synapse; ``make soak`` does every step on Synapse as well.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ClientOf
from tests.faults.endings import look, pass_the_lease
from tests.faults.runner import DATABASE, Order, Running
from tests.faults.sites import FakeSite, Site, SynapseSite
from tests.faults.sweep import Kills, Outcome, doubly, every, strided, sweep
from tests.faults.town import tiny_town
from tests.support.homeservers import Homeserver


async def provision(site: Site, directory: Path, kills: Kills, *, hands: int = 1) -> Outcome:
    """Build the town from nothing, in as many processes as it takes."""
    directory.mkdir()
    order = Order(
        directory=directory,
        installation=site.installation,
        declaration=tiny_town(directory / "rooms", site.installation.alias_prefix),
        secretary=site.secretary,
        hands=hands,
    )
    steps = []
    for kill_at in (*kills, None):
        steps.append((await Running(replace(order, kill_at=kill_at)).ending()).steps)
        pass_the_lease(directory / DATABASE)
    return Outcome(await look(site, directory / DATABASE), steps)


class OnFake:
    """Each attempt on a homeserver without rooms."""

    def __init__(self, site: FakeSite, directory: Path, hands: int = 1) -> None:
        self._site, self._directory, self._hands = site, directory, hands
        self._empty = site.keep()
        self._number = 0

    async def __call__(self, kills: Kills) -> Outcome:
        self._number += 1
        self._site.go_back(self._empty)
        return await provision(self._site, self._directory / f"{self._number}", kills, hands=self._hands)


async def test_killed_at_every_step(fake_site: FakeSite, tmp_path: Path) -> None:
    await sweep(OnFake(fake_site, tmp_path), every, name="provisioning")
