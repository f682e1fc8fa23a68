"""What a large city hall costs: start, plan, one event, one admission, one removal, memory, by the size of it.

Each size runs in a process of its own, filled in bulk, on SQLite and the homeserver in memory, so that what is measured
is ours. What is compared is the processor's time: what passes on the clock is told beside it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: How many members; a twentieth of it are rooms. ``BENCH_MEMBERS=1000,10000`` is the short run.
MEMBERS = [int(number) for number in os.environ.get("BENCH_MEMBERS", "1000,10000,100000").split(",")]
#: What must not cost more in a larger city hall. A hundred times as many people may add half to a figure (noise, and
#: the depth of an index); one that grew with them would be many times as high.
FLAT = ("100 messages", "join", "command", "admission")
MOST = 1.5


def run(members: int, directory: Path) -> dict[str, Any]:
    """Measure one size."""
    directory.mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.community_run", str(members), str(members // 20), str(directory)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(figure: float | list[float]) -> str:
    """Say a figure: as it is, or the processor's milliseconds and in brackets those that passed."""
    return f"{figure[1]:,.1f} ({figure[0]:,.0f})" if isinstance(figure, list) else f"{figure:,.0f}"


@pytest.mark.bench
@pytest.mark.timeout(1800)  # the largest takes some minutes, on a busy machine more
def test_what_an_event_and_an_admission_cost_does_not_grow_with_the_size_of_the_city_hall(tmp_path: Path) -> None:
    found = {members: run(members, tmp_path / str(members)) for members in MEMBERS}
    print("\n| members | " + " | ".join(f"{members:,}" for members in MEMBERS) + " |")
    print("|---|" + "---|" * len(MEMBERS))
    for name in found[MEMBERS[0]]:
        print(f"| {name} | " + " | ".join(told(each[name]) for each in found.values()) + " |")
    smallest, largest = found[MEMBERS[0]], found[MEMBERS[-1]]
    for name in FLAT:
        assert largest[name][1] <= MOST * smallest[name][1], name
    # A room that the homeserver does not say the person is in is looked at once, and no more than that.
    assert largest["removal, calls"] - largest["rooms"] <= smallest["removal, calls"] - smallest["rooms"] + 2
