"""Second accounts: whoever is in brings no other account of theirs in without a person who knows of it."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.registration.domain import FLAGS, Flag
from oshiyakusho_matrix.settings.keys import PREFIX
from tests.e2e.applicants import Applicant, tab
from tests.e2e.city import City, running_city
from tests.e2e.conftest import Person
from tests.e2e.law import assert_law_of_the_gate, assert_outside
from tests.e2e.talk import ask, body, in_japanese, refused
from tests.support.homeservers import Authority
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])
OFFICE = "cityhall-jimukyoku"
#: What the card says of a mailbox that another application came from.
SAME_MAILBOX = in_japanese(FLAGS[Flag.SECOND_ACCOUNT])


async def approve(city: City, applicant: Applicant) -> None:
    """Tap on the card, as the secretary does."""
    await city.secretary.react(await city.room(OFFICE), (await applicant.card())["event_id"], "✅")
    await applicant.person.invited_to(await city.room("cityhall"))


@SERVERS
async def test_a_second_account_gains_nothing_by_the_claim_code_and_the_invitation_of_the_first(
    city: City, person: Person, browser: Browser, server: str
) -> None:
    first, second = [await person(name, on=getattr(city, server)) for name in ("hitotsume", "futatsume")]
    async with tab(browser) as page:
        applicant = Applicant(city, page, first)
        porch = await applicant.complete()
    hall = await city.room("cityhall")
    await approve(city, applicant)
    # While the invitation waits, and once the first one is inside.
    await assert_outside(city, second)
    await city.accept(first, "cityhall")
    await refused(first.invite(hall, second.user_id))

    await second.knock(city.alias("cityhall-genkan"), via=city.via, reason=applicant.claim)
    await city.secretary.message(await city.room(OFFICE), f"{second.user_id} さんが市役所への参加を希望しています")
    chat = await second.direct_chat(city.bot)
    await second.message(chat, "こんにちは")
    assert "アカウントを結びつけられません" in body(await ask(second, chat, applicant.claim))
    await assert_outside(city, second)
    assert await city.membership(porch, second.user_id) == "knock"
    assert await city.membership(hall, first.user_id) == "join"


@SERVERS
async def test_a_second_application_from_one_mailbox_is_flagged_and_waits_for_a_person(
    city: City, person: Person, browser: Browser, server: str
) -> None:
    first, second = [await person(name, on=getattr(city, server)) for name in ("hitotsume", "futatsume")]
    async with tab(browser) as page:
        one = Applicant(city, page, first)
        await one.complete()
    assert SAME_MAILBOX not in body(await one.card())
    await approve(city, one)
    await city.accept(first, "cityhall")
    async with tab(browser) as page:
        two = Applicant(city, page, second, address=one.address)
        porch = await two.complete()
    assert SAME_MAILBOX in body(await two.card())
    await assert_outside(city, second)
    assert await city.membership(porch, second.user_id) == "knock"


async def test_of_two_accounts_that_show_one_claim_code_at_once_one_is_let_in(
    city: City, person: Person, browser: Browser
) -> None:
    people = [await person("hitotsume", on=city.hub), await person("futatsume", on=city.neighbour)]
    async with tab(browser) as page:
        applicant = Applicant(city, page, people[0])
        await applicant.file()
        await applicant.prove()
    where = city.alias("cityhall-genkan")
    await asyncio.gather(*(each.knock(where, via=city.via, reason=applicant.claim) for each in people))
    card = body(await applicant.card())
    (winner,), (loser,) = [[each for each in people if (each.user_id in card) is tied] for tied in (True, False)]
    await city.secretary.message(await city.room(OFFICE), f"{loser.user_id} さんが市役所への参加を希望しています")
    applicant.person = winner
    await approve(city, applicant)
    await city.accept(winner, "cityhall")
    await assert_outside(city, loser)


async def test_the_rule_that_approves_by_itself_lets_the_first_account_in_and_never_the_second(
    tmp_path: Path,
    authority: Authority,
    neighbour: EmbeddedSynapse,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{PREFIX}AUTOMATIC_APPROVAL", "true")
    living = running_city(tmp_path, authority=authority, neighbour=neighbour, database_url=None)
    async with living as city:
        first, second = [await MatrixUser.on(city.hub, name) for name in ("hitotsume", "futatsume")]
        async with tab(browser) as page:
            one = Applicant(city, page, first)
            await one.file()
            await one.prove()
            await one.knock()
            await city.accept(first, "cityhall")
        async with tab(browser) as page:
            two = Applicant(city, page, second, address=one.address)
            porch = await two.complete()
        assert SAME_MAILBOX in body(await two.card())
        await assert_outside(city, second)
        assert await city.membership(porch, second.user_id) == "knock"
        await assert_law_of_the_gate(city)
        for each in (first, second):
            await each.close()
