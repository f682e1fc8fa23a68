"""Invitations that were not accepted while they held: once the membership has ended they let nobody in."""

import pytest
from playwright.async_api import Browser

from tests.e2e.applicants import Applicant, tab
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.law import assert_outside
from tests.e2e.talk import ask, body, refused
from tests.e2e.test_welcome import INVITED, welcomed
from tests.e2e.waiting import eventually
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])
OFFICE = "cityhall-jimukyoku"
#: What the bot answers a stranger, whatever they ask for.
FOR_MEMBERS = "市役所の会員だけ"


async def remove(city: City, person: MatrixUser) -> None:
    """Have the clerk end somebody's membership, and wait until they are out."""
    command = f"!member remove {person.user_id} --yes"
    await ask(city.clerk, await city.room(OFFICE), command, f"{person.user_id} is in no room of the members.")


@SERVERS
async def test_the_invitation_that_followed_an_approval_ends_with_the_membership(
    city: City, person: Person, browser: Browser, server: str
) -> None:
    newcomer = await person("shinjin", on=getattr(city, server))
    async with tab(browser) as page:
        applicant = Applicant(city, page, newcomer)
        hall = await city.room("cityhall")
        await applicant.complete()
        card = await applicant.card()
        await city.secretary.react(await city.room(OFFICE), card["event_id"], "✅")
        await newcomer.invited_to(hall)
        await city.idle()
        assert await city.membership(hall, newcomer.user_id) == "invite"
        await remove(city, newcomer)
        await assert_outside(city, newcomer)
        # Nor does the claim code do a second time what it did once.
        porch = await applicant.knock()
        await city.handled(porch, newcomer)
        await assert_outside(city, newcomer)
        assert "会員ではなくなりました" in await applicant.press("show")


@SERVERS
async def test_an_old_invitation_into_a_division_lets_nobody_in(city: City, person: Person, server: str) -> None:
    member = await person("kaiin", on=getattr(city, server))
    chat, greeting = await welcomed(city, member)
    assert INVITED in body(await ask(member, chat, "みんなの財政課"))
    division = await city.room("ka-zaisei")
    await member.invited_to(division)
    assert await city.membership(division, member.user_id) == "invite"
    await remove(city, member)
    assert await city.membership(division, member.user_id) == "leave"
    await assert_outside(city, member)
    # Neither the offers in the chat nor another word in it bring an invitation any more.
    await member.react(chat, greeting["event_id"], "1️⃣")
    for words in ("１", "みんなの財政課"):
        assert FOR_MEMBERS in body(await ask(member, chat, words))
    await assert_outside(city, member)


@SERVERS
async def test_an_old_invitation_into_the_chat_leads_no_further(city: City, person: Person, server: str) -> None:
    member = await person("kaiin", on=getattr(city, server))
    await city.admit(member)
    hall = await city.room("cityhall")
    (chat,) = await member.until(lambda: set(member.client.invited_rooms) - {hall}, what="an invite to the chat")
    await remove(city, member)
    # A chat with the bot is behind no gate: it may be had, and is worth what a stranger's is.
    await member.join(chat, via=city.via)
    for words in ("１", "みんなの財政課"):
        assert FOR_MEMBERS in body(await ask(member, chat, words))
    await city.idle()
    await member.sync()
    assert not [event for event in member.timeline[chat] if "jp.oshiyakusho.welcome" in event["content"]]
    await assert_outside(city, member)


@pytest.mark.parametrize(
    "end", ["!member secretariat {} --end", "!member remove {} --yes"], ids=["office ended", "membership ended"]
)
async def test_an_old_invitation_into_the_secretariats_room_lets_nobody_in(
    city: City, person: Person, end: str
) -> None:
    member, office = await person("kaiin"), await city.room(OFFICE)
    await city.admit(member)
    await ask(city.clerk, office, f"!member secretariat {member.user_id}", "is of the secretariat now")
    await member.invited_to(office)
    await ask(city.clerk, office, end.format(member.user_id), member.user_id)

    async def out() -> bool | None:
        return await city.membership(office, member.user_id) == "leave" or None

    await eventually(out, member, what="the invitation taken back")
    await refused(member.join(office))
