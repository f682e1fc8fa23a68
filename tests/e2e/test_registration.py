"""The whole way in on real parts: a browser, SMTP, two federated Synapses, a secretary's client, the first division.

And strangers at each door, who stay outside.
"""

import pytest
from playwright.async_api import Browser

from oshiyakusho_matrix.core.ids import RoomId
from tests.e2e.applicants import Applicant, tab
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.talk import ask, body, enter, is_japanese, outcome_of, refused
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])


@SERVERS
async def test_from_the_form_to_the_first_division(city: City, person: Person, browser: Browser, server: str) -> None:
    newcomer = await person("shinjin", on=getattr(city, server))
    office = await city.room("cityhall-jimukyoku")
    async with tab(browser) as page:
        applicant = Applicant(city, page, newcomer)
        await applicant.file()
        await applicant.prove()
        await newcomer.knock(city.alias("cityhall-genkan"), via=city.via, reason=applicant.claim)
        card = await city.secretary.message(office, applicant.reference)
        assert is_japanese(body(card))
        assert newcomer.user_id in body(card)
        for secret in ("試験", "しけん", applicant.address.partition("@")[0] + "@", applicant.claim):
            assert secret not in body(card)

        await city.secretary.react(office, card["event_id"], "✅️")
        await newcomer.invited_to(await city.room("cityhall"))
        await city.accept(newcomer, "cityhall")
        await enter(city, newcomer, "ka-zaisei", "ka-zaisei-soudan")
        assert "会員になりました" in await applicant.press("show")
    told = body(await ask(city.secretary, office, f"！会員　詳細　{newcomer.user_id}"))
    assert "小樽市" in told


async def test_a_secretary_rejects_with_a_reason_and_the_knock_ends(
    city: City, person: Person, browser: Browser
) -> None:
    stranger = await person("yosomono", on=city.neighbour)
    office = await city.room("cityhall-jimukyoku")
    async with tab(browser) as page:
        applicant = Applicant(city, page, stranger)
        await applicant.file()
        await applicant.prove()
        porch = await stranger.knock(city.alias("cityhall-genkan"), via=city.via, reason=applicant.claim)
        card = await city.secretary.message(office, applicant.reference)
        await city.secretary.react(office, card["event_id"], "❌")
        question = await outcome_of(city.secretary, office, card["event_id"], "却下する理由は")
        reason = await city.secretary.reply(office, question["event_id"], "在籍が確認できませんでした。")
        await outcome_of(city.secretary, office, reason, "を却下しました")

        async def out() -> bool | None:
            return await city.membership(RoomId(porch), stranger.user_id) == "leave" or None

        await eventually(out, stranger, what="the knock ended")
        assert "在籍が確認できませんでした。" in await applicant.press("show")
    await refused(stranger.join(city.alias("cityhall"), via=city.via))


@SERVERS
async def test_strangers_at_each_door_stay_outside(city: City, person: Person, browser: Browser, server: str) -> None:
    stranger, member = await person("soto", on=getattr(city, server)), await person("kaiin")
    await city.admit(member)
    hall = await city.room("cityhall")
    # A claim code that is made up, by knock and in a chat.
    porch = await stranger.knock(city.alias("cityhall-genkan"), via=city.via, reason="ABCD-EFGH")
    await city.secretary.message(await city.room("cityhall-jimukyoku"), stranger.user_id)
    chat = await stranger.direct_chat(city.bot)
    await stranger.message(chat, "こんにちは")
    answer = await stranger.answer(chat, await stranger.say(chat, "ABCD-EFGH"))
    assert "コード" in body(answer)
    # A form whose mailbox is not proven opens nothing.
    async with tab(browser) as page:
        applicant = Applicant(city, page, stranger)
        await applicant.file()
        await applicant.type_code("00000000")
        assert applicant.reference not in await page.inner_text("h1")
    # A member cannot bring somebody in, and a link into a division is none.
    await refused(member.invite(hall, stranger.user_id))
    for localpart in ("cityhall", "ka-zaisei", "ka-zaisei-soudan"):
        await refused(stranger.join(city.alias(localpart), via=city.via))
    assert await city.membership(RoomId(porch), stranger.user_id) == "knock"
