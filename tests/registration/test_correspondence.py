"""What the status page says of mails when there were several: always what became of the last one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.registration.addresses import parse_address
from oshiyakusho_matrix.registration.views import MailState
from tests.registration.desk import FORM, Desk, form_of


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which goes on by itself."""
    with time_machine.travel(now()) as traveller:
        yield traveller


async def pass_by(desk: Desk, clock: time_machine.Traveller, time: timedelta) -> None:
    """Let time go by; mails that wait are tried again, or given up."""
    clock.shift(time)
    desk.registration.mailer.wake()
    await desk.city.settle()


async def test_a_mail_to_a_mistyped_address_that_is_given_up_says_nothing_of_the_one_to_the_right_address(
    either_desk: Desk, clock: time_machine.Traveller
) -> None:
    desk = either_desk
    typo = form_of("typo")
    desk.mailbox.greylists[typo.particulars.address] = 1000
    ticket = await desk.file(typo)
    assert (await desk.status(ticket)).mail is MailState.WAITING
    await desk.do("change_address", ticket, parse_address(FORM.particulars.address))
    assert (await desk.status(ticket)).mail is MailState.SENT
    # A code lasts an hour; a mail with it is tried as long, and then given up.
    for _ in range(2):
        await pass_by(desk, clock, timedelta(minutes=31))
        assert (await desk.status(ticket)).mail is MailState.SENT


async def test_a_mail_that_is_still_tried_is_told_of_when_an_older_one_arrives(
    desk: Desk, clock: time_machine.Traveller
) -> None:
    late = form_of("late")
    desk.mailbox.greylists[late.particulars.address] = 1
    ticket = await desk.file(late)
    desk.mailbox.greylists[FORM.particulars.address] = 1000
    await desk.do("change_address", ticket, parse_address(FORM.particulars.address))
    await pass_by(desk, clock, timedelta(minutes=10))
    assert len(desk.mailbox.to(late.particulars.address)) == 1
    assert (await desk.status(ticket)).mail is MailState.WAITING
