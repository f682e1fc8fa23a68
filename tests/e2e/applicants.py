"""Somebody who applies: before a browser without scripts, with a work mailbox and a Matrix account."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page

from tests.e2e.city import City, suppress_forbidden
from tests.e2e.waiting import eventually
from tests.registration.test_forms import TYPED
from tests.support.users import Event, MatrixUser

#: How a claim code looks, which is half of a secret, and a code in a mail.
CLAIM = re.compile(r"(?<![-\w])[2-9A-Z]{4}-[2-9A-Z]{4}(?![-\w])")
CODE = re.compile(r"\b\d{8}\b")
#: The fields that one writes into.
WRITTEN = ("organisation", "department", "term_ends", "name", "yomi", "address")


@asynccontextmanager
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """A new tab of a browser without scripts, in Japanese."""
    context = await browser.new_context(java_script_enabled=False, locale="ja-JP")
    try:
        yield await context.new_page()
    finally:
        await context.close()


class Applicant:
    """``typed`` is what they write into the form where it is not what everybody writes."""

    def __init__(self, city: City, page: Page, person: MatrixUser, **typed: str) -> None:
        self.city, self.page, self.person = city, page, person
        mailbox = f"{person.user_id[1:].partition(':')[0]}@city.otaru.lg.jp"
        self.typed = {**TYPED, "address": mailbox, **typed}
        self.reference = self.claim = ""

    @property
    def address(self) -> str:
        """Their mailbox."""
        return self.typed["address"]

    async def file(self) -> None:
        """Fill in the form and send it."""
        page = self.page
        await page.goto(self.city.site + "/register")
        for name in WRITTEN:
            await page.fill(f"#{name}", self.typed[name])
        await page.check(f"[name=employment][value='{self.typed['employment']}']")
        await page.check(f"[name=has_account][value={self.typed['has_account']}]")
        await page.check("#consent")
        text = await self.press("file")
        assert "控えてください" in text, text
        self.reference = await page.get_attribute("[name=reference]", "value") or ""

    async def code(self) -> str:
        """Return the code that was mailed for this application."""
        await self.city.idle()
        mail = next(mail for mail in self.city.mailbox.to(self.address) if self.reference in mail.text)
        found = CODE.search(mail.subject)
        assert found is not None, mail.subject
        return found.group()

    async def prove(self) -> None:
        """Type the code that was mailed."""
        text = await self.type_code(await self.code())
        assert "メールの確認ができました" in text, text
        found = CLAIM.search(text)
        self.claim = found.group() if found else ""

    async def type_code(self, code: str) -> str:
        """Type a code, and return what the page says then."""
        await self.page.fill("#code", code)
        return await self.press("code")

    async def press(self, do: str) -> str:
        """Press a button, and return what the page says then."""
        async with self.page.expect_navigation():
            await self.page.click(f"button[value={do}]")
        return await self.page.inner_text("main")

    async def knock(self, words: str | None = None) -> str:
        """Knock at the entrance, with the claim code unless said; return its id once the hub knows of it.

        Again and again: as long as their own server has not heard that a knock was ended, another one changes nothing.
        """
        porch, reason = await self.city.room("cityhall-genkan"), self.claim if words is None else words

        async def knocked() -> bool | None:
            with suppress_forbidden():
                await self.person.knock(self.city.alias("cityhall-genkan"), via=self.city.via, reason=reason)
            waits = await self.city.membership(porch, self.person.user_id) == "knock"
            # Where approval needs nobody, they are on their way in before one looks.
            return waits or await self.city.membership(hall, self.person.user_id) == "invite" or None

        hall = await self.city.room("cityhall")
        await eventually(knocked, self.person, what="the knock at the hub")
        return porch

    async def complete(self) -> str:
        """File, prove the mailbox, and knock with the claim code; return the entrance's id once the card is there."""
        await self.file()
        await self.prove()
        porch = await self.knock()
        await self.card()
        return porch

    async def card(self, number: int = 1) -> Event:
        """Return a card about the application, once 事務局室 has so many."""
        office = await self.city.room("cityhall-jimukyoku")

        def look() -> Event | None:
            events = self.city.secretary.timeline.get(office, ())
            cards = [e for e in events if e["content"].get("jp.oshiyakusho.application") == self.reference]
            return cards[number - 1] if len(cards) >= number else None

        return await self.city.secretary.until(look, what=f"card {number}")

    async def withdraw(self) -> None:
        """Take the application back on its page."""
        await self.press("show")
        await self.page.click("details:has(button[value=withdraw]) summary")
        await self.page.check("[name=sure]")
        assert "取り下げました" in await self.press("withdraw")
