"""What identifies an applicant is nowhere in the clear once they have gone every way: on real parts, all of them.

The canary of ``tests/registration/test_canary.py``, here before a browser, over SMTP, on two federated Synapses.
"""

import re
from contextlib import nullcontext
from dataclasses import asdict
from datetime import date

import pytest
from playwright.async_api import Browser, Page
from sqlalchemy import update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.outbox.tables import mail_message
from oshiyakusho_matrix.store.lanes import RowState
from tests.e2e.applicants import WRITTEN, Applicant, tab
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.law import assert_outside
from tests.e2e.remains import Remains, files_below, files_of_postgresql, rooms_of_the_bot, rows_of, rows_of_synapse
from tests.e2e.talk import ask, body, outcome_of
from tests.e2e.test_welcome import INVITED
from tests.registration.test_canary import CANARY, IN_THE_OFFICE, SECRET, traces
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFICE = "cityhall-jimukyoku"
DEPARTMENT, QUESTION, REASON = IN_THE_OFFICE
ANSWER = "籠の鳥の回答"
assert ANSWER in SECRET
#: As far ahead as the form takes it; nothing else happens on that day.
TERM_ENDS = date(now().year + 9, 7, 17)
DAYS = (
    f"{TERM_ENDS}",
    f"{TERM_ENDS.year}/7/17",
    f"令和{TERM_ENDS.year - 2018}年7月17日",
    f"17 July {TERM_ENDS.year}",
)


class Canary(Applicant):
    """The canary before a browser.

    ``logins`` are those that the secretary had to the review page; ``asked``: the addresses of all pages, theirs too.
    """

    def __init__(self, city: City, page: Page, person: MatrixUser, **typed: str) -> None:
        own = {name: str(value) for name, value in asdict(CANARY).items()}
        own["term_ends"] = str(TERM_ENDS)
        super().__init__(city, page, person, **{**own, **typed})
        self.logins, self.asked = list[str](), list[str]()
        page.on("request", lambda request: self.asked.append(request.url))

    async def secret(self) -> str:
        """Return what opens the page of the application."""
        return await self.page.get_attribute("[name=secret]", "value") or ""


async def ask_about_the_domain(canary: Canary) -> None:
    """Type the whole address where a domain is enough, and search for the organisation with all else filled in."""
    page, site = canary.page, canary.city.site
    await page.goto(f"{site}/register/domain")
    await page.fill("#domain", CANARY.address)
    async with page.expect_navigation():
        await page.click("button.main")
    assert "小樽市" in await page.inner_text("main")
    await page.goto(f"{site}/register")
    for name in WRITTEN:
        await page.fill(f"#{name}", canary.typed[name])
    await canary.press("search")
    assert await page.input_value("#name") == CANARY.name
    await canary.press("file")
    assert await page.input_value("#address") == CANARY.address, "the form was taken without consent"


async def look_at(canary: Canary, browser: Browser) -> None:
    """Have the secretary look at an application in each way there is, the review page with the person among them."""
    secretary, office = canary.city.secretary, await canary.city.room(OFFICE)
    for command in ("!application list", f"!application assign {canary.reference}"):
        await ask(secretary, office, command, canary.reference)
    shown = body(await ask(secretary, office, f"!application show {canary.reference}", "/review?"))
    link, login = re.search(r"http://[^\s()\[\]]+/review\?[^\s()\[\]]+", shown), re.search(r"\b[2-9A-Z]{16}\b", shown)
    assert link is not None, shown
    assert login is not None, shown
    canary.logins.append(login.group())
    async with tab(browser) as page:
        page.on("request", lambda request: canary.asked.append(request.url))
        await page.goto(link.group())
        await page.fill("#login", login.group())
        async with page.expect_navigation():
            await page.click("button.main")
        seen = await page.inner_text("main")
    assert all(words in seen for words in (CANARY.name, CANARY.yomi, canary.address, DEPARTMENT, DAYS[2])), seen


async def tap_and_reply(canary: Canary, card: str, sign: str, question: str, words: str) -> None:
    """Put a sign to a card, and reply to the question that follows."""
    secretary, office = canary.city.secretary, await canary.city.room(OFFICE)
    await secretary.react(office, card, sign)
    asked = await outcome_of(secretary, office, card, question)
    done = await secretary.reply(office, asked["event_id"], words)
    await outcome_of(secretary, office, done, canary.reference)


async def is_rejected(canary: Canary, browser: Browser) -> str:
    """Form, code, knock, card, question, answer, rejection; return the secret of the page."""
    await ask_about_the_domain(canary)
    await canary.file()
    await canary.type_code("00000000")
    await canary.prove()
    secret = await canary.secret()
    await canary.knock()
    await look_at(canary, browser)
    await tap_and_reply(canary, (await canary.card())["event_id"], "❓", "何をたずねますか", QUESTION)
    assert QUESTION in await canary.press("show")
    await canary.page.fill("#answer", ANSWER)
    assert "ありがとうございます" in await canary.press("answer")
    await look_at(canary, browser)
    await tap_and_reply(canary, (await canary.card(2))["event_id"], "❌", "却下する理由", REASON)
    assert REASON in await canary.press("show")
    await assert_outside(canary.city, canary.person)
    return secret


async def is_approved_and_removed(canary: Canary, browser: Browser) -> str:
    """Form, code, claim in a chat, card, approval, welcome, first division, removal; return the secret of the page."""
    city, member = canary.city, canary.person
    office = await city.room(OFFICE)
    await canary.file()
    await canary.prove()
    secret = await canary.secret()
    chat = await member.direct_chat(city.bot)
    await member.message(chat, "こんにちは")
    assert canary.reference in body(await ask(member, chat, canary.claim))
    await look_at(canary, browser)
    await city.secretary.react(office, (await canary.card())["event_id"], "✅")
    await city.accept(member, "cityhall")
    await member.event(chat, lambda e: "jp.oshiyakusho.welcome" in e["content"], what="the greeting")
    assert INVITED in body(await ask(member, chat, "１"))
    assert "会員になりました" in await canary.press("show")
    for command in (f"!member show {member.user_id}", "!member find 小樽市"):
        await ask(city.secretary, office, command, member.user_id)
    await ask(city.secretary, office, "!audit", canary.reference)
    await ask(city.clerk, office, f"!member remove {member.user_id} --yes", "is in no room of the members")
    assert "会員ではなくなりました" in await canary.press("show")
    await assert_outside(city, member)
    return secret


async def mistypes(canary: Canary) -> str:
    """A mailbox that is refused, by a server that repeats the address, then another one; taken back in the end."""
    city, right = canary.city, canary.address
    canary.typed["address"] = f"saezuri.canary.{right}"
    city.mailbox.refuse(canary.address)
    await canary.file()
    secret = await canary.secret()
    await city.idle()
    await canary.press("show")
    await canary.page.fill("#address", right)
    await canary.press("address")
    canary.typed["address"] = right
    await canary.prove()
    await canary.withdraw()
    return secret


async def deliver_what_waits(city: City) -> None:
    """Have the mail server take what it put off; it is tried at once."""
    city.mailbox.greylists.clear()
    assert city.app.mailer is not None
    async with city.app.store.transaction() as tx:
        waiting = mail_message.c.state == RowState.PENDING
        await tx.connection.execute(update(mail_message).where(waiting).values(due_at=now()))
        tx.after_commit(city.app.mailer.wake)
    await city.idle()


def found_in(remains: Remains, words: tuple[str, ...]) -> dict[str, list[str]]:
    """Return where any of the words is, and which."""
    looked = {place: traces(raw, words) for place, raw in remains.items()}
    return {place: found for place, found in looked.items() if found}


async def test_the_canary_leaves_no_trace_in_the_clear(
    city: City,
    person: Person,
    browser: Browser,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    secrets = list[str]()
    url = city.settings.database_url
    with files_of_postgresql(url) if url.startswith("postgresql") else nullcontext(Remains()) as files:
        async with tab(browser) as page:
            rejected = Canary(city, page, await person("k7f3q", on=city.neighbour))
            secrets.append(await is_rejected(rejected, browser))
            approved = Canary(city, page, await person("q2m8t"), address="saezuri.canary@city.otaru.lg.jp")
            secrets.append(await is_approved_and_removed(approved, browser))
            mistaken = Canary(city, page, await person("w5n9z"), address="canary2.saezuri@city.otaru.lg.jp")
            secrets.append(await mistypes(mistaken))
            waiting = Canary(city, page, await person("x4d6h"), address="canary3.saezuri@city.otaru.lg.jp")
            city.mailbox.greylists[waiting.address] = 1000
            await waiting.file()
            secrets.append(await waiting.secret())
        await city.idle()
    captured = capfd.readouterr()
    said = {
        "the log": (captured.out + captured.err + caplog.text).encode(),
        "addresses of pages": "\n".join(rejected.asked + approved.asked + mistaken.asked + waiting.asked).encode(),
    }
    rows, rooms = await rows_of(city), await rooms_of_the_bot(city)
    hub, neighbour = rows_of_synapse(city.hub), rows_of_synapse(city.neighbour)
    files |= files_below(city.settings.config.parent)
    synapse = files_below(city.hub.directory)
    theirs = neighbour | files_below(city.neighbour.directory)

    # They were everywhere, and what may be there is found.
    for reference in (each.reference.encode() for each in (rejected, approved, mistaken, waiting)):
        assert all(reference in place for place in (rows["rows of application"], said["the log"]))
        assert any(reference in raw for raw in files.values())
    assert all(any(each.reference.encode() in raw for raw in synapse.values()) for each in (rejected, approved))
    assert waiting.reference.encode() in rows["rows of mail_message"]
    office = await city.room(OFFICE)
    assert traces(rooms[office], IN_THE_OFFICE) == traces(b"\n".join(hub.values()), IN_THE_OFFICE) == [*IN_THE_OFFICE]
    assert any("-wal" in place or "/pg_wal/" in place for place in files)
    assert any(place.endswith("homeserver.log") for place in synapse)

    words = (*SECRET, *DAYS, *secrets, *("-".join(re.findall("....", secret)) for secret in secrets))
    assert found_in({**said, **rows, **rooms, **hub, **files, **synapse, **theirs}, words) == {}
    others = {room_id: raw for room_id, raw in rooms.items() if room_id != office}
    assert found_in({**said, **others, **theirs}, (*IN_THE_OFFICE, *rejected.logins, *approved.logins)) == {}

    # The mail that waited in the queue all the time was whole.
    await deliver_what_waits(city)
    assert waiting.reference in city.mailbox.to(waiting.address)[0].text
