"""Taking transactions: events a second committed before the 200, against a handler that parses and forgets."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.floor import median
from tests.benchmarks.transaction_server import TOKEN
from tests.benchmarks.transactions import Homeserver, Measured, Traffic
from tests.support.memory import resident_mib

#: Events in transactions of a hundred; those of one event are a fiftieth of it.
EVENTS = int(os.environ.get("BENCH_EVENTS", "200000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
#: Bodies are made outside of what is measured, so many at a time.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    pid: int
    facts: dict[str, Any]
    homeserver: Homeserver


@contextmanager
def serving(which: str, directory: Path) -> Iterator[Server]:
    """Run one while the context is open."""
    directory.mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.transaction_server", which, str(directory)]
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}  # as in deploy/
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        facts = json.loads(process.stdout.readline())
        homeserver = Homeserver(facts["port"], TOKEN)
        try:
            yield Server(process.pid, facts, homeserver)
        finally:
            homeserver.close()
            process.stdin.close()


def deliver(server: Server, traffic: Traffic, *, events: int, size: int) -> Measured:
    """Deliver so many events; return what it took."""
    measured = Measured()
    left = events // size
    while left:
        bodies = list(traffic.bodies(min(left, _AT_ONCE), size))
        server.homeserver.deliver(bodies, size, measured)
        left -= len(bodies)
    return measured


def told(name: str, one: Measured) -> str:
    """Say what was measured."""
    return f"{name}: {one.rate:,.0f} events/s, median {one.percentile(0.5):.2f} ms, p99 {one.percentile(0.99):.2f} ms"


@pytest.mark.bench
@pytest.mark.parametrize("size", [100, 1])
def test_transactions_against_a_handler_that_parses_and_forgets(tmp_path: Path, size: int) -> None:
    events = EVENTS // ROUNDS if size > 1 else EVENTS // ROUNDS // 50
    with serving("bare", tmp_path / "bare") as bare, serving("ours", tmp_path / "ours") as ours:
        traffic = Traffic(ours.facts["rooms"], ours.facts["secretary"])
        for server in (bare, ours):
            deliver(server, traffic, events=20 * size, size=size)
        ratios = []
        for number in range(ROUNDS):
            floor = deliver(bare, traffic, events=events, size=size)
            mine = deliver(ours, traffic, events=events, size=size)
            ratios.append(mine.rate / floor.rate)
            waiting = ours.homeserver.get("/counts")
            peak = resident_mib(ours.pid, peak=True)
            print(f"\nround {number + 1}, {size} a transaction: {told('floor', floor)}; {told('ours', mine)};")
            print(f"ratio {ratios[-1]:.2f}; {waiting['pending']} not handled yet; peak {peak:.0f} MiB")
            began = time.perf_counter()
            # Looking each second costs it little; there is nothing to be told by.
            while (waiting := ours.homeserver.get("/counts"))["pending"]:
                time.sleep(0.5)
            print(f"all handled {time.perf_counter() - began:.1f} s later")
        assert waiting["parked"] == 0
        began_with, peak = ours.facts["mib"], resident_mib(ours.pid, peak=True)
        ratio = f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"{size} a transaction: ratio {ratio}")
        print(f"began with {began_with:.0f} MiB, peak {peak:.0f} MiB after {ROUNDS * events:,} events")
