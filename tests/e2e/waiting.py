"""How the end-to-end tests wait for what a homeserver is to show: they look again whenever a sync brings something."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.support.users import MatrixUser

T = TypeVar("T")

#: How long anything may take until it is as it must be, in seconds. Only a failure ever waits that long.
SOON = 90.0


async def eventually(look: Callable[[], Awaitable[T | None]], waiter: MatrixUser, *, what: str) -> T:
    """Look until ``look()`` finds something, and return it; in between, wait for news in the waiter's next sync."""
    deadline = time.monotonic() + SOON
    while (found := await look()) is None:
        assert time.monotonic() < deadline, f"after {SOON} s still not: {what}"
        await waiter.sync(0.5)
    return found
