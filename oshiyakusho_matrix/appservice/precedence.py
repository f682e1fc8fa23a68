"""What arrives goes before what it leads to: a homeserver that delivers a backlog is not kept waiting by our own work.

``inbox`` tells of each delivery, and asks before each piece of work. While deliveries come one upon the other, work
goes on in single pieces with pauses between them: slower, but never not at all. Otherwise nobody waits.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

#: So long after a delivery the next one is no more expected to follow at once.
QUIET: Final = timedelta(milliseconds=3)
#: After so long a piece of work is done all the same. A piece may take tens of milliseconds with all that it sets off.
PATIENCE: Final = timedelta(milliseconds=250)


class Precedence:
    """One for each inbox."""

    def __init__(self) -> None:
        self._arriving = 0
        self._last = 0.0
        self._piece = asyncio.Lock()

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Within, something is being delivered."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
            self._last = asyncio.get_running_loop().time()

    async def give_way(self) -> None:
        """Return once nothing is being delivered, or after ``PATIENCE``."""
        if not self._pressed():
            return
        loop = asyncio.get_running_loop()
        async with self._piece:
            until = loop.time() + PATIENCE.total_seconds()
            while self._pressed() and loop.time() < until:  # noqa: ASYNC110 - nothing tells that nothing came
                await asyncio.sleep(QUIET.total_seconds())

    def _pressed(self) -> bool:
        since = asyncio.get_running_loop().time() - self._last
        return self._arriving > 0 or since < QUIET.total_seconds()
