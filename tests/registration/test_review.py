"""Seeing the person behind an application, and taking an approval back: what both leave in rooms, audit and log."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select
from structlog.testing import capture_logs

from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.homeserver.fake_accounts import FakeAccounts
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.registration.accounts.tables import account_offer
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.views import ReviewView, Ticket
from tests.registration.desk import FORM, TARO, Desk, form_of, open_desk
from tests.registration.test_cards import second_secretary
from tests.support.fake_city import SECRETARY
from tests.support.mail import Mailbox

WITHOUT = replace(FORM, has_account=False)


@pytest.fixture
def accounts() -> FakeAccounts:
    """Who makes accounts."""
    return FakeAccounts()


@pytest_asyncio.fixture
async def offering(tmp_path: Path, database_url: str, mailbox: Mailbox, accounts: FakeAccounts) -> AsyncIterator[Desk]:
    """The little town, which can have accounts made."""
    async with open_desk(database_url, tmp_path, mailbox, accounts=accounts) as running:
        yield running


async def login_for(desk: Desk, ticket: Ticket) -> tuple[str, str]:
    """Ask for the review page in 事務局室; return the answer and the login in it."""
    answer = await desk.city.ask(f"!application show {ticket.reference}")
    (login,) = set(re.findall(r"\b[2-9A-Z]{16}\b", answer))
    return answer, login


async def review(desk: Desk, ticket: Ticket, login: str) -> ReviewView | None:
    """Open the review page."""
    async with desk.city.app.store.transaction() as tx:
        return await desk.registration.decisions.review(tx, ticket.reference, login)


async def opened(desk: Desk) -> list[tuple[str, str, str]]:
    """Return what the audit has of pages that were opened."""
    async with desk.city.app.store.reading() as connection:
        rows = await connection.execute(
            select(audit.c.actor, audit.c.command, audit.c.target).where(audit.c.outcome == "opened")
        )
        return [(row.actor, row.command, row.target) for row in rows]


async def test_the_login_stands_beside_the_address_of_the_page_never_in_it(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    answer, login = await login_for(desk, ticket)
    said = next(each for each in desk.city.said() if login in each["content"]["body"])["content"]
    for text in (answer, said["formatted_body"]):
        addresses = re.findall(r"https://cityhall[^\s\"<>()\[\]]+", text)
        assert addresses == [f"https://cityhall.example.jp/review?reference={ticket.reference}"]
    assert await review(desk, ticket, login) is not None


async def test_that_a_person_was_looked_at_is_in_the_audit_once_and_by_whom_in_no_log(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    _, login = await login_for(desk, ticket)
    assert await review(desk, ticket, "2" * 16) is None
    assert await opened(desk) == []
    with capture_logs() as logs:
        seen = await review(desk, ticket, login)
    assert seen is not None
    assert seen.particulars == FORM.particulars
    assert await review(desk, ticket, login) is None
    assert await opened(desk) == [(SECRETARY, "application show", ticket.reference)]
    assert {"an application was reviewed"} == {entry["event"] for entry in logs}
    assert SECRETARY not in repr(logs)


async def test_the_audit_reads_it_out_in_words(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    _, login = await login_for(desk, ticket)
    await review(desk, ticket, login)
    lines = (await desk.city.ask("!監査")).splitlines()
    run = [line for line in lines if f"`!申請 詳細 {ticket.reference}`" in line]
    assert ["ページを閲覧" in line for line in run] == [True, False]
    assert all(SECRETARY in line for line in run)


async def test_an_approval_by_mistake_is_taken_back_and_nothing_of_it_lets_anybody_in(
    offering: Desk, accounts: FakeAccounts
) -> None:
    desk = offering
    ticket = await desk.proven(WITHOUT)
    await desk.react(ticket, "✅")
    claim, (token,) = (await desk.status(ticket)).claim or "", accounts.tokens
    mails = len(desk.mailbox.to(FORM.particulars.address))
    answer = await desk.city.ask(f"!application reject {ticket.reference} --take-back 別の方でした")
    assert "承認を取り消し" in answer
    view = await desk.status(ticket)
    assert (view.application.state, view.reason) == (State.REJECTED, "別の方でした")
    assert (view.claim, view.offer) == (None, None)
    assert len(desk.mailbox.to(FORM.particulars.address)) == mails + 1
    assert accounts.tokens == {}
    with pytest.raises(Forbidden):
        accounts.sign_up(token)
    async with desk.city.app.store.reading() as connection:
        assert not (await connection.execute(select(account_offer))).all()
    chat = await desk.chat(TARO)
    assert "却下" in await desk.city.ask(claim, sender=TARO, room=chat)
    await desk.knock(TARO, claim)
    assert desk.membership(TARO) == "knock"
    assert (await desk.status(ticket)).application.account is None
    assert "別の方" not in "\n".join(
        each["content"]["body"] for each in desk.city.said() if each["sender"] != SECRETARY
    )


async def test_neither_a_reaction_nor_a_second_decision_takes_an_approval_back(desk: Desk) -> None:
    second = await second_secretary(desk)
    ticket = await desk.proven(WITHOUT)
    await desk.react(ticket, "❌", by=second)
    early = desk.city.said()[-1]["event_id"]
    await desk.react(ticket, "✅")
    await desk.react(ticket, "❌", by=second)
    for question in (early, desk.city.said()[-1]["event_id"]):
        await desk.reply(question, "在籍が確認できませんでした。 --承認取消", by=second)
        assert f"{SECRETARY} さんが" in desk.city.said()[-1]["content"]["body"]
        assert (await desk.status(ticket)).application.state is State.APPROVED
    told = await desk.city.ask(f"!application reject {ticket.reference} 在籍不明", sender=second)
    assert f"{SECRETARY} さんが" in told
    assert (await desk.status(ticket)).application.state is State.APPROVED

    # What the refusal says is what works.
    command = told.partition("`")[2].partition("`")[0].replace("理由", "在籍不明")
    assert ticket.reference in command
    await desk.city.ask(command, sender=second)
    view = await desk.status(ticket)
    assert (view.application.state, view.application.decided_by) == (State.REJECTED, second)


async def test_what_is_not_approved_or_has_let_somebody_in_is_not_taken_back(desk: Desk) -> None:
    waiting = await desk.proven(WITHOUT)
    await desk.city.ask(f"!application reject {waiting.reference} --take-back 間違い")
    assert (await desk.status(waiting)).application.state is State.SUBMITTED
    admitted = await desk.complete(TARO, form_of("taro"), token="admitted")
    await desk.react(admitted, "✅")
    answer = await desk.city.ask(f"!application reject {admitted.reference} --take-back 間違い")
    assert f"{SECRETARY} さんが" in answer
    assert "承認取消" not in answer
    assert (await desk.status(admitted)).application.state is State.ADMITTED
    assert desk.membership(TARO) == "invite"


async def test_whoever_takes_an_approval_back_reads_that_its_domain_is_still_remembered(desk: Desk) -> None:
    domain = "soumu.town.ikeda.lg.jp"
    form = form_of("x", domain=domain, organisation="016446", organisation_name="池田町（北海道）", has_account=False)
    ticket = await desk.proven(form)
    await desk.react(ticket, "✅")
    answer = await desk.city.ask(f"!application reject {ticket.reference} --take-back 間違い")
    assert "！ドメイン　削除　town.ikeda.lg.jp" in answer.replace("!", "！").replace(" ", "　")
    plain = await desk.proven(replace(form_of("y"), has_account=False), token="plain")
    await desk.react(plain, "✅")
    assert "ドメイン" not in await desk.city.ask(f"!application reject {plain.reference} --take-back 間違い")


async def test_the_audit_has_who_took_an_approval_back_without_the_reason(desk: Desk) -> None:
    ticket = await desk.proven(WITHOUT)
    await desk.react(ticket, "✅")
    await desk.city.ask(f"!application reject {ticket.reference} --take-back 別の方でした")
    async with desk.city.app.store.reading() as connection:
        rows = (await connection.execute(select(audit).where(audit.c.command == "application reject"))).all()
    assert [(row.actor, row.target, row.arguments.get("take_back")) for row in rows] == [
        (SECRETARY, ticket.reference, True)
    ]
    assert "別の方" not in repr(rows)
