"""Strangers at each door: form, knock, chat, somebody who would bring them in, another server. All are refused."""

import json
from urllib.parse import quote

import aiohttp
import pytest
from playwright.async_api import Browser

from oshiyakusho_matrix.registration.domain import STATES, State
from tests.e2e.applicants import CLAIM, Applicant, tab
from tests.e2e.city import City
from tests.e2e.conftest import Person
from tests.e2e.law import assert_outside
from tests.e2e.talk import ask, body, enter, in_japanese, outcome_of, refused
from tests.e2e.test_welcome import welcomed
from tests.e2e.waiting import eventually
from tests.support.users import MatrixError, MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVERS = pytest.mark.parametrize("server", ["hub", "neighbour"])
V3 = "/_matrix/client/v3/rooms"
OFFICE = "cityhall-jimukyoku"
#: What the bot answers a stranger, whatever they ask for.
FOR_MEMBERS = "市役所の会員だけ"


@SERVERS
async def test_a_mailbox_that_is_not_proven_opens_nothing_however_often_codes_are_guessed(
    city: City, person: Person, browser: Browser, server: str
) -> None:
    stranger = await person("soto", on=getattr(city, server))
    async with tab(browser) as page:
        applicant = Applicant(city, page, stranger)
        await applicant.file()
        code = await applicant.code()
        for guess in range(1, 6):
            text = await applicant.type_code(f"{(int(code) + guess) % 10**8:08d}")
            assert not CLAIM.search(text)
        # By now the right one is worth nothing, either.
        text = await applicant.type_code(code)
        assert "続けて間違えた" in text
        assert not CLAIM.search(text)
        porch = await applicant.knock(f"{applicant.reference} {code}")
    office = await city.room(OFFICE)
    await city.secretary.message(office, stranger.user_id)
    await city.handled(porch, stranger)
    assert not [e for e in city.secretary.timeline[office] if "jp.oshiyakusho.application" in e["content"]
                and applicant.reference in body(e)]  # fmt: skip
    answer = body(await ask(city.clerk, office, f"!application approve {applicant.reference}", applicant.reference))
    assert "waiting for the proof of the mailbox" in answer
    await assert_outside(city, stranger)


@SERVERS
@pytest.mark.parametrize("end", ["withdrawn", "rejected", "withdrawn after the approval"])
async def test_the_claim_code_of_an_application_that_has_ended_opens_nothing(
    city: City, person: Person, browser: Browser, server: str, end: str
) -> None:
    stranger = await person("soto", on=getattr(city, server))
    office = await city.room(OFFICE)
    has_account = "no" if end == "withdrawn after the approval" else "yes"
    async with tab(browser) as page:
        applicant = Applicant(city, page, stranger, has_account=has_account)
        await applicant.file()
        await applicant.prove()
        if has_account == "yes":
            await applicant.knock()
        card = await applicant.card()
        if end == "rejected":
            await ask(city.clerk, office, f"!application reject {applicant.reference} no such person", "is rejected")
        elif has_account == "no":
            await ask(city.clerk, office, f"!application approve {applicant.reference}", "is approved")
            found = CLAIM.search(await applicant.press("show"))
            assert found is not None
            applicant.claim = found.group()
        if end != "rejected":
            await applicant.withdraw()
    await city.idle()
    # Once more by knock and in a chat; and the secretary taps on what still stands in the room.
    porch = await applicant.knock()
    await city.handled(porch, stranger)
    chat = await stranger.direct_chat(city.bot)
    await stranger.message(chat, "こんにちは")
    assert applicant.reference in body(await ask(stranger, chat, applicant.claim))
    await city.secretary.react(office, card["event_id"], "✅")
    ended = in_japanese(STATES[State.REJECTED if end == "rejected" else State.WITHDRAWN])
    await outcome_of(city.secretary, office, card["event_id"], f"{applicant.reference} は「{ended}」です")
    await assert_outside(city, stranger)


@SERVERS
async def test_in_a_chat_with_the_bot_a_stranger_is_offered_nothing_and_enters_nobody_elses(
    city: City, person: Person, server: str
) -> None:
    stranger, member = await person("soto", on=getattr(city, server)), await person("kaiin")
    chat = await member.direct_chat(city.bot)
    await member.message(chat, "こんにちは")
    await city.admit(member)
    greeting = await member.event(chat, lambda e: "jp.oshiyakusho.welcome" in e["content"], what="the greeting")
    own = await stranger.direct_chat(city.bot)
    await stranger.message(own, "こんにちは")
    # The member takes the stranger along into the chat in which the member is offered divisions.
    await member.invite(chat, stranger.user_id)
    await stranger.invited_to(chat)
    await stranger.join(chat, via=city.via)
    # Their server knows of what was said before once they look back.
    await stranger.call("GET", f"{V3}/{quote(chat)}/messages", dir="b", limit="50")
    await stranger.react(chat, greeting["event_id"], "1️⃣")
    for room in (own, chat):
        for words in ("１", "みんなの財政課", f"!member admit {stranger.user_id}"):
            assert FOR_MEMBERS in body(await ask(stranger, room, words))
    await assert_outside(city, stranger)


@SERVERS
async def test_a_chat_that_the_bot_keeps_with_a_member_takes_nobody_else(
    city: City, person: Person, server: str
) -> None:
    stranger, member = await person("soto", on=getattr(city, server)), await person("kaiin")
    chat, _ = await welcomed(city, member)
    await refused(member.invite(chat, stranger.user_id))
    await refused(stranger.join(chat, via=city.via))
    await refused(stranger.knock(chat, via=city.via))
    await assert_outside(city, stranger)


@SERVERS
@pytest.mark.parametrize("ended", ["by the stranger", "by a rejection"])
async def test_whoever_knocked_and_waits_no_longer_can_read_of_no_room_who_is_inside(
    city: City, person: Person, browser: Browser, server: str, ended: str
) -> None:
    """Synapse shows somebody who has left a room its state as of then, and to it a knock that ended is a leave."""
    home = getattr(city, server)
    stranger, member = await person("soto", on=home), await person("kaiin", on=home)
    await city.admit(member)
    await enter(city, member, "ka-zaisei")
    porch, waiting = await city.room("cityhall-genkan"), await person("hokano", on=home)
    await waiting.knock(city.alias("cityhall-genkan"), via=city.via, reason="どうか入れてください")
    await city.secretary.message(await city.room(OFFICE), waiting.user_id)
    if ended == "by the stranger":
        await stranger.knock(city.alias("cityhall-genkan"), via=city.via, reason="入れてください")
        await city.secretary.message(await city.room(OFFICE), stranger.user_id)
        await stranger.leave(porch)
    else:
        async with tab(browser) as page:
            applicant = Applicant(city, page, stranger)
            await applicant.complete()
        words = f"!application reject {applicant.reference} no such person"
        await ask(city.clerk, await city.room(OFFICE), words, "is rejected")

        async def ended_there() -> bool | None:
            return await city.membership(porch, stranger.user_id) == "leave" or None

        await eventually(ended_there, stranger, what="the knock ended")

    await city.idle()
    others = {city.bot, member.user_id, waiting.user_id, city.secretary.user_id, city.clerk.user_id}
    for localpart, room in (await city.gated_rooms()).items():
        for what in ("state", "members", "joined_members", "messages"):
            query = {"dir": "b"} if what == "messages" else {}
            told = await what_is_told(stranger, f"{V3}/{quote(room)}/{what}", **query)
            # At the entrance the hub tells an account of its own who else has knocked; the handbook says so.
            known = {city.bot, waiting.user_id} if room == porch and server == "hub" else set()
            assert not {other for other in others - known if other in told}, f"{localpart}/{what}"
            assert "どうか" not in told, "the words with which somebody else knocked"
    await assert_outside(city, stranger)


async def what_is_told(person: MatrixUser, path: str, **query: str) -> str:
    """Return the whole answer of the homeserver, also if it refuses."""
    try:
        return json.dumps(await person.call("GET", path, **query))
    except MatrixError as error:
        return str(error)


async def test_a_server_that_has_members_inside_lets_no_stranger_of_its_own_in(city: City, person: Person) -> None:
    member, stranger = [await person(name, on=city.neighbour) for name in ("kaiin", "soto")]
    await city.admit(member)
    inside = await enter(city, member, "ka-zaisei", "ka-zaisei-soudan")
    hall = await city.room("cityhall")
    # Asked by way of their own server, which knows these rooms by now and could answer by itself.
    via = [city.neighbour.server_name]
    for room in (hall, *inside):
        assert await member.membership(room) == "join"
        await refused(member.invite(room, stranger.user_id))
        await refused(stranger.join(room, via=via))
        await refused(stranger.state(room))
        await refused(stranger.call("GET", f"{V3}/{room}/messages", dir="b"))
        await refused(stranger.say(room, "こんにちは"))
    for room in (hall, *inside):
        await refused(stranger.knock(room, via=via))
    await assert_outside(city, stranger)


@pytest.mark.parametrize("localpart", ["cityhall", "ka-koho-danwa", "ka-koho"])
async def test_whom_a_server_administrator_gives_all_power_is_out_again(
    city: City, person: Person, localpart: str
) -> None:
    """In the name of the bot, which hears nothing of what is done in its name: until the stranger comes in."""
    stranger, room = await person("soto"), await city.room(localpart)
    before = await city.app.homeserver.state_content(room, "m.room.power_levels")
    # To put somebody inside, the administrator would have to be inside and may not.
    assert await administrate(city, f"join/{quote(room)}", stranger) == 403
    assert await administrate(city, f"rooms/{quote(room)}/make_room_admin", stranger) == 200
    await stranger.invited_to(room)
    await stranger.join(room)

    async def out() -> bool | None:
        return await city.membership(room, stranger.user_id) == "leave" or None

    await eventually(out, city.secretary, what="the stranger out of the room")
    await city.idle()
    assert await city.app.homeserver.state_content(room, "m.room.power_levels") == before
    await city.secretary.message(await city.room(OFFICE), stranger.user_id)
    await assert_outside(city, stranger)


async def administrate(city: City, path: str, person: MatrixUser) -> int:
    """Do something for a person as the administrator of the homeserver can; return the status of the answer."""
    token = {"Authorization": f"Bearer {await city.hub.administrator()}"}
    url = f"{city.hub.url}/_synapse/admin/v1/{path}"
    async with (
        aiohttp.ClientSession(headers=token) as session,
        session.post(url, json={"user_id": person.user_id}) as answer,
    ):
        return answer.status
