"""Applications a second through the form, against the same application answering a page that is made already.

An application is the form that is opened (GET, for its token) and sent (POST), each on a connection of its own, as
strangers have it: read, judged, sealed, committed with its code and the mail that waits, and answered by a page. The
mail goes out beside it, to a server that takes all at once. The floor is a page of the handbook from that very process,
by the same client, so many at once.

The limits are those of the product, in force and never met, as in a real rush: applicants sit in offices, each behind
an address of its own, which the proxy before us names (``web_proxies``); their mailboxes are in many bodies' domains.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.benchmarks.floor import AT_ONCE, median
from tests.registration.test_forms import TYPED

#: Applications in all, and how many pages the floor is asked for meanwhile: it is done with one far sooner.
FORMS = int(os.environ.get("BENCH_FORMS", "3000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
PAGES_EACH: Final = 20
STATIC: Final = "/handbook/"
#: A client may send 200 forms at once, and a domain gets 300 codes an hour.
AN_OFFICE, BODIES = 150, 1_000


@dataclass(slots=True)
class Server:
    """The pages in a process of their own."""

    port: int
    process: subprocess.Popen[str]

    async def ask(self, method: str, path: str, *, office: str = "", body: str = "") -> bytes:
        """Send one request on one connection; return the page. AssertionError if it is not answered by 200."""
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
        if office:
            head.append(f"X-Forwarded-For: {office}")
        if body:
            head += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
            head += [f"Origin: http://127.0.0.1:{self.port}", "Sec-Fetch-Site: same-origin"]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write("\r\n".join([*head, "", body]).encode())
            answer = await reader.read(-1)
        finally:
            writer.close()
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        return answer

    def settle(self) -> dict[str, int]:
        """Wait until it has nothing left to do; return what it has kept by then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("settle\n")
        self.process.stdin.flush()
        kept: dict[str, int] = json.loads(self.process.stdout.readline())
        return kept


@contextmanager
def serving(directory: Path, database_url: str) -> Iterator[Server]:
    """Run the server while the context is open."""
    directory.mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.form_server", str(directory), database_url]
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}  # as in deploy/
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        facts: dict[str, Any] = json.loads(process.stdout.readline())
        try:
            yield Server(facts["port"], process)
        finally:
            process.stdin.close()


@dataclass(slots=True)
class Measured:
    """What a round took; ``opened`` and ``sent`` are the seconds of each GET and POST of a form."""

    seconds: float = 0.0
    done: int = 0
    opened: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.done / self.seconds


async def apply(server: Server, number: int, into: Measured) -> None:
    """Open the form, write, and send it."""
    office = f"10.0.{number // AN_OFFICE >> 8}.{number // AN_OFFICE & 255}"
    began = time.perf_counter()
    form = await server.ask("GET", "/register", office=office)
    opened = time.perf_counter()
    token = re.search(rb'name="token" value="([^"]+)"', form)
    assert token is not None
    address = f"shiken{number}@city.bench{number % BODIES:03}.lg.jp"
    typed = {**TYPED, "address": address, "token": token[1].decode(), "do": "file"}
    begins = time.perf_counter()
    answer = await server.ask("POST", "/register", office=office, body=urlencode(typed))
    into.sent.append(time.perf_counter() - begins)
    into.opened.append(opened - began)
    assert b'name="secret"' in answer


async def eight_at_once(work: Iterable[Callable[[], Awaitable[object]]]) -> Measured:
    """Do so many things at a time until all are done."""
    measured, left = Measured(), iter(work)

    async def hand() -> None:
        for each in left:
            await each()
            measured.done += 1

    began = time.perf_counter()
    await asyncio.gather(*(hand() for _ in range(AT_ONCE)))
    measured.seconds = time.perf_counter() - began
    return measured


async def static(server: Server, requests: int) -> Measured:
    """Ask for a page that is made already."""
    return await eight_at_once(lambda: server.ask("GET", STATIC) for _ in range(requests))


async def forms(server: Server, first: int, many: int) -> Measured:
    """File so many applications, from the number ``first`` on."""
    times = Measured()
    measured = await eight_at_once(
        lambda number=number: apply(server, number, times)  # type: ignore[misc]
        for number in range(first, first + many)
    )
    measured.opened, measured.sent = times.opened, times.sent
    return measured


def milliseconds(seconds: list[float], share: float) -> float:
    """Return the milliseconds within which ``share`` of them were answered."""
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1000


@pytest.mark.bench
async def test_applications_through_the_form_against_a_static_page(
    tmp_path: Path, database_url: str, database_kind: str
) -> None:
    """Nothing is aimed at; each application that is counted is kept, has its code, and its mail has gone out."""
    floors, ours, each = list[Measured](), list[Measured](), FORMS // ROUNDS
    with serving(tmp_path / "server", database_url) as server:
        await static(server, AT_ONCE * 5)
        await forms(server, 0, AT_ONCE * 5)
        await asyncio.to_thread(server.settle)
        filed = AT_ONCE * 5
        for number in range(ROUNDS):
            floors.append(await static(server, PAGES_EACH * each))
            ours.append(await forms(server, filed, each))
            filed += each
            began = time.perf_counter()
            kept = await asyncio.to_thread(server.settle)
            assert kept == {"applications": filed, "codes": filed, "mails": filed}
            print(
                f"\nround {number + 1}, {database_kind}: floor {floors[-1].rate:,.0f} pages/s; "
                f"ours {ours[-1].rate:.1f} applications/s; ratio {ours[-1].rate / floors[-1].rate:.3f}; "
                f"all mailed {time.perf_counter() - began:.1f} s later"
            )
    ratios = [one.rate / floor.rate for one, floor in zip(ours, floors, strict=True)]
    sent, opened = ([s for one in ours for s in getattr(one, which)] for which in ("sent", "opened"))
    print(f"{database_kind}, {ROUNDS} rounds of {each} applications, {AT_ONCE} at once, medians")
    print(f"floor  {median([one.rate for one in floors]):,.0f} pages/s")
    print(f"ours   {median([one.rate for one in ours]):.1f} applications/s")
    print(f"ratio  {median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})")
    print(f"POST   median {milliseconds(sent, 0.5):.1f} ms, p99 {milliseconds(sent, 0.99):.1f} ms")
    print(f"GET    median {milliseconds(opened, 0.5):.1f} ms, p99 {milliseconds(opened, 0.99):.1f} ms")
