"""What the status page shows of an account that is offered, and its button for another token."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import time_machine

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.homeserver.fake_accounts import FakeAccounts
from oshiyakusho_matrix.registration.views import Ticket
from tests.conftest import NewDatabase
from tests.registration.browsing import Paper
from tests.registration.desk import Desk, open_desk
from tests.registration.test_accounts import WITHOUT
from tests.registration.test_pages import Counter, open_counter
from tests.support.mail import Mailbox


@pytest.fixture
def accounts() -> FakeAccounts:
    """Who makes accounts."""
    return FakeAccounts(where="https://client.example.jp/#/register")


@pytest_asyncio.fixture
async def desk(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox, accounts: FakeAccounts
) -> AsyncIterator[Desk]:
    """The little town, which can have accounts made."""
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, accounts=accounts) as running:
        yield running


async def look(counter: Counter, ticket: Ticket) -> Paper:
    """Open the status page."""
    login = await counter.site.get("/register/status")
    return await counter.site.post("/register/status", {**login.typed, **_typed(ticket)})


def _typed(ticket: Ticket) -> dict[str, str]:
    return {"reference": ticket.reference, "secret": ticket.secret}


async def test_the_page_leads_from_the_token_over_its_end_to_another(desk: Desk, accounts: FakeAccounts) -> None:
    with time_machine.travel("2026-11-10T03:00:00Z") as clock:
        async with open_counter(desk) as counter:
            ticket = await desk.proven(WITHOUT)
            assert "アカウントを作る" not in (await look(counter, ticket)).text
            accounts.trouble = Temporary("the homeserver is down")
            async with desk.city.app.store.transaction() as tx:
                await desk.registration.decisions.approve(tx, ticket.reference, by=desk.city.hs.bot)
            assert "準備しています" in (await look(counter, ticket)).text
            accounts.trouble = None
            await desk.city.settle()

            ready = await look(counter, ticket)
            (first,) = accounts.tokens
            view = await desk.status(ticket)
            assert view.offer is not None
            for shown in (first, view.offer.suggestion, "ユーザー名は、ご本名でない", "(2026-11-17) 12:00"):
                assert shown in ready.text, shown
            assert 'href="https://client.example.jp/#/register"' in ready.html
            assert ready.response.headers["Cache-Control"] == "no-store"

            clock.shift(timedelta(days=7, minutes=1))
            desk.city.app.loop.wake()
            await desk.city.settle()
            over = await look(counter, ticket)
            assert "期限が切れました" in over.text
            assert first not in over.html
            after = await counter.act(over, "offer")
            assert "新しい登録トークン" in after.text
            second = (set(accounts.tokens) - {first}).pop()
            assert second in (await look(counter, ticket)).text
            refused = await counter.act(over, "offer")
            assert "まだ使えます" in refused.text

            accounts.sign_up(second)
            clock.shift(timedelta(days=7, minutes=1))
            desk.city.app.loop.wake()
            await desk.city.settle()
            assert "もう" in (await counter.act(over, "offer")).text
            taken = await look(counter, ticket)
            assert "アカウントが作られました" in taken.text
            assert view.claim is not None
            assert view.claim in taken.text


async def test_where_no_accounts_are_made_the_page_says_how_to_come_by_one(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    async with open_desk(new_database("sqlite"), tmp_path, mailbox) as desk, open_counter(desk) as counter:
        ticket = await desk.proven(WITHOUT)
        await desk.react(ticket, "✅")
        assert "お好きなサーバー" in (await look(counter, ticket)).text
