"""The registration desk's pages over real HTTP, on the real desk with real mail: the whole way, and every misuse.

One city serves all of them, and each test has an address of its own.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Self

import pytest
import pytest_asyncio
import time_machine
from sqlalchemy import func, select

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.registration.domain import CODES_AN_HOUR, State
from oshiyakusho_matrix.registration.pages import interface
from oshiyakusho_matrix.registration.pages.interface import Suggested, asked_once_a_minute
from oshiyakusho_matrix.registration.pages.routes import registration_routes
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.registration.views import Ticket
from oshiyakusho_matrix.web.dynamic import LARGEST_FORM
from oshiyakusho_matrix.web.limits import Rate
from tests.registration.browsing import PORCH, Paper, Site, pages
from tests.registration.desk import TARO, Desk, form_of, open_desk
from tests.registration.showcase import SUGGESTED, ShowcaseDesk, suggestions
from tests.registration.test_forms import TYPED
from tests.support.fake_city import someone
from tests.support.mail import Received, mail_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = ["/register", "/register/status", "/register/domain", "/review"]
NUMBERS = itertools.count()


class Counter:
    """The registration desk as somebody sees it who has the page and the mailbox. ``desk`` is the house behind it."""

    def __init__(self, site: Site, desk: Desk) -> None:
        self.site, self.desk = site, desk
        self.address = f"shiken{next(NUMBERS)}@city.otaru.lg.jp"
        self.typed = {**TYPED, "address": self.address}
        self._before = 0

    async def begin(self) -> Self:
        """Count from here on."""
        self._before = await self.count()
        return self

    async def fill_in(self, path: str = "/register", *, do: str = "file", **changed: str) -> Paper:
        """Open the form, write, and press the button."""
        paper = await self.site.get(path)
        return await self.site.post(path, {**self.typed, "token": paper.typed["token"], "do": do, **changed})

    async def act(self, paper: Paper, do: str, **typed: str) -> Paper:
        """Press a button of a status page."""
        done = await self.site.post("/register/status", {**paper.ticket, "do": do, **typed})
        await self.desk.city.settle()
        return done

    async def mails(self) -> list[Received]:
        """Return what was mailed to the address."""
        await self.desk.city.settle()
        return self.desk.mailbox.to(self.address)

    async def code(self) -> str:
        """Return the code of the newest mail."""
        return str(re.findall(r"\d{8}", (await self.mails())[-1].subject)[0])

    async def count(self) -> int:
        """Return how many applications there are since ``begin``."""
        async with self.desk.city.app.store.reading() as connection:
            return (await connection.scalar(select(func.count()).select_from(application)) or 0) - self._before


@asynccontextmanager
async def open_counter(desk: Desk, *, rate: Rate | None = None) -> AsyncIterator[Counter]:
    """Serve the pages of a desk."""
    async with pages(tuple(await desk.city.app.routes("試験事務局")), rate=rate) as site:
        yield await Counter(site, desk).begin()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Counter]:
    """A city with its pages, on SQLite: what is stored how is shown in test_way_in.py."""
    place = tmp_path_factory.mktemp("pages")
    async with (
        mail_server() as mailbox,
        open_desk(f"sqlite+aiosqlite:///{place / 'desk.sqlite3'}", place, mailbox) as desk,
        open_counter(desk, rate=Rate(burst=10_000)) as counter,
    ):
        yield counter


@pytest_asyncio.fixture(loop_scope="module")
async def here(house: Counter) -> Counter:
    """The pages, for somebody new."""
    return await Counter(house.site, house.desk).begin()


async def test_the_whole_way_form_code_claim_question_answer_approval(here: Counter) -> None:
    first = await here.fill_in()
    assert first.status == 200
    assert "控えてください" in first.text
    assert first.ticket["reference"] in first.text
    wrong = await here.act(first, "code", code="0000 0000")
    assert (wrong.status, "コードが違います" in wrong.text, "あと 4 回" in wrong.text) == (422, True, True)
    code = await here.code()
    wide = code.translate({ord(str(digit)): ord("０") + digit for digit in range(10)})
    proven = await here.act(first, "code", code=f" {wide[:4]}　－{wide[4:]} ")
    assert "メールの確認ができました" in proven.text
    ticket = Ticket(first.ticket["reference"], first.ticket["secret"])
    view = await here.desk.status(ticket)
    assert view.claim is not None
    assert view.claim in proven.text
    assert 'href="https://matrix.to/#/%23cityhall-genkan%3A' in proven.html

    await here.desk.knock(TARO, view.claim)
    # On another device, typed from paper.
    login = await here.site.get("/register/status")
    secret = "-".join(first.ticket["secret"][n : n + 4] for n in range(0, 16, 4)).lower()
    paper = {
        "reference": f" {ticket.reference.lower()} ",
        "secret": secret,
        "token": login.typed["token"],
        "do": "show",
    }
    shown = await here.site.post("/register/status", paper)
    assert "お返事します" in shown.text
    async with here.desk.city.app.store.transaction() as tx:
        await here.desk.registration.decisions.ask(tx, ticket.reference, by=TARO, question="係はどちらですか。")
    asked = await here.act(shown, "show")
    assert "係はどちらですか。" in asked.text
    answered = await here.act(asked, "answer", answer="財政係です。\r\nよろしくお願いします。")
    assert "お答えを事務局に届けました" in answered.text
    await here.desk.react(ticket, "✅")
    admitted = await here.act(answered, "show")
    assert "会員になりました" in admitted.text
    assert "招待を承諾してください" in admitted.text
    assert "市役所への招待 済み Matrix アプリで承諾してください" in " ".join(admitted.text.split())
    assert (await here.desk.status(ticket)).application.state is State.ADMITTED


async def test_what_is_wrong_is_told_beside_the_field_and_on_top_and_nothing_is_lost(here: Counter) -> None:
    paper = await here.fill_in(yomi="shiken", address="a@b@c", consent="")
    assert paper.status == 422
    for name in ("yomi", "address", "consent"):
        assert f'<a href="#{name}">' in paper.html
        assert f'id="{name}-problem"' in paper.html
        assert f'aria-describedby="{name}' in paper.html
    kept = {name: value for name, value in here.typed.items() if name != "consent"}
    assert paper.typed.items() >= {**kept, "yomi": "shiken", "address": "a@b@c"}.items()
    mended = await here.site.post("/register", [*paper.fields, ("yomi", "x"), ("do", "file")])
    assert "address-problem" in mended.html
    assert await here.count() == 0


async def test_looking_for_the_organisation_keeps_the_rest_and_files_nothing(here: Counter) -> None:
    paper = await here.fill_in(do="search", organisation="ふちゅう")
    assert paper.status == 200
    assert ["府中市（東京都）" in paper.text, "府中市（広島県）" in paper.text] == [True, True]
    assert "problems" not in paper.html
    assert paper.typed.items() >= {"name": TYPED["name"], "address": here.address, "searched": "ふちゅう"}.items()
    filed = await here.site.post("/register", [*paper.fields, ("choice", "342084"), ("do", "file")])
    reference = filed.ticket["reference"]
    async with here.desk.city.app.store.transaction() as tx:
        one, _ = await here.desk.registration.decisions.look(tx, reference)
    assert one.organisation_name == "府中市（広島県）"


async def test_an_organisation_that_was_chosen_is_still_chosen_after_a_mistake_elsewhere(here: Counter) -> None:
    found = await here.fill_in(do="search", organisation="ふちゅう")
    chosen = {**found.typed, "choice": "342084", "do": "file"}
    mistaken = await here.site.post("/register", {**chosen, "yomi": "x"})
    assert (mistaken.status, mistaken.typed["organisation"]) == (422, "府中市（広島県）")
    # The same where the form came too late.
    late = await here.site.post("/register", {**chosen, "token": "x"})
    assert (late.status, late.typed["organisation"]) == (422, "府中市（広島県）")
    filed = await here.site.post("/register", [*late.fields, ("do", "file")])
    ticket = Ticket(filed.ticket["reference"], filed.ticket["secret"])
    assert (await here.desk.status(ticket)).application.organisation_name == "府中市（広島県）"


async def test_enter_looks_for_an_organisation_that_is_all_there_is_and_else_files_the_form(here: Counter) -> None:
    """What a browser presses on Enter is the first button of a form."""
    empty = await here.site.get("/register")
    assert re.findall(r'<button[^>]* value="(\w+)"', empty.html) == ["enter", "search", "file"]
    alone = {"token": empty.typed["token"], "do": "enter", "organisation": "ふちゅう", "name": "　", "address": " "}
    found = await here.site.post("/register", alone)
    assert (found.status, "府中市（広島県）" in found.text, 'id="problems"' in found.html) == (200, True, False)
    begun = await here.site.post("/register", {**alone, "department": "財政課"})
    assert (begun.status, begun.typed["department"], 'id="problems"' in begun.html) == (422, "財政課", True)
    assert await here.count() == 0
    assert "控えてください" in (await here.fill_in(do="enter")).text
    assert await here.count() == 1


async def test_enter_and_then_the_button_file_one_application(here: Counter) -> None:
    sent = {**here.typed, "token": (await here.site.get("/register")).typed["token"]}
    papers = [await here.site.post("/register", {**sent, "do": do}) for do in ("enter", "file")]
    assert papers[0].ticket["reference"] == papers[1].ticket["reference"]
    assert await here.count() == 1


async def test_a_form_that_is_sent_twice_is_one_application(here: Counter) -> None:
    token = (await here.site.get("/register")).typed["token"]
    sent = {**here.typed, "token": token, "do": "file"}
    papers = await asyncio.gather(*(here.site.post("/register", sent) for _ in range(5)))
    assert len({paper.ticket["reference"] + paper.ticket["secret"] for paper in papers}) == 1
    assert await here.count() == 1
    assert len(await here.mails()) == 1


async def test_whoever_goes_back_and_mends_something_has_another_application(here: Counter) -> None:
    token = (await here.site.get("/register")).typed["token"]
    first = await here.site.post("/register", {**here.typed, "token": token, "do": "file"})
    second = await here.site.post("/register", {**here.typed, "token": token, "do": "file", "name": "試験 次郎"})
    assert first.ticket["reference"] != second.ticket["reference"]


async def test_a_token_from_an_address_is_not_taken(here: Counter) -> None:
    token = (await here.site.get("/register")).typed["token"]
    assert (await here.site.get(f"/register?token={token}&name=x")).typed["token"] != token


@pytest.mark.parametrize("forged", ["", "x", "{0}x", "x{0}", "é{0}", "1.2.3", "ffffffffff.{0}"])
async def test_a_form_without_a_token_of_ours_is_shown_again_and_not_filed(here: Counter, forged: str) -> None:
    token = (await here.site.get("/register")).typed["token"]
    paper = await here.site.post("/register", {**here.typed, "token": forged.format(token), "do": "file"})
    assert (paper.status, await here.count()) == (422, 0)
    assert "書いたものは残っています" in paper.text
    again = await here.site.post("/register", {**paper.typed, "do": "file"})
    assert (again.status, await here.count()) == (200, 1)


async def test_a_form_that_was_open_for_a_day_is_shown_again_with_all_that_was_typed(here: Counter) -> None:
    token = (await here.site.get("/register")).typed["token"]
    with time_machine.travel(now() + timedelta(hours=23, minutes=59)):
        assert (await here.site.post("/register", {**here.typed, "token": token, "do": "search"})).status == 200
    with time_machine.travel(now() + timedelta(hours=24, minutes=1)):
        paper = await here.site.post("/register", {**here.typed, "token": token, "do": "file"})
        assert (paper.status, await here.count()) == (422, 0)
        assert paper.typed.items() >= {k: v for k, v in here.typed.items() if k != "interests"}.items()
        assert (await here.site.post("/register", {**paper.typed, "do": "file"})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_what_another_site_sends_is_refused(here: Counter, headers: dict[str, str]) -> None:
    token = (await here.site.get("/register")).typed["token"]
    paper = await here.site.post("/register", {**here.typed, "token": token, "do": "file"}, headers=headers)
    assert (paper.status, await here.count()) == (403, 0)
    assert "別のサイト" in paper.text


@pytest.mark.parametrize("headers", [{"Origin": "null"}, {}])
async def test_browsers_that_say_nothing_about_it_are_served(here: Counter, headers: dict[str, str]) -> None:
    token = (await here.site.get("/register")).typed["token"]
    sent = {**here.typed, "token": token, "do": "search"}
    assert (await here.site.client.post("/register", data=sent, headers=headers)).status == 200


@pytest.mark.parametrize("path", [*PATHS, "/en/register", "/en/review"])
async def test_only_get_head_and_post_and_each_answer_is_guarded_and_kept_by_nobody(here: Counter, path: str) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        response = await here.site.client.request(method, path)
        assert response.status == 405
        assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}
    for method in ("GET", "HEAD", "POST"):
        response = await here.site.client.request(method, path, data={"do": "x"} if method == "POST" else None)
        assert response.status in (200, 422)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in response.headers
        if method == "HEAD":
            assert await response.read() == b""
        else:
            assert f'<html lang="{"en" if path.startswith("/en") else "ja"}">' in await response.text()


async def test_the_documents_still_take_nothing(here: Counter) -> None:
    response = await here.site.client.post("/handbook/", data={"a": "b"})
    assert (response.status, set(response.headers["Allow"].split(","))) == (405, {"GET", "HEAD"})


async def test_a_body_that_is_too_large_or_no_form_is_refused(here: Counter) -> None:
    post = here.site.client.post
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_FORM // 1024 + 1):
            yield b"a" * 1024

    assert (await post("/register", data=b"name=" + b"x" * LARGEST_FORM, headers=kind)).status == 413
    assert (await post("/register", data=pieces(), headers=kind)).status == 413
    assert (await post("/register", json={"name": "x"})).status == 415
    assert (await post("/register", data=b"a=b", headers={"Content-Type": "text/plain"})).status == 415
    assert (await post("/register", data=b"a=b", headers={**kind, "Content-Encoding": "gzip"})).status == 415
    latin = {"Content-Type": "application/x-www-form-urlencoded; charset=iso-8859-1"}
    assert (await post("/register", data=b"a=b", headers=latin)).status == 415
    for broken in (b"name=%ff", b"name=\xe3\x81\x82", b"name=a%00b", b"&".join(b"a=b" for _ in range(300)), b"name"):
        assert (await post("/register", data=broken, headers=kind)).status == 400, broken
    assert (await here.site.get("/register?a=%ff")).status == 400


INJECTED = "x\r\nBcc: opfer@example.com\r\n\r\n<script>alert(1)</script>\"' onfocus=x"


@pytest.mark.parametrize("name", [*TYPED, "choice", "searched", "token", "do"])
async def test_line_breaks_and_markup_in_any_field_come_to_nothing(here: Counter, name: str) -> None:
    sent = {**here.typed, "token": (await here.site.get("/register")).typed["token"], "do": "file", name: INJECTED}
    paper = await here.site.post("/register", sent)
    assert paper.status in (200, 422)
    assert "<script" not in paper.html
    assert 'onfocus=x"' not in paper.html.replace('&#34;&#39; onfocus=x"', "")
    assert len(await here.mails()) == await here.count()
    for mail in here.desk.mailbox.received:
        assert mail.message["Bcc"] is None
        assert "opfer" not in mail.to + mail.text


@pytest.mark.parametrize("name", ["reference", "secret", "code", "address", "answer", "login", "domain"])
async def test_the_other_forms_take_them_for_words_too(here: Counter, name: str) -> None:
    first = await here.fill_in()
    for path, do in (
        ("/register/status", "address" if name == "address" else "code"),
        ("/register/domain", ""),
        ("/review", ""),
    ):
        paper = await here.site.post(path, {**first.ticket, "do": do, name: INJECTED})
        assert paper.status in (200, 422)
        assert "<script" not in paper.html
    assert len(await here.mails()) == 1
    assert not [mail for mail in here.desk.mailbox.received if "opfer" in mail.to]


async def test_a_wrong_reference_and_a_wrong_secret_are_answered_alike(here: Counter) -> None:
    first = await here.fill_in()
    for do in ("show", "code", "resend", "answer", "withdraw", "address"):
        answers = []
        for reference, secret in ((first.ticket["reference"], "2" * 16), ("22222222", "2" * 16), ("22222222", "")):
            sent = {"token": first.ticket["token"], "reference": reference, "secret": secret, "do": do}
            sent |= {"code": "12345678", "answer": "x", "sure": "yes", "address": here.address}
            paper = await here.site.post("/register/status", sent)
            answers.append((paper.status, paper.html.replace(reference, "").replace(secret, "")))
        assert len(set(answers)) == 1, do
        assert "この受付番号と合言葉の申請はありません" in answers[0][1]


async def test_a_mistyped_address_is_mended_on_the_status_page(here: Counter) -> None:
    first = await here.fill_in(address="shikne@city.otaru.lg.jp")
    assert "s***@city.otaru.lg.jp" in first.text
    assert "shikne" not in first.html
    refused = await here.act(first, "address", address="a@b@c")
    assert (refused.status, refused.typed["address"]) == (422, "a@b@c")
    assert "アドレスを変え" in (await here.act(first, "address", address=here.address)).text
    assert "メールの確認ができました" in (await here.act(first, "code", code=await here.code())).text


async def test_another_code_is_promised_in_the_same_words_that_are_true_of_one_withheld(here: Counter) -> None:
    first = await here.fill_in()
    others = [await here.fill_in(department=f"試験{number}課") for number in range(3)]
    elsewhere = await here.fill_in(address=f"elsewhere.{here.address}")
    with time_machine.travel(now() + timedelta(minutes=3)):
        sent = await here.act(first, "resend")
        assert len(await here.mails()) == CODES_AN_HOUR
        withheld = await here.act(others[0], "resend")
        changed = await here.act(elsewhere, "address", address=here.address)
        assert len(await here.mails()) == CODES_AN_HOUR
    for paper in (sent, withheld, changed):
        assert "すでに 5 通送っているときは送られません" in paper.text
    said = [re.findall("新しいコードを送ります。.*(?=受付番号)", paper.text) for paper in (sent, withheld)]
    assert said[0] == said[1] != []


async def test_how_many_codes_go_to_one_address_is_told_under_every_draft_in_the_same_words(here: Counter) -> None:
    drafts = [await here.fill_in(department=f"試験{number}課") for number in range(CODES_AN_HOUR + 1)]
    assert len(await here.mails()) == CODES_AN_HOUR
    for first in (drafts[0], drafts[-1]):  # mailed, and withheld
        for paper in (first, await here.act(first, "show"), await here.act(first, "code", code="1")):
            assert f"お送りするのは 1 時間に {CODES_AN_HOUR} 通までです。届かないときは" in paper.text
    mail = next(mail for mail in await here.mails() if drafts[0].ticket["reference"] in mail.text)
    proven = await here.act(drafts[0], "code", code=mail.subject[:8])
    assert ("メールの確認ができました" in proven.text, "通までです" in proven.text) == (True, False)


async def test_a_refusal_by_the_mail_server_is_shown(here: Counter) -> None:
    here.desk.mailbox.refuse(here.address)
    first = await here.fill_in()
    await here.desk.city.settle()
    assert "断られました" in (await here.act(first, "show")).text
    assert "2 分" in (await here.act(first, "resend")).text


async def test_withdrawing_needs_a_second_word(here: Counter) -> None:
    first = await here.fill_in()
    ticket = Ticket(first.ticket["reference"], first.ticket["secret"])
    asked = await here.act(first, "withdraw")
    assert (asked.status, 'value="withdraw"' in asked.html) == (422, True)
    assert (await here.desk.status(ticket)).application.state is State.DRAFT
    assert "取り下げました" in (await here.act(asked, "withdraw", sure="yes")).text
    assert (await here.desk.status(ticket)).application.state is State.WITHDRAWN
    assert 'value="withdraw"' not in (await here.act(first, "show")).html


async def test_get_changes_nothing_whatever_the_address_says(here: Counter) -> None:
    first = await here.fill_in()
    ticket = first.ticket
    code = await here.code()
    query = f"reference={ticket['reference']}&secret={ticket['secret']}&token={ticket['token']}&do=code&code={code}"
    paper = await here.site.get(f"/register/status?{query}")
    assert ticket["secret"] not in paper.html
    state = (await here.desk.status(Ticket(ticket["reference"], ticket["secret"]))).application.state
    assert state is State.DRAFT


async def test_the_review_page_opens_once_by_its_button_alone(here: Counter) -> None:
    first = await here.fill_in()
    await here.act(first, "code", code=await here.code())
    reference = first.ticket["reference"]
    async with here.desk.city.app.store.transaction() as tx:
        login = await here.desk.registration.decisions.hand_out_login(tx, reference, to=TARO)
    for _ in range(3):
        # An address stays in histories and logs: no login is taken from there.
        paper = await here.site.get(f"/review?reference={reference}&login={login}")
        assert paper.typed.items() >= {"reference": reference, "login": ""}.items()
        assert TYPED["name"] not in paper.html
    wrong = await here.site.post("/review", {**paper.typed, "login": "2222"})
    assert (wrong.status, TYPED["name"] in wrong.html, wrong.typed["login"]) == (422, False, "2222")
    # As it is typed from another screen.
    wide = "".join(chr(ord(character) + 0xFEE0) for character in reference)
    spelt = "-".join(login[n : n + 4] for n in range(0, 16, 4)).lower()
    shown = await here.site.post("/review", {**paper.typed, "reference": wide, "login": spelt})
    assert shown.status == 200
    for told in (TYPED["name"], TYPED["yomi"], here.address, "財政課", "小樽市（北海道）"):
        assert told in shown.text
    assert (await here.site.post("/review", {**paper.typed, "login": login})).status == 422


async def test_whether_a_domain_is_known_is_told_without_what_stands_before_the_at(here: Counter) -> None:
    token = (await here.site.get("/register/domain")).typed["token"]
    for typed, told in (
        ("himitsu@city.otaru.lg.jp", "小樽市"),
        ("himitsu＠city.evil.tokyo.jp", "事務局がお確かめします"),
        ("himitsu@@city", "要修正"),
    ):
        paper = await here.site.post("/register/domain", {"token": token, "domain": typed})
        assert told in paper.html
        assert "himitsu" not in paper.html


async def test_too_much_from_one_client_is_told_with_all_that_was_typed(house: Counter) -> None:
    rate = Rate(burst=3, refill=timedelta(hours=1))
    async with open_counter(house.desk, rate=rate) as here:
        token = (await here.site.get("/register")).typed["token"]
        sent = {**here.typed, "token": token, "do": "search"}
        for _ in range(3):
            assert (await here.site.post("/register", sent)).status == 200
        paper = await here.site.post("/register", {**sent, "do": "file"})
        assert (paper.status, await here.count()) == (429, 0)
        assert 3500 < int(paper.response.headers["Retry-After"]) <= 3600
        assert "60 分待って" in paper.text
        assert paper.typed.items() >= {"name": TYPED["name"], "address": here.address}.items()
        # Nobody who sends too much finds out what is right.
        first = await house.desk.file()
        sent = {"token": token, "reference": first.reference, "secret": first.secret, "do": "show"}
        paper = await here.site.post("/register/status", sent)
        assert (paper.status, "小樽市" in paper.text) == (429, False)
        assert (await here.site.get("/register")).status == 200
        # Whoever is no trusted proxy may say what it likes about who it is.
        other = await here.site.post("/register/status", sent, headers={"X-Forwarded-For": "192.0.2.7"})
        assert other.status == 429


@pytest.mark.parametrize(
    ("do", "typed"),
    [
        ("answer", {"answer": "財政係です。\n" * 100 + "よろしくお願いします。"}),
        ("code", {"code": "１２３４ ５６７８"}),
        ("address", {"address": "tadashii@city.otaru.lg.jp"}),
        ("withdraw", {"sure": "yes"}),
        ("resend", {}),
    ],
    ids=["answer", "code", "address", "withdraw", "resend"],
)
async def test_what_was_sent_to_the_status_page_too_fast_is_there_to_be_sent_again(
    house: Counter, do: str, typed: dict[str, str]
) -> None:
    async with open_counter(house.desk, rate=Rate(burst=2, refill=timedelta(hours=1))) as here:
        sent = {**(await here.fill_in()).ticket, "do": do, **typed}
        await here.site.post("/register/status", {**sent, "do": "show"})
        held = await here.site.post("/register/status", sent)
        assert (held.status, "書いたものは残っています" in held.text) == (429, True)
        assert held.typed == {name: value for name, value in sent.items() if name != "do"}
        assert re.findall(r'<button[^>]* value="(\w+)"', held.html) == [do]


async def test_an_answer_that_came_too_fast_arrives_when_it_is_sent_again(house: Counter) -> None:
    ticket = await house.desk.complete(someone("n4h6c"), form_of("isogi"), token="isogi")
    async with house.desk.city.app.store.transaction() as tx:
        await house.desk.registration.decisions.ask(tx, ticket.reference, by=TARO, question="係はどちらですか。")
    async with open_counter(house.desk, rate=Rate(burst=1, refill=timedelta(hours=1))) as here:
        login = await here.site.get("/register/status")
        shown = await here.site.post(
            "/register/status",
            {**login.typed, "reference": ticket.reference, "secret": ticket.secret, "do": "show"},
        )
        held = await here.site.post("/register/status", {**shown.typed, "do": "answer", "answer": "財政係です。"})
        assert held.status == 429
        with time_machine.travel(now() + timedelta(days=1)):  # the limits begin anew each day
            login = await here.site.get("/register/status")
            again = await here.site.post(
                "/register/status", {**held.typed, "token": login.typed["token"], "do": "answer"}
            )
        assert "お答えを事務局に届けました" in again.text


async def test_behind_a_proxy_of_ours_each_of_its_clients_is_one(house: Counter) -> None:
    app = house.desk.city.app
    routes = registration_routes(
        ShowcaseDesk(), ShowcaseDesk(), store=app.store, rules=app.rules, suggestions=suggestions, porch=PORCH
    )
    async with pages(routes, rate=Rate(burst=1), proxies=[ip_network("127.0.0.1")]) as site:
        sent = {**TYPED, "token": (await site.get("/register")).typed["token"], "do": "search"}
        answers = [
            (await site.post("/register", sent, headers={"X-Forwarded-For": client})).status
            for client in ("192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.9, 192.0.2.8")
        ]
    assert answers == [200, 200, 429, 429]


async def test_what_the_browser_needs_to_help_is_there(here: Counter) -> None:
    form = (await here.fill_in(address="")).html
    for attributes in (
        'autocomplete="name"', 'autocomplete="email" inputmode="email"', 'autocomplete="organization"', 'list="known"',
        'aria-invalid="true"', 'role="alert"', " novalidate",
    ):  # fmt: skip
        assert attributes in form, attributes
    status = (await here.fill_in()).html
    assert 'inputmode="numeric"' in status
    assert 'autocomplete="one-time-code"' in status
    assert "小樽市（北海道）" in form.partition("<datalist")[2].partition("</datalist>")[0]


async def test_what_is_out_of_order_for_a_while_is_told_with_all_that_was_typed(house: Counter) -> None:
    out_of_order = False

    async def suggested() -> Sequence[Suggested]:
        if out_of_order:
            raise Temporary("the database is away", timedelta(seconds=7))
        return SUGGESTED

    app = house.desk.city.app
    routes = registration_routes(
        ShowcaseDesk(), ShowcaseDesk(), store=app.store, rules=app.rules, suggestions=suggested, porch=PORCH
    )
    async with pages(routes) as site:
        token = (await site.get("/register")).typed["token"]
        out_of_order = True
        paper = await site.post("/register", {**TYPED, "token": token, "do": "file"})
        assert (paper.status, paper.response.headers["Retry-After"]) == (503, "7")
        assert paper.typed.items() >= TYPED.items()
        empty = await site.get("/register")
        assert (empty.status, empty.response.headers["Retry-After"]) == (503, "7")
        assert "1 分ほど待って" in empty.text


async def test_the_divisions_are_read_once_a_minute_and_until_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, clock = 0, 1_000.0

    async def suggested() -> Sequence[Suggested]:
        nonlocal asked
        asked += 1
        return () if asked == 1 else SUGGESTED

    monkeypatch.setattr(interface, "monotonic", lambda: clock)
    remembered = asked_once_a_minute(suggested)
    assert [len(await remembered()) for _ in range(4)] == [0, *[len(SUGGESTED)] * 3]
    assert asked == 2
    clock += 61
    assert await remembered() == SUGGESTED
    assert asked == 3


async def test_without_a_desk_the_page_says_how_to_come_in_otherwise(here: Counter) -> None:
    app = here.desk.city.app
    routes = registration_routes(
        None, None, store=app.store, rules=app.rules, suggestions=app._suggestions, porch=PORCH
    )
    async with pages(routes) as site:
        for path in ("/register", "/register/status", "/review", "/en/register"):
            paper = await site.get(path)
            assert paper.status == 200
            assert PORCH in paper.text
            assert "<form" not in paper.html
            assert (await site.post(path, {"do": "file"})).status in (200, 422)
        assert "<form" in (await site.get("/register/domain")).html


async def test_purposes_operator_and_rules_stand_before_the_form(here: Counter) -> None:
    for path, words in (
        ("/register", ("試験事務局", "何のために", "いつまで", "地方公務員法第 34 条", "<form")),
        ("/en/register", ("試験事務局", "What for", "How long", "Article 34", "<form")),
    ):
        html = (await here.site.get(path)).html
        places = [html.index(word) for word in words]
        assert places == sorted(places)


async def test_divisions_are_suggested_in_the_language_of_the_page(here: Counter) -> None:
    suggested = await here.desk.city.app._suggestions()
    assert suggested
    for path, name in (("/register", suggested[0].ja), ("/en/register", suggested[0].en)):
        assert name in (await here.site.get(path)).text
