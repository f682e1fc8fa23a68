"""The code of a mailbox: how it comes, how it may be typed, how often one may be mistaken, how long it lasts."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.registration import mailbox
from oshiyakusho_matrix.registration.addresses import parse_address
from oshiyakusho_matrix.registration.domain import CODES_AN_HOUR, State
from oshiyakusho_matrix.registration.mailbox import digits_of
from oshiyakusho_matrix.registration.views import CodeResult, MailState
from tests.registration.desk import FORM, TARO, Desk, form_of

NOON = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which begins at noon in Japan and goes on by itself."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 10**8:08d}"


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("12345678", "12345678"),
        ("１２３４ ５６７８", "12345678"),
        ("1234-5678\u3000", "12345678"),
        ("1234ー5678", "12345678"),
        ("１２３４−５６７８", "12345678"),
        ("12 34 56 78", "12345678"),
        ("1234567八", ""),
        ("12345678; DROP", ""),
        ("", ""),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, digits: str) -> None:
    assert digits_of(typed) == digits


async def test_the_mail_has_the_code_in_subject_and_first_line_and_neither_link_nor_html(desk: Desk) -> None:
    await desk.file()
    mail = desk.mailbox.to(FORM.particulars.address)[0]
    assert desk.code() in mail.text.splitlines()[0]
    assert mail.message.get_content_type() == "text/plain"
    assert "://" not in mail.text
    assert "cityhall.example.jp/register" in mail.text
    assert FORM.particulars.name not in mail.text
    assert "60 分" in mail.text


@pytest.mark.parametrize(
    ("language", "page"), [("ja", "/register/status"), ("en", "/en/register/status")], ids=["ja", "en"]
)
async def test_each_mail_names_the_status_page_in_the_language_of_the_applicant(
    desk: Desk, language: str, page: str
) -> None:
    ticket = await desk.complete(TARO, replace(FORM, language=language))
    await desk.city.ask(f"!application ask {ticket.reference} 係はどちらですか。")
    await desk.do("answer", ticket, "財政係です。")
    await desk.city.ask(f"!application approve {ticket.reference}")
    mails = desk.mailbox.to(FORM.particulars.address)
    assert len(mails) == 3
    assert all(re.search(rf"[:：] ?cityhall\.example\.jp{page}[ （]", mail.text) for mail in mails)


async def test_five_mistakes_end_a_code_and_the_sixth_try_is_not_looked_at(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.file()
    code = desk.code()
    assert await desk.prove(ticket, "1234") is CodeResult.WRONG
    assert (await desk.status(ticket)).tries_left == 5
    results = [await desk.prove(ticket, wrong(code)) for _ in range(5)]
    assert results == [CodeResult.WRONG] * 4 + [CodeResult.NO_TRIES_LEFT]
    assert await desk.prove(ticket, code) is CodeResult.NO_TRIES_LEFT
    assert (await desk.status(ticket)).application.state is State.DRAFT


async def test_brute_force_by_many_at_once_gets_five_tries(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.file()
    code = int(desk.code())
    guesses = [f"{(code + each) % 10**8:08d}" for each in range(1, 31)]
    results = Counter(await asyncio.gather(*(desk.prove(ticket, guess) for guess in guesses)))
    assert results == {CodeResult.WRONG: 4, CodeResult.NO_TRIES_LEFT: 26}


async def test_a_code_lasts_an_hour(desk: Desk, clock: time_machine.Traveller) -> None:
    ticket = await desk.file()
    clock.shift(timedelta(minutes=61))
    assert await desk.prove(ticket, desk.code()) is CodeResult.NO_CODE


async def test_another_code_leaves_the_old_one_valid_and_gives_five_tries_again(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    ticket = await desk.file()
    first = desk.code()
    with pytest.raises(Refused):
        await desk.do("resend", ticket)
    for _ in range(5):
        await desk.prove(ticket, wrong(first))
    clock.shift(timedelta(minutes=3))
    await desk.do("resend", ticket)
    assert len(desk.mailbox.received) == 2
    assert desk.code() != first
    assert await desk.prove(ticket, first) is CodeResult.PROVEN
    with pytest.raises(Refused):
        await desk.do("resend", ticket)


async def test_a_used_code_proves_nothing_more(desk: Desk) -> None:
    ticket = await desk.proven()
    view = await desk.status(ticket)
    assert await desk.prove(ticket, desk.code()) is CodeResult.PROVEN
    assert (await desk.status(ticket)).application == view.application
    other = await desk.file(form_of("other"), token="two")
    assert await desk.prove(other, desk.code()) is CodeResult.WRONG


async def test_one_mailbox_gets_five_codes_an_hour_whoever_asks_and_nobody_can_tell(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    tickets = [await desk.file(token=f"form {number}") for number in range(7)]
    assert len(desk.mailbox.received) == 5
    views = [await desk.status(ticket) for ticket in tickets]
    assert {(view.application.state, view.tries_left, view.mailbox) for view in views} == {
        (State.DRAFT, 5, "s***@city.otaru.lg.jp")
    }
    clock.shift(timedelta(minutes=62))
    await desk.do("resend", tickets[-1])
    assert len(desk.mailbox.received) == 6


async def test_one_mailbox_gets_five_codes_also_of_many_that_ask_at_once(either_desk: Desk) -> None:
    desk = either_desk

    async def file(number: int) -> None:
        async with desk.city.app.store.transaction() as tx:
            await desk.registration.desk.file(tx, FORM, token=f"form {number}")

    await asyncio.gather(*(file(number) for number in range(12)))
    await desk.city.settle()
    assert len(desk.mailbox.received) == CODES_AN_HOUR


async def test_a_domain_that_got_too_many_codes_is_told_openly_and_nothing_is_kept(
    desk: Desk, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "CODES_AN_HOUR_AND_DOMAIN", 3)
    for name in ("aa", "bb", "cc"):
        await desk.file(form_of(name), token=name)
    with pytest.raises(Refused, match="Too many codes"):
        await desk.file(form_of("dd"), token="dd")
    elsewhere = form_of("ee", domain="city.hakodate.lg.jp", mailbox="ee@city.hakodate.lg.jp")
    await desk.file(elsewhere, token="ee")
    clock.shift(timedelta(minutes=61))
    await desk.file(form_of("dd"), token="dd")
    assert len(desk.mailbox.received) == 5


async def test_a_refused_address_is_shown_and_can_be_put_right(desk: Desk) -> None:
    desk.mailbox.refuse("typo@city.otaru.lg.jp")
    ticket = await desk.file(form_of("typo"))
    assert (await desk.status(ticket)).mail is MailState.REFUSED
    await desk.do("change_address", ticket, parse_address(FORM.particulars.address))
    view = await desk.status(ticket)
    assert (view.mail, view.mailbox) == (MailState.SENT, "s***@city.otaru.lg.jp")
    assert await desk.prove(ticket, desk.code()) is CodeResult.PROVEN


async def test_after_a_change_of_address_the_code_of_the_first_proves_nothing(desk: Desk) -> None:
    ticket = await desk.file(form_of("first"))
    first = desk.code(form_of("first"))
    await desk.do("change_address", ticket, parse_address(FORM.particulars.address))
    assert await desk.prove(ticket, first) is CodeResult.WRONG
    with pytest.raises(Refused):
        await desk.prove(replace(ticket, secret="0" * 16), desk.code())
