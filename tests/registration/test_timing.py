"""Nobody learns from an answer, nor from the time that it takes, whether an address is known here.

Known is the mailbox of a member, of an applicant, and one to which too many codes went within the hour. Whoever asks
has a form of their own with such an address, and nobody's mailbox. Times are compared by rank, over requests made in
turns: a busy machine makes a difference harder to see, but makes none.
"""

import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Final

import pytest
import pytest_asyncio
from sqlalchemy import delete, select, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.registration.domain import CODES_AN_HOUR, State
from oshiyakusho_matrix.registration.tables import application, application_code
from oshiyakusho_matrix.web.limits import Rate
from tests.registration.browsing import Paper, Site, pages
from tests.registration.desk import TARO, Desk, form_of
from tests.registration.test_forms import TYPED
from tests.support.fake_city import someone

#: Names are of one length, or the pages would be of several.
KNOWN: Final[Mapping[str, str]] = {
    "a member's": "member01@city.otaru.lg.jp",
    "an applicant's": "pending1@city.otaru.lg.jp",
    "one over its limit": "overful1@city.otaru.lg.jp",
}
UNKNOWN: Final = "unknown"
KINDS: Final = (*KNOWN, UNKNOWN)
#: How many requests of a kind in a round, and how many rounds at most.
EACH, ROUNDS = 50, 4
#: How far from a half the share of pairs may be in which the known one took longer (after all rounds four standard
#: deviations of what chance does to it), and how far from one the ratio of the medians. It fails if both are farther.
APART, SLIGHT = 0.12, 0.05
#: What differs between two applications anyway: address, reference number and secret (see ``bare``), and the time.
_OWN: Final = re.compile(r"[a-z]\*\*\*@[a-z.]+|\d\d:\d\d")

Ask = Callable[[str], Awaitable[Paper]]
Times = dict[str, list[float]]


@dataclass
class Prober:
    """Somebody who wants to know who is here, and has a form under way with an address of each kind."""

    site: Site
    desk: Desk
    token: str
    tickets: dict[str, dict[str, str]] = field(default_factory=dict)
    _numbers: int = 0
    _codes: Sequence[str] = ()

    def address(self, kind: str) -> str:
        """Return an address of a kind; an unknown one is another each time."""
        self._numbers += 1
        return KNOWN.get(kind, f"n{self._numbers:07}@city.otaru.lg.jp")

    async def file(self, kind: str) -> Paper:
        """Send a form that is like no other."""
        address = self.address(kind)
        typed = {**TYPED, "address": address, "department": f"第{self._numbers:05}課", "token": self.token}
        return await self.site.post("/register", {**typed, "do": "file"})

    async def code(self, kind: str) -> Paper:
        """Type a code that is not the one."""
        return await self._act(kind, "code", code="00000000")

    async def resend(self, kind: str) -> Paper:
        """Ask for another code."""
        return await self._act(kind, "resend")

    async def change(self, kind: str) -> Paper:
        """Put an address of that kind in the place of another."""
        return await self._act(kind, "address", address=self.address(kind))

    async def look(self, kind: str) -> Paper:
        """Look how the application stands."""
        return await self._act(kind, "show")

    async def guess(self, kind: str) -> Paper:
        """Type a code for an application whose secret is not known: that of this kind, or one that is not there."""
        reference = "22222222" if kind == UNKNOWN else self.tickets[kind]["reference"]
        typed = {"reference": reference, "secret": "2" * 16, "code": "00000000", "do": "code"}
        return await self.site.post("/register/status", {**typed, "token": self.token})

    async def domain(self, kind: str) -> Paper:
        """Ask whether the domain is known; there are neither members nor applicants in that of an unknown one."""
        domain = "city.ebetsu.lg.jp" if kind == UNKNOWN else KNOWN[kind].partition("@")[2]
        return await self.site.post("/register/domain", {"domain": domain, "token": self.token})

    async def _act(self, kind: str, do: str, **typed: str) -> Paper:
        return await self.site.post("/register/status", {**self.tickets[kind], "do": do, **typed})

    def bare(self, kind: str, paper: Paper) -> tuple[int, str]:
        """Return a status page without what is this application's own."""
        html = paper.html
        for own in self.tickets[kind].values():
            html = html.replace(own, "")
        secret = self.tickets[kind]["secret"]
        html = html.replace("-".join(secret[start : start + 4] for start in range(0, 16, 4)), "")
        return paper.status, _OWN.sub("", html)

    async def prepare(self) -> None:
        """Have a form under way with each address."""
        for kind in KINDS:
            self.tickets[kind] = (await self.file(kind)).ticket
        await self.later()

    async def later(self) -> None:
        """Let some minutes pass: another code may be asked for, and nothing else is over."""
        await self.desk.city.settle()
        async with self.desk.city.app.store.transaction() as tx:
            await tx.connection.execute(update(application_code).values(sent_at=now() - timedelta(minutes=9)))
            self._codes = (await tx.connection.execute(select(application_code.c.id))).scalars().all()

    async def reset(self, *, mailbox: str | None = None) -> None:
        """Make it as it was before the last request. ``mailbox`` is put in the place of that of each form."""
        app = self.desk.city.app
        assert app.mailer is not None
        await app.mailer.idle()
        values = {"tries": 0} | ({} if mailbox is None else {"mailbox": mailbox})
        own = [ticket["reference"] for ticket in self.tickets.values()]
        async with app.store.transaction() as tx:
            await tx.connection.execute(delete(application_code).where(application_code.c.id.not_in(self._codes)))
            await tx.connection.execute(update(application).where(application.c.reference.in_(own)).values(values))


async def fill(desk: Desk) -> None:
    """Make known what is to be known."""
    member, applicant, over = (form_of(address.partition("@")[0]) for address in KNOWN.values())
    ticket = await desk.complete(TARO, member, token="member")
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).application.state is State.ADMITTED
    await desk.complete(someone("b4d2w", "elsewhere.example"), applicant, token="applicant")
    for number in range(CODES_AN_HOUR):
        await desk.file(over, token=f"over {number}")


@pytest_asyncio.fixture
async def prober(either_desk: Desk) -> AsyncIterator[Prober]:
    """Somebody before the pages of a desk that knows each kind of address."""
    await fill(either_desk)
    routes = tuple(await either_desk.city.app.routes("試験事務局"))
    async with pages(routes, rate=Rate(burst=100_000)) as site:
        token = (await site.get("/register")).typed["token"]
        one = Prober(site, either_desk, token)
        await one.prepare()
        yield one


def share(some: Sequence[float], others: Sequence[float]) -> float:
    """Return in how many of all pairs the one of ``some`` is larger: U of Mann and Whitney; 0.5 if none tends to be."""
    larger = sum((one > other) + (one == other) / 2 for one in some for other in others)
    return larger / (len(some) * len(others))


async def timed(kinds: Sequence[str], ask: Ask, reset: Callable[[], Awaitable[None]], *, seed: int) -> Times:
    """Make requests of all kinds in an order that nobody knows; return the seconds of each."""
    order = [kind for kind in kinds for _ in range(EACH)]
    random.Random(seed).shuffle(order)  # noqa: S311 - the same order each time, not a secret
    seconds: Times = {kind: [] for kind in kinds}
    statuses = set[int]()
    for kind in order:
        await reset()
        began = time.perf_counter()
        paper = await ask(kind)
        seconds[kind].append(time.perf_counter() - began)
        statuses.add(paper.status)
    assert len(statuses) == 1
    return seconds


async def assert_time_tells_nothing(ask: Ask, reset: Callable[[], Awaitable[None]], *, slight: float = SLIGHT) -> None:
    """Compare the times of known ones with those of unknown ones, in more rounds until they are as one."""
    seconds: Times = {kind: [] for kind in KINDS}
    for seed in range(ROUNDS):
        for kind, more in (await timed(KINDS, ask, reset, seed=seed)).items():
            seconds[kind] += more
        unknown = seconds[UNKNOWN]
        found = {kind: (share(seconds[kind], unknown), median(seconds[kind]) / median(unknown)) for kind in KNOWN}
        told = {kind: one for kind, one in found.items() if abs(one[0] - 0.5) > APART and abs(one[1] - 1) > slight}
        if not told:
            return
    raise AssertionError(
        f"in which share of pairs it took longer than with an unknown address, and by how much: {told}"
    )


ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.mark.parametrize("ask", [Prober.file, Prober.resend])
async def test_time_does_not_tell_whether_an_address_is_known(
    prober: Prober, ask: Callable[[Prober, str], Awaitable[Paper]]
) -> None:
    await assert_time_tells_nothing(partial(ask, prober), prober.reset)


@ON_SQLITE
async def test_time_does_not_tell_whether_a_code_was_mailed(prober: Prober) -> None:
    await assert_time_tells_nothing(prober.code, prober.reset)


@ON_SQLITE
async def test_time_does_not_tell_whether_the_right_address_is_known(prober: Prober) -> None:
    # Changed from a known address into the same one, less would be written.
    await assert_time_tells_nothing(prober.change, partial(prober.reset, mailbox="another"))


@ON_SQLITE
async def test_time_does_not_tell_whether_anybody_is_in_a_domain(prober: Prober) -> None:
    await assert_time_tells_nothing(prober.domain, prober.reset)


@ON_SQLITE
async def test_time_hardly_tells_whether_a_reference_number_is_known(prober: Prober) -> None:
    """It is no secret: rooms and mails have it. A row that is there takes a tenth of a millisecond to be read."""
    await assert_time_tells_nothing(prober.guess, prober.reset, slight=0.25)


async def test_answers_do_not_tell_whether_an_address_is_known(prober: Prober) -> None:
    pages: dict[str, list[tuple[int, str]]] = {}
    for kind in KINDS:
        filed = await prober.file(kind)
        prober.tickets[kind] = filed.ticket
        pages[kind] = [prober.bare(kind, filed)]
    steps: list[Ask] = [prober.look, prober.code, prober.resend, prober.look]
    for again in (False, True):
        for step in steps:
            await (prober.later() if again else prober.desk.city.settle())
            for kind in KINDS:
                pages[kind].append(prober.bare(kind, await step(kind)))
    for kind in KNOWN:
        assert pages[kind] == pages[UNKNOWN], kind
