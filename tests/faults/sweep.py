"""Goes through the steps: kill at each of them, start again, and see that it ends as if nothing had happened."""

import os
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.faults.endings import differences
from tests.faults.points import Step

#: Where to kill: the number or name of a step, or two of them with a comma for a second kill after the restart.
REPLAY = "FAULT_POINT"
#: The part of them that may be missed. Seen: none on SQLite, 8 of 210 on PostgreSQL, where letters are sorted one by
#: one or together as it happens.
MISSED = 0.05
#: How many steps ``every`` takes, spread evenly, when there is no time for all of them.
SAMPLE = "FAULT_SAMPLE"

#: The steps at which one process after another is killed; none of them, for an undisturbed run.
Kills = tuple[Step, ...]
#: Chooses them from the names of all steps of an undisturbed run.
Choose = Callable[[Sequence[str]], Iterable[Kills]]
#: Around the one write that a homeserver waits for, ``Store.write_one``.
BEFORE_THE_200 = tuple(
    f"{when} INSERT INTO inbox_letter #1" for when in ("before", "before commit of", "after commit of")
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended (``endings.look``), and what each of its processes went through; the last one was not killed."""

    end: list[str]
    steps: list[list[str]]


Attempt = Callable[[Kills], Awaitable[Outcome]]


async def sweep(attempt: Attempt, choose: Choose, *, name: str, also: Sequence[str] = ()) -> None:
    """Run once undisturbed, then once for each of the kills that ``choose`` returns, and for the steps named ``also``.

    Those must not be missed. One of the others may, or a few: what is sorted at once one time comes apart another time.
    """
    undisturbed = await attempt(())
    replay = os.environ.get(REPLAY)
    chosen: Sequence[Kills] = (
        [tuple(int(step) if step.isdigit() else step for step in replay.split(","))]
        if replay
        else list(dict.fromkeys([*choose(undisturbed.steps[0]), *((step,) for step in also)]))
    )
    missed, failures = list[Step](), list[str]()
    for kills in chosen:
        try:
            outcome = await attempt(kills)
        except AssertionError as error:
            failures.append(_report(kills, "(see below)", str(error)))
            continue
        first = outcome.steps[0]
        if kills[0] not in (first[-1], len(first)):
            missed.append(kills[0])
        if found := differences(undisturbed.end, outcome.end):
            last = " / ".join(steps[-1] for steps in outcome.steps[:-1])
            failures.append(_report(kills, last, "\n".join(found)))
    print(
        f"\n{name}: {len(undisturbed.steps[0])} steps, {len(chosen)} tried, {len(failures)} ended otherwise, "
        f"missed: {missed}"
    )
    assert not failures, f"{len(failures)} of {len(chosen)} ended otherwise\n" + "\n\n".join(failures[:10])
    assert not set(also) & set(missed), missed
    assert len(missed) <= max(1, len(chosen) * MISSED), (
        f"the steps of one run and of the next are not the same: {missed}"
    )


def every(*, nth: int = 1) -> Choose:
    """Kill at each step, or at each ``nth`` one."""
    if sample := os.environ.get(SAMPLE):
        return strided(int(sample))
    return lambda steps: [(step,) for number, step in enumerate(steps, 1) if number % nth == 0]


def strided(times: int) -> Choose:
    """Kill so many times, evenly over all steps."""
    return lambda steps: [(steps[number * len(steps) // times],) for number in range(times)]


def doubly(times: int, *, seed: int) -> Choose:
    """Kill at a random step, and the process after that, which has others, at a random number."""
    dice = random.Random(seed)  # noqa: S311 - a test that is the same each time
    return lambda steps: [(dice.choice(steps), dice.randint(1, len(steps))) for _ in range(times)]


def _report(kills: Kills, last: str, found: str) -> str:
    replay = ",".join(map(str, kills))
    return f"killed at {last}; to see it again: {REPLAY}='{replay}' pytest …\n{found}"
