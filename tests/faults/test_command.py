"""Killed at any step of a command, the next start leads to one effect and one answer: none is lost, none comes twice.

From the moment in which the homeserver delivers the command, before and after it gets its 200, to the answer.
``make test``: each eighth step on the homeserver in memory with SQLite, some with PostgreSQL, some on Synapse.
``make soak``: every step of each.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.attempts import Processes
from tests.faults.scenes import answered, play, saying
from tests.faults.sites import OFFICE, FakeSite, Site, SynapseSite
from tests.faults.sweep import BEFORE_THE_200, Choose, Kills, Outcome, doubly, every, strided, sweep
from tests.support.databases import Databases, SqliteFiles
from tests.support.postgres import Postgres

NewSite = Callable[..., Awaitable[SynapseSite]]

#: What the secretary writes; ``{hanako}`` is a member, ``{taro}`` a stranger.
COMMANDS = {
    "create": "！課　新設　koen　公園課　--部　kikaku",
    "admit": "!member admit {taro}",
    "remove": "!member remove {hanako} --yes",
}
#: Where the member is, so that there is something to take her out of.
_ROOMS = ("cityhall", "ka-zaisei", "ka-zaisei-danwa")
PEOPLE = ("hanako", "taro")
#: How often it is killed where not at every step.
TIMES = 4


async def found_the_town(site: Site, processes: Processes) -> None:
    """Build the town; let the secretary in, and a member."""
    await processes.run()
    async with processes.serving() as town:
        await site.enter("kanri", "cityhall", OFFICE)
        await answered(site, town, f"!member admit {await site.person('hanako')}")
        await site.enter("hanako", *_ROOMS)
        await answered(site, town, "!division list")


async def command(site: Site, processes: Processes, text: str, kills: Kills) -> Outcome:
    """Give the command, then another one.

    The homeserver delivers in order: once the second is answered, whatever was to be repeated of the first was.
    """
    people = {name: await site.person(name) for name in PEOPLE}
    steps = [saying(site, text.format(**people)), saying(site, "!division list")]
    return await play(processes, steps, kills)


class OnFake:
    """Each attempt in the same town as it was before the command."""

    def __init__(self, site: FakeSite, databases: Databases, directory: Path, text: str, *, hands: int = 1) -> None:
        self._site, self._databases, self._directory = site, databases, directory
        self._text, self._hands = text, hands
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
            processes = Processes(self._site, directory, database_url, hands=self._hands)
            outcome = await command(self._site, processes, self._text, kills)
        shutil.rmtree(directory)
        return outcome


class OnSynapse:
    """Each attempt in a town of its own, with SQLite."""

    def __init__(self, new_site: NewSite, directory: Path, text: str) -> None:
        self._new_site, self._directory, self._text = new_site, directory, text
        self._databases = SqliteFiles(directory)

    async def __call__(self, kills: Kills) -> Outcome:
        site = await self._new_site(*PEOPLE)
        with self._databases.fresh_database() as database_url:
            processes = Processes(site, self._directory / site.installation.id, database_url)
            await found_the_town(site, processes)
            processes.forget_steps()
            return await command(site, processes, self._text, kills)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.timeout(900)
async def test_killed_at_some_steps(fake_site: FakeSite, tmp_path: Path, name: str) -> None:
    attempts = OnFake(fake_site, SqliteFiles(tmp_path), tmp_path, COMMANDS[name])
    await attempts.sweep(every(nth=8), name=name)


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_at_every_step(fake_site: FakeSite, tmp_path: Path, name: str) -> None:
    attempts = OnFake(fake_site, SqliteFiles(tmp_path), tmp_path, COMMANDS[name])
    await attempts.sweep(every(), name=name)


@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_at_some_steps_with_postgresql(
    fake_site: FakeSite, postgres: Postgres, tmp_path: Path, name: str
) -> None:
    attempts = OnFake(fake_site, postgres, tmp_path, COMMANDS[name])
    await attempts.sweep(strided(TIMES), name=f"{name} with PostgreSQL")


async def test_killed_twice_with_many_hands_at_work(fake_site: FakeSite, databases: Databases, tmp_path: Path) -> None:
    attempts = OnFake(fake_site, databases, tmp_path, COMMANDS["create"], hands=8)
    await attempts.sweep(doubly(TIMES, seed=20250401), name="create, twice")


@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_in_front_of_a_real_homeserver(new_site: NewSite, tmp_path: Path, name: str) -> None:
    await sweep(OnSynapse(new_site, tmp_path, COMMANDS[name]), strided(3), name=f"{name} on Synapse")


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_at_every_step_with_postgresql(
    fake_site: FakeSite, postgres: Postgres, tmp_path: Path, name: str
) -> None:
    attempts = OnFake(fake_site, postgres, tmp_path, COMMANDS[name])
    await attempts.sweep(every(), name=f"{name} with PostgreSQL, every step")


@pytest.mark.soak
@pytest.mark.parametrize("name", COMMANDS)
async def test_killed_at_every_step_in_front_of_a_real_homeserver(new_site: NewSite, tmp_path: Path, name: str) -> None:
    await sweep(OnSynapse(new_site, tmp_path, COMMANDS[name]), every(), name=f"{name} on Synapse, every step")
