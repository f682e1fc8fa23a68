"""Which reference number belongs to what is being done right now: the thread from a transaction to every effect.

The inbox begins it with each event; the work queue, the outbox and owed answers keep it in their rows and take it up
again; ``operations.terminal`` writes it on each line of the log. Work that nobody asked for has none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CURRENT: ContextVar[str | None] = ContextVar("reference", default=None)


def current_reference() -> str | None:
    """Return the reference number of what is being done now, if somebody asked for it."""
    return _CURRENT.get()


@contextmanager
def following(reference: str | None) -> Iterator[None]:
    """Have whatever is done within, in tasks begun there too, belong to ``reference``."""
    token = _CURRENT.set(reference)
    try:
        yield
    finally:
        _CURRENT.reset(token)
