"""Two hundred applicants at once (``make soak``): each gets one code, one card, one invitation, and one decision."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass

import pytest

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.tables import in_states
from oshiyakusho_matrix.web.limits import Rate
from tests.registration.browsing import Site, pages
from tests.registration.desk import Desk
from tests.registration.test_forms import TYPED
from tests.support.fake_city import PORCH, SECRETARY, someone

#: How many at once: in ``make test``, and in ``make soak``.
SOME, ALL = 25, 200
#: Who decides at the same moment as the secretary.
OTHER = someone("fukuda")


@dataclass
class Applicant:
    """One of the crowd, before a browser."""

    number: int
    site: Site
    desk: Desk

    @property
    def address(self) -> str:
        """Their mailbox."""
        return f"person{self.number}@city.otaru.lg.jp"

    @property
    def reading(self) -> str:
        """How their given name is read: nobody has another's."""
        return "".join("あいうえおかきくけこ"[int(digit)] for digit in str(self.number))

    @property
    def account(self) -> UserId:
        """Their account."""
        return someone(f"k{self.number}", "elsewhere.example")

    async def come_in(self) -> str:
        """Fill in the form, prove the mailbox, knock; return the reference number."""
        form = await self.site.get("/register")
        typed = {**TYPED, "address": self.address, "yomi": f"しけん {self.reading}"}
        filed = await self.site.post("/register", {**typed, "token": form.typed["token"], "do": "file"})
        assert filed.status == 200, filed.text
        (mail,) = await self.desk.mailbox.until(1, to=self.address, timeout=120)
        code = re.findall(r"\d{8}", mail.subject)[0]
        proven = await self.site.post("/register/status", {**filed.ticket, "do": "code", "code": code})
        claim = re.search(r"\b[2-9A-Z]{4}-[2-9A-Z]{4}\b", proven.text)
        assert claim is not None, proven.text
        await self.desk.city.hs.knock_as(self.account, PORCH, reason=claim.group())
        return filed.ticket["reference"]


async def decide(desk: Desk, reference: str, by: UserId) -> bool:
    """Approve; tell whether this was the decision."""
    try:
        async with desk.city.app.store.transaction() as tx:
            await desk.registration.decisions.approve(tx, reference, by=by)
    except Refused:
        return False
    return True


@pytest.mark.parametrize("crowd", [SOME, pytest.param(ALL, marks=pytest.mark.soak)])
async def test_a_crowd_comes_in_and_each_is_decided_about_once(either_desk: Desk, crowd: int) -> None:
    desk = either_desk
    async with pages(tuple(await desk.city.app.routes("試験事務局")), rate=Rate(burst=100_000)) as site:
        applicants = [Applicant(number, site, desk) for number in range(crowd)]
        references = await asyncio.gather(*(each.come_in() for each in applicants))
        await desk.city.settle()
    assert len(set(references)) == crowd
    async with desk.city.app.store.reading() as connection:
        assert {each.reference for each in await in_states(connection, [State.SUBMITTED])} == set(references)
    shown = Counter(e["content"].get("jp.oshiyakusho.application") for e in desk.city.said())
    assert {shown[reference] for reference in references} == {1}

    decisions = [(reference, by) for reference in references for by in (SECRETARY, OTHER)]
    done = await asyncio.gather(*(decide(desk, reference, by) for reference, by in decisions))
    await desk.city.settle()
    assert Counter(reference for (reference, _), won in zip(decisions, done, strict=True) if won) == Counter(references)
    hall = desk.city.room("cityhall")
    assert {hall.membership(each.account) for each in applicants} == {"invite"}
    mails = Counter(mail.to for mail in desk.mailbox.received)
    assert mails == {each.address: 2 for each in applicants}  # the code, and that it was approved
