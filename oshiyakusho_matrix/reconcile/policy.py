"""What to do about a run that failed: try again when, give up when, tell whom. Pure; the loop carries it out.

Temporary failures are never given up: the homeserver comes back some day. Whatever trying again will not mend is
parked. A bug gets a few tries, because many are races.
"""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from oshiyakusho_matrix.core.errors import CityHallError, Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.core.text import Value, say

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(minutes=5)
#: The asker reads that it takes longer once this many runs have failed; one is often over in a second.
TELL_ASKER_AFTER = 2
#: 事務局室 reads it once this many runs have failed.
TELL_SECRETARIAT_AFTER = 5
#: A bug is tried again this often.
BUG_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """``delay`` until the next run, None to park the key. ``why`` is told to people and holds no personal data."""

    delay: timedelta | None
    why: Value
    bug: bool = False
    tell_asker: bool = False
    tell_secretariat: bool = False


def backoff(attempts: int, random: Random, retry_after: timedelta | None = None) -> timedelta:
    """Return how long to wait after the ``attempts``-th failure (from 1): full jitter below 1, 2, 4 … 300 seconds.

    The jitter comes on top of ``retry_after``: keys that were refused together do not come back together.
    """
    ceiling: timedelta = min(FIRST_DELAY * 2 ** min(attempts - 1, 16), LONGEST_DELAY)
    return max(retry_after or timedelta(), timedelta()) + ceiling * random.random()


def judge(error: Exception, *, attempts: int, crashes: int, random: Random) -> Verdict:
    """Decide what follows from ``error``, the key having failed ``attempts`` times before (``crashes`` by bugs)."""
    failures = attempts + 1
    match error:
        case Temporary():
            return Verdict(
                backoff(failures, random, error.retry_after),
                error.why,
                tell_asker=failures >= TELL_ASKER_AFTER,
                tell_secretariat=failures >= TELL_SECRETARIAT_AFTER,
            )
        case Permanent():
            return Verdict(None, error.why)
        case Misconfigured():
            return Verdict(None, str(error))
        case _:
            # The message of a foreign error may quote what people wrote: its class alone is passed on.
            detail = f": {error}" if isinstance(error, CityHallError) else ""
            why = say("a bug in this program ({detail})", detail=f"{type(error).__name__}{detail}")
            delay = backoff(failures, random) if crashes < BUG_RETRIES else None
            return Verdict(delay, why, bug=True, tell_asker=failures >= TELL_ASKER_AFTER)
