"""Killed at any step between the form and the invitation, an applicant comes in all the same, once, and loses nothing.

The form comes over HTTP and the code by SMTP. Whoever gets no answer sends the same form again, as people do; a mail
may come twice under one Message-ID, since mail servers remember nothing. ``make test``: some steps; ``make soak``: all.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import new_key
from tests.faults.attempts import Processes
from tests.faults.runner import Counter
from tests.faults.scenes import Step, Wait, play, send
from tests.faults.sites import OFFICE, FakeSite
from tests.faults.sweep import BEFORE_THE_200, Choose, Kills, Outcome, every, strided, sweep
from tests.faults.test_command import found_the_town
from tests.registration.test_forms import TYPED
from tests.support.databases import Databases, SqliteFiles
from tests.support.mail import Mailbox
from tests.support.ports import ReservedPort

#: Seconds to wait for a mail: longer than ``scenes.came``, which says what did not come.
PATIENCE = 90
#: How often it is killed where not at every step.
TIMES = 10
_HIDDEN = re.compile(r'name="(token|reference|secret)" value="([^"]*)"')


@dataclass
class Applicant:
    """Somebody with a browser and a mailbox; ``taro`` is their account."""

    site: FakeSite
    mailbox: Mailbox
    counter: Counter
    kept: dict[str, str] = field(default_factory=dict)

    async def page(self, path: str, typed: dict[str, str] | None = None) -> str:
        """Open a page or send a form; whoever gets no answer tries again, until somebody serves."""
        text = await self._try(path, typed)
        while text is None:
            await asyncio.sleep(0.02)
            text = await self._try(path, typed)
        self.kept |= dict(_HIDDEN.findall(text))
        return text

    async def _try(self, path: str, typed: dict[str, str] | None) -> str | None:
        method = "GET" if typed is None else "POST"
        try:
            async with (
                aiohttp.ClientSession(headers={"Origin": self.counter.url}) as session,
                session.request(method, self.counter.url + path, data=typed) as response,
            ):
                text = await response.text()
        except aiohttp.ClientError:
            return None
        assert response.status == 200, text
        return text

    async def status(self, do: str = "show", **typed: str) -> str:
        """Open the status page, or press a button there."""
        ticket = {name: self.kept[name] for name in ("reference", "secret", "token")}
        return await self.page("/register/status", {**ticket, "do": do, **typed})

    def steps(self) -> list[Step]:
        """Return what happens, one after the other."""
        taro, office = UserId("@taro:city.example"), self.site.fake.room(self.site.installation.alias(OFFICE))
        hall = self.site.fake.room(self.site.installation.alias("cityhall"))
        porch = self.site.fake.room(self.site.installation.alias("cityhall-genkan"))

        def card() -> str | None:
            cards = [e for e in office.timeline if "jp.oshiyakusho.application" in e["content"]]
            return cards[0]["event_id"] if cards else None

        async def file() -> Wait:
            async def filed() -> None:
                if "form" not in self.kept:
                    await self.page("/register")
                    self.kept["form"] = self.kept["token"]
                await self.page("/register", {**TYPED, "token": self.kept["form"], "do": "file"})
                await self.mailbox.until(1, timeout=PATIENCE)

            return filed

        async def prove() -> Wait:
            async def proven() -> None:
                if "claim" in self.kept:
                    return
                code = re.findall(r"\d{8}", self.mailbox.received[0].subject)[0]
                page = await self.status("code", code=code)
                claims = re.findall(r"[2-9A-Z]{4}-[2-9A-Z]{4}", page)
                assert claims, page
                self.kept["claim"] = claims[0]

            return proven

        async def knock() -> Wait:
            await self.site.fake.knock_as(await self.site.person("taro"), porch.room_id, reason=self.kept["claim"])
            self.site.note()
            return lambda: self.site.until(lambda: card() is not None)

        async def approve() -> Wait:
            relation = {"rel_type": "m.annotation", "event_id": card(), "key": "✅"}
            await send(self.site, self.site.secretary, office.room_id, "m.reaction", {"m.relates_to": relation})

            async def invited() -> None:
                await self.site.until(lambda: hall.membership(taro) == "invite")
                await self.mailbox.until(2, timeout=PATIENCE)

            return invited

        return [file, prove, knock, approve]


class OnFake:
    """Each attempt in the same town, with the same open desk."""

    def __init__(self, site: FakeSite, databases: Databases, directory: Path, mailbox: Mailbox, port: int) -> None:
        self._site, self._databases, self._directory, self._mailbox = site, databases, directory, mailbox
        self._counter = Counter(new_key(), mailbox.port, port)
        self._number = 0

    async def sweep(self, choose: Choose, *, name: str) -> None:
        """Build the town in which each attempt begins, and go through the steps."""
        with self._databases.fresh_database() as self._town:
            self._site.deliver()
            await found_the_town(self._site, Processes(self._site, self._directory / "town", self._town))
            self._world = self._site.keep()
            await sweep(self._attempt, choose, name=name, also=BEFORE_THE_200)

    async def _attempt(self, kills: Kills) -> Outcome:
        self._number += 1
        self._site.go_back(self._world)
        self._mailbox.received.clear()
        directory = self._directory / f"{self._number}"
        with self._databases.fresh_database(like=self._town) as database_url:
            processes = Processes(self._site, directory, database_url, counter=self._counter)
            applicant = Applicant(self._site, self._mailbox, self._counter)
            outcome = await play(processes, applicant.steps(), kills)
        shutil.rmtree(directory)
        letters = {str(mail.message["Message-ID"]) for mail in self._mailbox.received}
        return replace(outcome, end=sorted([*outcome.end, f"mails: {len(letters)}"]))


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    """Where the pages are."""
    reserved = ReservedPort()
    yield reserved.open_to_listeners()
    reserved.release()


async def test_killed_at_some_steps(fake_site: FakeSite, tmp_path: Path, mailbox: Mailbox, port: int) -> None:
    attempts = OnFake(fake_site, SqliteFiles(tmp_path), tmp_path, mailbox, port)
    await attempts.sweep(strided(TIMES), name="registration")


@pytest.mark.soak
async def test_killed_at_every_step(
    fake_site: FakeSite, databases: Databases, tmp_path: Path, mailbox: Mailbox, port: int
) -> None:
    attempts = OnFake(fake_site, databases, tmp_path, mailbox, port)
    await attempts.sweep(every(), name="registration, every step")
