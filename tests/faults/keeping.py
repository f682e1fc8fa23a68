"""Keeps the service running, as systemd would: whenever its process has died, the next one starts.

The faults within the process are numbered over all of them; so each one gets what is left of the plan.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.faults.endings import pass_the_lease
from tests.faults.plans import Plan, Where
from tests.faults.runner import OUTPUT, STEPS, Order, Running

#: The file of its database, in its directory.
DATABASE = "city.db"
#: How often the service may end by itself, because its start was disturbed.
MOST_FAILED_STARTS = 6
#: Where things wait for a person.
_PARKED = (
    "SELECT kind || ' ' || name || ': ' || coalesce(last_error, '') FROM work WHERE parked_at IS NOT NULL",
    "SELECT type || ': ' || coalesce(last_error, '') FROM inbox_event WHERE state = 'parked'",
    "SELECT event_type || ': ' || coalesce(last_error, '') FROM outbox_message WHERE state = 'parked'",
)


class Keeper:
    """One service under a plan. ``happened`` notes how its processes ended."""

    def __init__(self, order: Order, plan: Plan) -> None:
        self._order = order
        self._within = plan.of_row(Where.WITHIN)
        self._enough = False
        self._failed_starts = 0
        self.happened: list[str] = []
        self._begin()

    @property
    def died(self) -> bool:
        """Whether it has been given up, which the next ``finish`` tells."""
        return self._task.done()

    def restart(self) -> None:
        """Do what people do who do not know what else to do."""
        self.happened.append("restarted by hand")
        self._running.kill()

    def kill(self) -> None:
        """End it for good."""
        self._task.cancel()
        self._running.kill()

    async def finish(self) -> None:
        """Have it come to rest and end; AssertionError if it cannot."""
        self._enough = True
        self._running.finish()
        await self._task

    def begin_again(self) -> None:
        """Start it once more after it was finished."""
        self._enough = False
        self._begin()

    def _begin(self) -> None:
        self._start()
        self._task = asyncio.create_task(self._keep())

    def _start(self) -> None:
        kill_at = min((at for at, kind in self._within.items() if kind == "kill -9"), default=None)
        breaks = {at: kind for at, kind in self._within.items() if kind != "kill -9"}
        (self._order.directory / STEPS).unlink(missing_ok=True)
        self._running = Running(replace(self._order, kill_at=kill_at, serves=True, breaks=breaks))

    async def _keep(self) -> None:
        while await self._died():
            self._start()
            if self._enough:
                self._running.finish()

    async def _died(self) -> bool:
        """Wait for the end of a process; False if it was a good end."""
        running = self._running
        await running.ended
        path = self._order.directory / STEPS
        steps = path.read_text("utf-8").count("\n") if path.exists() else 0
        self._within = {at - steps: kind for at, kind in self._within.items() if at > steps}
        self.happened.append(f"ended with {running.exitcode} after {steps} steps")
        if running.exitcode == 0:
            return False
        if running.exitcode is None or running.exitcode > 0:
            self._failed_starts += 1
            output = (self._order.directory / OUTPUT).read_text("utf-8")
            self.happened.append(output.strip().splitlines()[-1])
            assert self._failed_starts <= MOST_FAILED_STARTS, f"it does not start any more:\n{output[-6000:]}"
        pass_the_lease(self._order.database_url)
        return True


def made(database: Path) -> set[str]:
    """Return which rooms are on record as made, by what their aliases begin with."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT alias_localpart FROM managed_room WHERE room_id IS NOT NULL"
        return {str(row[0]) for row in connection.execute(query)}


def parked(database: Path) -> Sequence[str]:
    """Return what waits for a person, and why."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        try:
            return [str(row[0]) for query in _PARKED for row in connection.execute(query)]
        except sqlite3.OperationalError:
            return []  # the tables are being made
