"""A code that is withheld, because too many went to a mailbox within the hour, looks as if it had been mailed.

That its answers and their time are the same is shown in test_timing.py.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
import time_machine

from oshiyakusho_matrix.outbox.interface import MailDelayed
from oshiyakusho_matrix.registration.correspondence import NOBODY, Withholding
from oshiyakusho_matrix.registration.domain import CODE_TRIES, CODES_AN_HOUR
from oshiyakusho_matrix.registration.views import CodeResult, MailState, Ticket
from tests.registration.desk import FORM, Desk
from tests.support.mail import SENDER, Mailbox

NOON = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which begins at noon in Japan and goes on by itself."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


async def over_the_limit(desk: Desk) -> Ticket:
    """Have as many codes mailed as one mailbox gets in an hour; return the first application."""
    tickets = [await desk.file(token=f"form {number}") for number in range(CODES_AN_HOUR)]
    assert len(desk.mailbox.received) == CODES_AN_HOUR
    return tickets[0]


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 10**8:08d}"


async def test_a_withheld_code_is_not_mailed_and_looks_as_if_it_were(desk: Desk) -> None:
    first = await over_the_limit(desk)
    withheld = await desk.file(token="one more")
    assert len(desk.mailbox.received) == CODES_AN_HOUR
    one, other = await desk.status(first), await desk.status(withheld)
    assert (other.mail, other.mailbox, other.tries_left) == (MailState.SENT, one.mailbox, one.tries_left)
    assert other.may_resend_at is not None
    assert await desk.prove(withheld, desk.code()) is CodeResult.WRONG


async def test_codes_that_were_withheld_do_not_count(desk: Desk, clock: time_machine.Traveller) -> None:
    await over_the_limit(desk)
    clock.shift(timedelta(minutes=30))
    tickets = [await desk.file(token=f"withheld {number}") for number in range(CODES_AN_HOUR)]
    clock.shift(timedelta(minutes=31))
    await desk.do("resend", tickets[0])
    assert len(desk.mailbox.received) == CODES_AN_HOUR + 1
    assert await desk.prove(tickets[0], desk.code()) is CodeResult.PROVEN


async def test_a_withheld_code_leaves_the_one_before_valid(desk: Desk, clock: time_machine.Traveller) -> None:
    first = await over_the_limit(desk)
    clock.shift(timedelta(minutes=3))
    await desk.do("resend", first)
    assert len(desk.mailbox.received) == CODES_AN_HOUR
    assert await desk.prove(first, desk.code(number=0)) is CodeResult.PROVEN


async def test_a_withheld_code_gives_no_more_tries_at_the_one_before(
    either_desk: Desk, clock: time_machine.Traveller
) -> None:
    desk = either_desk
    first = await over_the_limit(desk)
    code = desk.code(number=0)
    for _ in range(CODE_TRIES - 1):
        assert await desk.prove(first, wrong(code)) is CodeResult.WRONG
    clock.shift(timedelta(minutes=3))
    await desk.do("resend", first)
    assert (await desk.status(first)).tries_left == CODE_TRIES
    assert await desk.prove(first, code) is CodeResult.WRONG


async def test_a_mail_to_nobody_takes_as_long_as_the_last_one(mailbox: Mailbox) -> None:
    transport = Withholding(mailbox.transport())
    assert transport.sender == SENDER
    mailbox.greylists["later@city.otaru.lg.jp"] = 1
    took = [await _delivered(transport, to) for to in (FORM.particulars.address, NOBODY)]
    assert [mail.to for mail in mailbox.received] == [FORM.particulars.address]
    assert took[1] > took[0] / 2
    with pytest.raises(MailDelayed):
        await _delivered(transport, "later@city.otaru.lg.jp")


async def _delivered(transport: Withholding, to: str) -> float:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER.address, to, "試験"
    message.set_content("試験です。\n")
    began = time.monotonic()
    await transport.deliver(message, to)
    return time.monotonic() - began
