"""A day of the city hall under seeded plans: whatever goes wrong, it ends as an undisturbed day does.

``make test``: two undisturbed days, and 60 seeds that have every kind of fault among them. ``make soak``: 1,000 others
(or as many as ``DAY_SEEDS`` says, from ``DAY_FIRST_SEED`` on).
``DAY_SEED=17 make test ARGS="tests/faults/test_day.py -k disturbed_day_ends"`` lives through one of them again.
"""

import asyncio
import os
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.day import Day, live_through, otherwise
from tests.faults.plans import KINDS, Plan
from tests.faults.script import PEOPLE
from tests.faults.sites import SynapseSite
from tests.support.homeservers import Homeserver
from tests.support.installations import Installation
from tests.support.users import MatrixUser

#: So many days at once: most of a day is waiting.
AT_ONCE = 6
SEEDS = 60
REPLAY, COUNT, FIRST = "DAY_SEED", "DAY_SEEDS", "DAY_FIRST_SEED"
_CHOSEN = [int(os.environ[REPLAY])] if REPLAY in os.environ else range(SEEDS)
UNDISTURBED = Plan(-1)
_AGAIN = f'to see it again: {REPLAY}={{}} make test ARGS="tests/faults/test_day.py -k disturbed_day_ends"'
#: How an undisturbed day ends; lived through once a test process.
_ENDED: list[Day] = []


@dataclass(frozen=True)
class Calendar:
    """Lives through days at once, each before the shared homeserver as an installation of its own."""

    homeserver: Homeserver
    directory: Path

    async def live(self, plans: Sequence[Plan]) -> list[Day | Exception]:
        """Return how each day ended."""
        installations = await self.homeserver.installations(len(plans))
        pairs = zip(plans, installations, strict=True)
        return list(await asyncio.gather(*(self._day(plan, installation) for plan, installation in pairs)))

    async def undisturbed(self) -> Day:
        """Return how a day ends in which nothing goes wrong."""
        if not _ENDED:
            _ENDED.append(_as_hoped((await self.live([UNDISTURBED]))[0]))
        return _ENDED[0]

    async def _day(self, plan: Plan, installation: Installation) -> Day | Exception:
        directory = self.directory / installation.id
        directory.mkdir()
        people: dict[str, MatrixUser] = {}
        try:
            for name in PEOPLE:
                people[name] = await MatrixUser.on(self.homeserver.synapse, f"{name}-{installation.id}")
            return await live_through(plan, SynapseSite(installation, people["kanri"], people), people, directory)
        except Exception as error:  # noqa: BLE001 - a day that cannot be lived through ends no other
            return error
        finally:
            for person in people.values():
                await person.close()


@pytest_asyncio.fixture
async def calendar(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Calendar]:
    """Where days are lived through."""
    # Each process is waited for in a thread.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * AT_ONCE))
    yield Calendar(homeserver, tmp_path)


async def lived_through(calendar: Calendar, seeds: Sequence[int]) -> None:
    """Live through the days of these seeds, and compare each with the undisturbed one."""
    expected = await calendar.undisturbed()
    failures: list[str] = []
    for part in _batches(seeds):
        plans = [Plan.of(seed) for seed in part]
        for plan, day in zip(plans, await calendar.live(plans), strict=True):
            found = _otherwise(expected, day, plan)
            failures += [f"{plan}\n{_AGAIN.format(plan.seed)}\n{found}"] if found else []
            print(f"{plan}: {'ended otherwise' if found else 'as it must'}", flush=True)
    assert not failures, f"{len(failures)} of {len(seeds)} days ended otherwise\n" + "\n\n".join(failures[:10])


def _as_hoped(day: Day | Exception) -> Day:
    if isinstance(day, Exception):
        raise day
    return day


def _otherwise(expected: Day, day: Day | Exception, plan: Plan) -> str:
    """Return in what a day ended otherwise; nothing if it ended as it must."""
    if isinstance(day, Exception):
        return "".join(traceback.format_exception(day))
    found = otherwise(expected, day, plan)
    return "\n".join(["happened:", *day.happened, "ended otherwise:", *found]) if found else ""


def _batches(seeds: Sequence[int]) -> list[Sequence[int]]:
    return [seeds[first : first + AT_ONCE] for first in range(0, len(seeds), AT_ONCE)]


def test_every_kind_of_fault_is_among_the_seeds() -> None:
    kinds = Counter(fault.kind for seed in range(SEEDS) for fault in Plan.of(seed).faults)
    assert kinds.keys() == KINDS.keys()
    assert min(kinds.values()) >= 2


async def test_an_undisturbed_day_ends_as_any_other(calendar: Calendar) -> None:
    expected = await calendar.undisturbed()
    again = _as_hoped((await calendar.live([Plan(-2, hands=1)]))[0])
    found = otherwise(expected, again, UNDISTURBED)
    assert not found, "\n".join(found)
    assert all(len(command.said) == 1 and not command.failed for command in again.commands)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seeds", _batches(_CHOSEN), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
async def test_a_disturbed_day_ends_as_any_other(calendar: Calendar, seeds: Sequence[int]) -> None:
    await lived_through(calendar, seeds)


@pytest.mark.soak
async def test_a_thousand_disturbed_days_end_as_any_other(calendar: Calendar) -> None:
    first = int(os.environ.get(FIRST, "1000"))
    await lived_through(calendar, range(first, first + int(os.environ.get(COUNT, "1000"))))
