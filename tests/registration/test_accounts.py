"""Accounts for those who were approved and have none: tokens are made once, run out, are renewed and taken back."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import time_machine
from sqlalchemy import select

from oshiyakusho_matrix.core.errors import Refused, Temporary
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.fake_accounts import FakeAccounts
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.registration.accounts.service import new_token, suggestion
from oshiyakusho_matrix.registration.accounts.tables import account_offer
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.registration.views import Offer, OfferState, Ticket
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, TARO, Desk, open_desk
from tests.support.fake_city import someone
from tests.support.mail import Mailbox

NOON = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)
WITHOUT = replace(FORM, has_account=False)
NEWCOMER = someone("k7f3q")


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The clock, which begins at noon in Japan."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


@pytest.fixture
def accounts() -> FakeAccounts:
    """Who makes accounts."""
    return FakeAccounts()


@pytest_asyncio.fixture
async def desk(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox, accounts: FakeAccounts
) -> AsyncIterator[Desk]:
    """The little town, which can have accounts made."""
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, accounts=accounts) as running:
        yield running


async def approved(desk: Desk) -> Ticket:
    """Have somebody without an account approved."""
    ticket = await desk.proven(WITHOUT)
    await desk.react(ticket, "✅")
    return ticket


async def offer(desk: Desk, ticket: Ticket) -> Offer:
    """Return what the status page offers."""
    found = (await desk.status(ticket)).offer
    assert found is not None
    return found


async def pass_by(desk: Desk, clock: time_machine.Traveller, time: timedelta) -> None:
    """Let time go by; what falls due in it is done."""
    clock.shift(time)
    desk.city.app.loop.wake()
    await desk.city.settle()


async def test_the_token_makes_one_account_with_which_the_claim_code_lets_in(
    desk: Desk, accounts: FakeAccounts
) -> None:
    ticket = await desk.proven(WITHOUT)
    assert (await desk.status(ticket)).offer is None
    assert accounts.tokens == {}
    await desk.react(ticket, "✅")
    found = await offer(desk, ticket)
    assert (found.state, found.where, [found.token]) == (OfferState.READY, "city.example", list(accounts.tokens))
    assert found.expires_at is not None
    assert timedelta(days=7) - timedelta(minutes=1) < found.expires_at - NOON <= timedelta(days=7, minutes=1)
    assert accounts.tokens[found.token].expires_at == found.expires_at
    accounts.sign_up(found.token)
    with pytest.raises(Forbidden):
        accounts.sign_up(found.token)
    assert "token" not in desk.city.heard()
    assert found.token not in desk.city.heard()

    await desk.knock(NEWCOMER, (await desk.status(ticket)).claim or "")
    assert desk.membership(NEWCOMER) == "invite"
    view = await desk.status(ticket)
    assert (view.application.state, view.offer) == (State.ADMITTED, None)
    assert accounts.tokens == {}


async def test_whoever_brings_an_account_after_all_leaves_no_token_behind(desk: Desk, accounts: FakeAccounts) -> None:
    ticket = await approved(desk)
    assert len(accounts.tokens) == 1
    await desk.knock(TARO, (await desk.status(ticket)).claim or "")
    assert desk.membership(TARO) == "invite"
    assert accounts.tokens == {}
    async with desk.city.app.store.reading() as connection:
        assert not (await connection.execute(select(account_offer))).all()


async def test_no_token_is_made_for_those_who_have_an_account(desk: Desk, accounts: FakeAccounts) -> None:
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).offer is None
    assert accounts.made == 0


async def test_a_token_that_ran_out_unused_is_renewed_when_the_applicant_asks(
    desk: Desk, accounts: FakeAccounts, clock: time_machine.Traveller
) -> None:
    ticket = await approved(desk)
    first = await offer(desk, ticket)
    with pytest.raises(Refused, match="can still be used"):
        await desk.do("renew_offer", ticket)
    await pass_by(desk, clock, timedelta(days=7, minutes=2))
    assert (await offer(desk, ticket)).state is OfferState.EXPIRED
    assert (await offer(desk, ticket)).token == ""
    await pass_by(desk, clock, timedelta(days=3))
    assert accounts.made == 1
    await desk.do("renew_offer", ticket)
    second = await offer(desk, ticket)
    assert (second.state, accounts.made) == (OfferState.READY, 2)
    assert second.token not in ("", first.token)
    assert second.suggestion == first.suggestion
    with pytest.raises(Forbidden):
        accounts.sign_up(first.token)
    accounts.sign_up(second.token)


async def test_a_token_that_was_used_is_not_renewed(
    desk: Desk, accounts: FakeAccounts, clock: time_machine.Traveller
) -> None:
    ticket = await approved(desk)
    accounts.sign_up((await offer(desk, ticket)).token)
    await pass_by(desk, clock, timedelta(days=7, minutes=2))
    assert (await offer(desk, ticket)).state is OfferState.TAKEN
    with pytest.raises(Refused, match="was made"):
        await desk.do("renew_offer", ticket)
    assert accounts.made == 1


async def test_a_token_that_was_used_is_not_renewed_either_while_nobody_could_see_it(
    desk: Desk, accounts: FakeAccounts, clock: time_machine.Traveller
) -> None:
    ticket = await approved(desk)
    accounts.sign_up((await offer(desk, ticket)).token)
    clock.shift(timedelta(days=7, minutes=2))  # the loop sleeps: nothing looks at what has run out
    async with desk.city.app.store.transaction() as tx:
        await desk.registration.desk.renew_offer(tx, ticket)
    await desk.city.settle()
    assert (await offer(desk, ticket)).state is OfferState.TAKEN
    assert accounts.made == 1


async def test_while_the_homeserver_is_down_the_page_says_so_and_the_token_comes_afterwards(
    desk: Desk, accounts: FakeAccounts
) -> None:
    ticket = await desk.proven(WITHOUT)
    accounts.trouble = Temporary("the homeserver is down")
    async with desk.city.app.store.transaction() as tx:
        await desk.registration.decisions.approve(tx, ticket.reference, by=TARO)
    await desk.city.app.loop.idle()
    assert (await offer(desk, ticket)).state is OfferState.PREPARING
    assert (await offer(desk, ticket)).token == ""
    accounts.trouble = None
    await desk.city.settle()
    assert (await offer(desk, ticket)).state is OfferState.READY


async def test_applications_are_deleted_in_time_although_the_homeserver_refuses_us(
    desk: Desk, accounts: FakeAccounts, clock: time_machine.Traveller
) -> None:
    accounts.trouble = Forbidden("make registration token: the homeserver answered 403 M_FORBIDDEN")
    ticket = await approved(desk)
    assert (await offer(desk, ticket)).state is OfferState.PREPARING
    assert "M_FORBIDDEN" in desk.city.heard()
    await pass_by(desk, clock, timedelta(days=60, minutes=2))
    async with desk.city.app.store.reading() as connection:
        assert not (await connection.execute(select(application.c.reference))).all()
        assert not (await connection.execute(select(account_offer))).all()


async def test_no_token_outlives_the_approval(
    desk: Desk, accounts: FakeAccounts, clock: time_machine.Traveller
) -> None:
    ticket = await approved(desk)
    await pass_by(desk, clock, timedelta(days=58))
    await desk.do("renew_offer", ticket)
    view = await desk.status(ticket)
    assert view.offer is not None
    assert view.offer.expires_at is not None
    assert view.offer.expires_at <= view.application.changed_at + timedelta(days=60)
    assert accounts.tokens[view.offer.token].expires_at == view.offer.expires_at


async def test_the_token_of_a_withdrawn_application_is_good_for_nothing(desk: Desk, accounts: FakeAccounts) -> None:
    ticket = await approved(desk)
    token = (await offer(desk, ticket)).token
    await desk.do("withdraw", ticket)
    assert (await desk.status(ticket)).offer is None
    with pytest.raises(Forbidden):
        accounts.sign_up(token)


class Dies(FakeAccounts):
    """Makes the token; then the answer gets lost, and so does the process."""

    async def offer(self, token: str, expires_at: datetime) -> None:
        await super().offer(token, expires_at)
        raise Temporary("the connection was lost")


async def test_a_crash_between_making_and_noting_makes_no_second_token(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    key, url, before = new_key(), new_database("sqlite"), Dies()
    hs: FakeHomeserver
    async with open_desk(url, tmp_path, mailbox, keys=[key], accounts=before) as first:
        hs, ticket = first.city.hs, await first.proven(WITHOUT)
        async with first.city.app.store.transaction() as tx:
            await first.registration.decisions.approve(tx, ticket.reference, by=TARO)
        await first.city.app.loop.idle()
        assert (await offer(first, ticket)).state is OfferState.PREPARING
    assert before.made == 1
    after = FakeAccounts(tokens=before.tokens)
    async with open_desk(url, tmp_path, mailbox, keys=[key], hs=hs, accounts=after) as second:
        found = await offer(second, ticket)
    assert (found.state, after.made, list(after.tokens)) == (OfferState.READY, 0, [found.token])


async def test_without_a_provider_nothing_is_offered(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    async with open_desk(new_database("sqlite"), tmp_path, mailbox) as desk:
        ticket = await approved(desk)
        view = await desk.status(ticket)
        assert (view.application.state, view.offer) == (State.APPROVED, None)
        with pytest.raises(Refused, match="no registration token"):
            await desk.do("renew_offer", ticket)


def test_tokens_follow_from_the_key_and_names_say_nothing() -> None:
    one, other = Sealer(new_key()), Sealer(new_key())
    tokens = {new_token(one, "K7M2PQ4X", 1), new_token(one, "K7M2PQ4X", 2), new_token(other, "K7M2PQ4X", 1)}
    assert len(tokens) == 3
    assert all(token.isalnum() and token.isascii() and len(token) == 26 for token in tokens)
    assert new_token(one, "K7M2PQ4X", 1) in tokens
    names = {suggestion(f"K7M2PQ4{each}") for each in "ABCDEFGH"}
    assert len(names) == 8
    assert all(name.isalnum() and name[0].isalpha() and name == name.lower() and len(name) == 5 for name in names)
