"""Seeing the person behind an application: the way to the review page, and what stays of it in audit and log."""

import re

from sqlalchemy import select
from structlog.testing import capture_logs

from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.registration.views import ReviewView, Ticket
from tests.registration.desk import FORM, TARO, Desk
from tests.support.fake_city import SECRETARY


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
