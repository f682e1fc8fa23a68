"""The one source of time. Everything stored is UTC; people read Asia/Tokyo.

The clock of a machine may be set back while we run. What was due "at once" just before would then lie in the future
and wait, and what follows would seem to come before it. So in a process that serves (``hold_steady``) time never goes
back: it is slowed down to half its speed until it agrees with the machine again, as NTP does with small differences.
"""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")

#: A difference between two looks that is smaller is no setting of the clock.
_NOTICED = timedelta(seconds=1)
#: A clock that was set back by more was plainly wrong: it is followed at once. The other way it always is.
LONGEST_SLOWING = timedelta(hours=1)


class SteadyClock:
    """Shows the machine's time, but does not follow it back."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._last = self._look()

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        here, before = self._look(), self._last
        self._last = here
        passed = timedelta(seconds=here[1] - before[1])
        set_by = here[0] - before[0] - passed
        self._ahead -= passed / 2
        if abs(set_by) > _NOTICED:
            self._ahead -= set_by
        if not timedelta() < self._ahead <= LONGEST_SLOWING:
            self._ahead = timedelta()
        return here[0] + self._ahead

    @staticmethod
    def _look() -> tuple[datetime, float]:
        return datetime.now(UTC), time.monotonic()


_steady: list[SteadyClock] = []


def hold_steady() -> None:
    """Have time never go back in this process from now on. Called once, when serving begins."""
    _steady[:] = [SteadyClock()]


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return _steady[0].now() if _steady else datetime.now(UTC)
