"""Killed at any step of building the city hall, the next start finishes it: no room twice, missing or half made.

``make test``: each eighth step on the homeserver in memory with SQLite, some with PostgreSQL, some on Synapse.
``make soak``: every step of each.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.attempts import Processes
from tests.faults.sites import FakeSite, Site, SynapseSite
from tests.faults.sweep import Kills, Outcome, doubly, every, strided, sweep
from tests.support.databases import Databases, SqliteFiles
from tests.support.postgres import Postgres

NewSite = Callable[..., Awaitable[SynapseSite]]


async def provision(site: Site, databases: Databases, directory: Path, kills: Kills, *, hands: int = 1) -> Outcome:
    """Build the town from nothing, in as many processes as it takes."""
    with databases.fresh_database() as database_url:
        processes = Processes(site, directory, database_url, hands=hands)
        for kill_at in (*kills, None):
            await processes.run(kill_at)
        return await processes.outcome()


class OnFake:
    """Each attempt on a homeserver without rooms."""

    def __init__(self, site: FakeSite, databases: Databases, directory: Path, *, hands: int = 1) -> None:
        self._site, self._databases, self._directory, self._hands = site, databases, directory, hands
        self._empty = site.keep()
        self._number = 0

    async def __call__(self, kills: Kills) -> Outcome:
        self._number += 1
        self._site.go_back(self._empty)
        directory = self._directory / f"{self._number}"
        return await provision(self._site, self._databases, directory, kills, hands=self._hands)


class OnSynapse:
    """Each attempt by an installation of its own, with SQLite."""

    def __init__(self, new_site: NewSite, directory: Path) -> None:
        self._new_site, self._directory = new_site, directory

    async def __call__(self, kills: Kills) -> Outcome:
        site = await self._new_site()
        return await provision(site, SqliteFiles(self._directory), self._directory / site.installation.id, kills)


@pytest.mark.timeout(900)
async def test_killed_at_some_steps(fake_site: FakeSite, tmp_path: Path) -> None:
    await sweep(OnFake(fake_site, SqliteFiles(tmp_path), tmp_path), every(nth=8), name="provisioning")


@pytest.mark.soak
async def test_killed_at_every_step(fake_site: FakeSite, tmp_path: Path) -> None:
    await sweep(OnFake(fake_site, SqliteFiles(tmp_path), tmp_path), every(), name="provisioning, every step")


async def test_killed_at_some_steps_with_postgresql(fake_site: FakeSite, postgres: Postgres, tmp_path: Path) -> None:
    await sweep(OnFake(fake_site, postgres, tmp_path), strided(10), name="provisioning with PostgreSQL")


async def test_killed_twice_with_many_hands_at_work(fake_site: FakeSite, databases: Databases, tmp_path: Path) -> None:
    attempt = OnFake(fake_site, databases, tmp_path, hands=8)
    await sweep(attempt, doubly(4, seed=20250401), name="provisioning, twice")


async def test_killed_in_front_of_a_real_homeserver(new_site: NewSite, tmp_path: Path) -> None:
    await sweep(OnSynapse(new_site, tmp_path), strided(6), name="provisioning on Synapse")


@pytest.mark.soak
async def test_killed_at_every_step_with_postgresql(fake_site: FakeSite, postgres: Postgres, tmp_path: Path) -> None:
    await sweep(OnFake(fake_site, postgres, tmp_path), every(), name="provisioning with PostgreSQL, every step")


@pytest.mark.soak
async def test_killed_at_every_step_in_front_of_a_real_homeserver(new_site: NewSite, tmp_path: Path) -> None:
    await sweep(OnSynapse(new_site, tmp_path), every(), name="provisioning on Synapse, every step")
