"""One attempt: processes that follow one another on the same database and before the same homeserver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.faults.endings import look, pass_the_lease
from tests.faults.points import Step
from tests.faults.runner import Counter, Order, Running
from tests.faults.sites import Site
from tests.faults.sweep import Outcome
from tests.faults.town import tiny_town


class Processes:
    """``directory`` is made. ``edited``: the files are not those any more with which the town was founded."""

    def __init__(
        self,
        site: Site,
        directory: Path,
        database_url: str,
        *,
        hands: int = 1,
        edited: bool = False,
        counter: Counter | None = None,
    ) -> None:
        directory.mkdir()
        self._site = site
        self._order = Order(
            directory=directory,
            database_url=database_url,
            installation=site.installation,
            declaration=tiny_town(directory / "rooms", site.installation.alias_prefix, edited=edited),
            secretary=site.secretary,
            hands=hands,
            counter=counter,
        )
        self._steps: list[list[str]] = []

    async def run(self, kill_at: Step | None = None) -> None:
        """Have a process put everything right and end."""
        await self._end(Running(replace(self._order, kill_at=kill_at)))

    @asynccontextmanager
    async def serving(self, kill_at: Step | None = None, *, from_start: bool = True) -> AsyncIterator[Running]:
        """Have a process serve for so long; then it comes to rest and ends. ``from_start`` says which steps count."""
        running = Running(replace(self._order, kill_at=kill_at, serves=True, from_start=from_start))
        try:
            yield running
        except BaseException:
            running.kill()
            raise
        running.finish()
        await self._end(running)

    def forget_steps(self) -> None:
        """Count the processes from here on only."""
        self._steps.clear()

    async def outcome(self) -> Outcome:
        """Return how it ended."""
        return Outcome(await look(self._site, self._order.database_url), self._steps)

    async def _end(self, running: Running) -> None:
        self._steps.append((await running.ending()).steps)
        pass_the_lease(self._order.database_url)
