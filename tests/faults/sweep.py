"""Goes through the steps: kill at each of them, start again, and see that it ends as if nothing had happened."""

import os
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.faults.endings import differences

#: Numbers of steps to kill at, such as ``17``, or ``17,40`` for a second kill after the restart.
REPLAY = "FAULT_POINT"
#: How many steps ``every`` takes, spread evenly, when there is no time for all of them.
SAMPLE = "FAULT_SAMPLE"

#: The steps at which one process after another is killed; none of them, for an undisturbed run.
Kills = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended (``endings.look``), and what each of its processes went through; the last one was not killed."""

    end: list[str]
    steps: list[list[str]]


Attempt = Callable[[Kills], Awaitable[Outcome]]


async def sweep(attempt: Attempt, choose: Callable[[int], Iterable[Kills]], *, name: str) -> None:
    """Run once undisturbed, then once for each of the kills that ``choose`` returns for so many steps."""
    undisturbed = await attempt(())
    count = len(undisturbed.steps[0])
    replay = os.environ.get(REPLAY)
    chosen: Sequence[Kills] = (
        [tuple(int(number) for number in replay.split(","))] if replay else sorted(set(choose(count)))
    )
    missed, failures = 0, list[str]()
    for kills in chosen:
        try:
            outcome = await attempt(kills)
        except AssertionError as error:
            failures.append(_report(kills, "(see below)", str(error)))
            continue
        reached = [len(steps) for steps in outcome.steps[:-1]]
        missed += reached[0] != kills[0]
        if found := differences(undisturbed.end, outcome.end):
            last = " / ".join(steps[-1] for steps in outcome.steps[:-1])
            failures.append(_report(kills, last, "\n".join(found)))
    print(
        f"\n{name}: {count} steps, {len(chosen)} times killed ({missed} ran through), {len(failures)} ended otherwise"
    )
    assert not failures, f"{len(failures)} of {len(chosen)} ended otherwise\n" + "\n\n".join(failures[:10])
    assert missed <= len(chosen) / 10, "the steps of one run and of the next are not nearly the same"


def every(*, half: int | None = None) -> Callable[[int], list[Kills]]:
    """Kill at each step, or at each second one: ``half`` 0 are the even ones, 1 the odd ones."""
    if sample := os.environ.get(SAMPLE):
        return strided(int(sample))
    return lambda count: [(number,) for number in range(1, count + 1) if half is None or number % 2 == half]


def strided(times: int) -> Callable[[int], list[Kills]]:
    """Kill so many times, evenly over all steps; always the same ones."""
    return lambda count: [(1 + number * count // times,) for number in range(times)]


def doubly(times: int, *, seed: int) -> Callable[[int], list[Kills]]:
    """Kill at a random step, and the process after that at another one."""
    dice = random.Random(seed)  # noqa: S311 - a test that is the same each time
    return lambda count: [(dice.randint(1, count), dice.randint(1, count)) for _ in range(times)]


def _report(kills: Kills, last: str, found: str) -> str:
    number = ",".join(map(str, kills))
    return f"killed at step {number} ({last}); to see it again: {REPLAY}={number} pytest …\n{found}"
