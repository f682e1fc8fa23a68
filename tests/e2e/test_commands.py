"""The command language as people write it into rooms: Japanese and English, outcomes, roles, replays."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from oshiyakusho_matrix.commands.audit import latest
from oshiyakusho_matrix.core.ids import UserId
from tests.e2e.city import DIVISIONS, City, new_slug
from tests.e2e.conftest import Person
from tests.e2e.talk import answers_to, ask, body, enter, is_japanese, outcome_of
from tests.support.users import Event, MatrixError

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFICE = "cityhall-jimukyoku"


async def test_full_width_japanese_works_as_people_type_it(city: City) -> None:
    office = await city.room(OFFICE)
    listed = body(await ask(city.secretary, office, "！課　一覧"))
    assert all(name in listed for name, _, _ in DIVISIONS.values())
    assert is_japanese(listed)
    sheet = body(await ask(city.secretary, office, "！課　詳細　市民税課"))
    assert city.alias("ka-shiminzei-soudan") in sheet
    half_width = body(await ask(city.secretary, office, "!課 一覧"))
    assert half_width == listed


async def test_a_new_division_is_reported_once_it_exists(city: City, person: Person) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    member = await person("first")
    await city.admit(member)
    answer = await ask(city.secretary, office, f"！課　新設　{slug}　公園課　－－部　kikaku", city.alias(f"ka-{slug}"))
    # From here on nothing is waited for: the answer said that it is there.
    assert is_japanese(body(answer))
    space, *rooms = await enter(city, member, *(f"ka-{slug}{room}" for room in ("", "-oshirase", "-soudan", "-danwa")))
    links = [e for e in await member.state(space) if e["type"] == "m.space.child"]
    assert {e["state_key"] for e in links} == set(rooms)
    assert (await member.state_content(rooms[2], "m.room.name"))["name"] == "公園課 談話室"
    group = (await enter(city, member, "cityhall-kikaku"))[0]
    assert (await member.state_content(group, "m.space.child", space))["via"] == city.via


async def test_a_division_is_edited_and_moved_to_another_group(city: City) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    await ask(city.clerk, office, f"!division create {slug} 河川課 --group kikaku", "河川課 is open")
    space = await city.room(f"ka-{slug}")
    changed = f"!division edit {slug} --name 水辺課 --purpose 「川と海の相談」 --group zei"
    await ask(city.clerk, office, changed, "水辺課 was changed.")
    assert await state(city, f"ka-{slug}", "m.room.name") == {"name": "水辺課"}
    assert await state(city, f"ka-{slug}-soudan", "m.room.name") == {"name": "水辺課 相談室"}
    assert await state(city, f"ka-{slug}", "m.room.topic") == {"topic": "川と海の相談"}
    assert await state(city, "cityhall-kikaku", "m.space.child", space) == {}
    assert (await state(city, "cityhall-zei", "m.space.child", space))["via"] == city.via
    nothing = body(await ask(city.clerk, office, f"!division edit {slug} --name 水辺課"))
    assert "Nothing would change" in nothing


async def test_an_archived_division_is_closed_for_writing_until_it_is_reopened(city: City, person: Person) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    member = await person("writer")
    await city.admit(member)
    await ask(city.clerk, office, f"!division create {slug} 統計課 --group zei", "統計課 is open")
    space, room = await enter(city, member, f"ka-{slug}", f"ka-{slug}-danwa")
    said = await member.say(room, "書けます")

    await ask(city.clerk, office, f"!division archive {slug} --yes", "統計課 is archived.")
    with pytest.raises(MatrixError, match="M_FORBIDDEN"):
        await member.say(room, "もう書けません")
    assert await state(city, "cityhall-zei", "m.space.child", space) == {}
    await member.event(room, lambda event: event["event_id"] == said)

    await ask(city.clerk, office, f"!division reopen {slug}", "統計課 is open again.")
    await member.say(room, "また書けます")
    assert (await state(city, "cityhall-zei", "m.space.child", space))["via"] == city.via


async def test_a_head_gets_power_by_command_and_must_be_a_member(city: City, person: Person) -> None:
    office, stranger, head = await city.room(OFFICE), await person("nobody"), await person("kacho")
    refusal = body(await ask(city.clerk, office, f"!division head zaisei {stranger.user_id}"))
    assert "is not a member" in refusal
    await city.admit(head)
    await ask(city.secretary, office, f"！課　課長　みんなの財政課　{head.user_id}", head.user_id)
    for room in ("ka-zaisei", "ka-zaisei-oshirase", "ka-zaisei-soudan"):
        powers = await state(city, room, "m.room.power_levels")
        assert powers["users"][head.user_id] == 50
        assert stranger.user_id not in powers["users"]
    await ask(city.clerk, office, f"!member remove {head.user_id} --yes", "is no member any more")
    await city.idle()
    assert head.user_id not in (await state(city, "ka-zaisei", "m.room.power_levels"))["users"]


async def test_files_are_planned_then_applied(city: City) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    path: Path = city.declare(slug, name="港湾課")
    try:
        planned = body(await ask(city.clerk, office, "!rooms plan", "港湾課"))
        assert f"港湾課 ({slug})" in planned
        with pytest.raises(MatrixError, match="M_NOT_FOUND"):
            await city.room(f"ka-{slug}")
        await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
        assert await state(city, f"ka-{slug}-danwa", "m.room.name") == {"name": "港湾課 談話室"}
        await ask(city.clerk, office, "!rooms plan", "Nothing to do")

        city.declare(slug, name="港務課")
        await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
        assert await state(city, f"ka-{slug}", "m.room.name") == {"name": "港務課"}
    finally:
        city.undeclare(path)
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
    assert (await state(city, f"ka-{slug}-danwa", "m.room.power_levels"))["events_default"] == 100


async def test_a_mistake_in_the_files_is_said_and_nothing_is_done(city: City) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    path = city.declare(slug, name="道路課", group="nai")
    try:
        answer = body(await ask(city.clerk, office, "!rooms apply --yes"))
        assert f"{slug}.yaml" in answer
    finally:
        city.undeclare(path)
    with pytest.raises(MatrixError, match="M_NOT_FOUND"):
        await city.room(f"ka-{slug}")


async def test_help_shows_what_the_asker_may_do_in_their_language(city: City, person: Person) -> None:
    office, member = await city.room(OFFICE), await person("asks")
    await city.admit(member)
    desk = (await enter(city, member, "cityhall-annai"))[0]
    for_member = body(await ask(member, desk, "！ヘルプ"))
    assert "!課 一覧" in for_member
    assert "!会員 検索" in for_member
    assert "!会員 承認" not in for_member
    assert is_japanese(for_member)

    await ask(member, desk, "!language en", "From now on I speak English with you.")
    in_english = body(await ask(member, desk, "!help"))
    assert "!division list" in in_english
    assert "!member admit" not in in_english
    assert not is_japanese(in_english)

    for_staff = body(await ask(city.clerk, office, "!help"))
    names = ("member admit", "member remove", "division create", "rooms apply", "audit", "status")
    assert all(f"!{name}" in for_staff for name in names)
    one = body(await ask(city.clerk, office, "!help division create"))
    assert "--group" in one
    assert "!課 新設" in one


async def test_an_unknown_command_gets_a_suggestion(city: City) -> None:
    office = await city.room(OFFICE)
    assert "Did you mean `!division list" in body(await ask(city.clerk, office, "!divison list"))
    assert "!課 一覧" in body(await ask(city.secretary, office, "!課 一らん"))
    missing = body(await ask(city.clerk, office, "!division show"))
    assert "Usage: `!division show" in missing
    unknown = body(await ask(city.clerk, office, "!division show nai"))
    assert "There is no division nai" in unknown


async def test_answers_are_replies_and_stay_in_the_thread(city: City) -> None:
    office = await city.room(OFFICE)
    root = await city.clerk.say(office, "This week's list")
    plain = await city.clerk.say(office, "!status")
    answer = await outcome_of(city.clerk, office, plain)
    assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": plain}}
    assert answer["content"]["msgtype"] == "m.notice"
    assert answer["content"]["format"] == "org.matrix.custom.html"
    thread = {"rel_type": "m.thread", "event_id": root, "m.in_reply_to": {"event_id": root}, "is_falling_back": True}
    inside = await city.clerk.say(office, "!status", **{"m.relates_to": thread})
    threaded = (await outcome_of(city.clerk, office, inside))["content"]["m.relates_to"]
    assert (threaded["rel_type"], threaded["event_id"]) == ("m.thread", root)
    mentioned = await city.clerk.mention(office, city.bot, "status", name="市役所")
    assert body(await outcome_of(city.clerk, office, mentioned))
    quoted = await city.clerk.reply(office, root, "!status", fallback_of="This week's list")
    assert body(await outcome_of(city.clerk, office, quoted))


async def test_an_edit_runs_nothing(city: City) -> None:
    office, first, second = await city.room(OFFICE), new_slug(), new_slug()
    asked = await city.clerk.say(office, f"!division create {first} 道路課 --group kikaku")
    await outcome_of(city.clerk, office, asked, "is open")
    edit = await city.clerk.edit(office, asked, f"!division create {second} 鉄道課 --group kikaku")
    # Events of one room are handled in order: what is said after the edit is answered after it.
    await ask(city.clerk, office, "!status")
    assert answers_to(city.clerk, office, edit) == []
    with pytest.raises(MatrixError, match="M_NOT_FOUND"):
        await city.room(f"ka-{second}")
    assert await audited(city, "division create", second) == 0


async def test_the_same_message_delivered_again_runs_nothing(city: City) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    asked = await city.clerk.say(office, f"!division create {slug} 空港課 --group kikaku")
    await outcome_of(city.clerk, office, asked, "is open")
    event: Event = await city.clerk.event(office, lambda e: e["event_id"] == asked)
    for transaction in ("replayed-1", "replayed-1", "replayed-2"):
        assert await deliver(city, transaction, {**event, "room_id": office}) == 200
    await ask(city.clerk, office, "!status")
    await city.idle()
    await city.clerk.sync()
    outcomes = [e for e in answers_to(city.clerk, office, asked) if "is open" in body(e) or "belongs to" in body(e)]
    assert len(outcomes) == 1
    assert await audited(city, "division create", slug) == 1


async def test_whoever_is_no_secretary_is_refused(city: City, person: Person) -> None:
    slug, member = new_slug(), await person("hopeful")
    await city.admit(member)
    desk = (await enter(city, member, "cityhall-annai"))[0]
    await ask(member, desk, "!language en")
    for command in (f"!division create {slug} 夢課 --group kikaku", f"!member admit {member.user_id} --secretariat"):
        assert "Only the secretariat" in body(await ask(member, desk, command))
    with pytest.raises(MatrixError, match="M_NOT_FOUND"):
        await city.room(f"ka-{slug}")
    assert "hopeful" in body(await ask(city.clerk, await city.room(OFFICE), "!audit 50"))


async def test_whoever_left_the_secretariats_room_is_refused_at_the_next_command(city: City, person: Person) -> None:
    office, former = await city.room(OFFICE), await person("former")
    await city.admit(former, secretariat=True)
    desk = (await enter(city, former, "cityhall-annai"))[0]
    await ask(former, desk, "!language en")
    assert body(await ask(former, desk, "!status"))
    assert "Only the secretariat" not in body(await ask(former, desk, "!status"))
    await former.leave(office)
    assert "Only the secretariat" in body(await ask(former, desk, "!status"))
    slug = new_slug()
    assert "Only the secretariat" in body(await ask(former, desk, f"!division create {slug} 影課 --group zei"))


async def test_a_mistyped_account_of_this_server_is_not_admitted(city: City, person: Person) -> None:
    office, unnamed = await city.room(OFFICE), await person("unnamed")
    await unnamed.call("PUT", f"/_matrix/client/v3/profile/{unnamed.user_id}/displayname", {"displayname": ""})
    nobody = UserId(unnamed.user_id.replace("unnamed", "unnamde"))
    assert "There is no account" in body(await ask(city.clerk, office, f"!member admit {nobody}"))
    assert "was never admitted" in body(await ask(city.clerk, office, f"!member show {nobody}"))
    assert await city.membership(await city.room("cityhall"), nobody) is None
    await ask(city.clerk, office, f"!member admit {unnamed.user_id}", "is a member now")


async def test_the_audit_is_read_out_to_the_secretariat_alone(city: City) -> None:
    desk = (await enter(city, city.clerk, "cityhall-annai"))[0]
    assert "Others would read" in body(await ask(city.clerk, desk, "!audit"))
    chat = await city.clerk.direct_chat(city.bot)
    await city.clerk.event(chat, lambda e: e["sender"] == city.bot and e["type"] == "m.room.message")
    assert "entries of the audit" in body(await ask(city.clerk, chat, "audit"))


async def test_everything_privileged_is_in_the_audit(city: City, person: Person) -> None:
    office, newcomer = await city.room(OFFICE), await person("audited")
    await ask(city.clerk, office, f"!member admit {newcomer.user_id}", "is a member now")
    read_out = body(await ask(city.secretary, office, "！監査"))
    assert newcomer.user_id in read_out
    assert city.clerk.user_id in read_out
    await ask(city.clerk, office, f"!member remove {newcomer.user_id} --yes", "is no member any more")
    assert await audited(city, "member remove", newcomer.user_id) == 1


async def state(city: City, localpart: str, event_type: str, state_key: str = "") -> dict[str, Any]:
    """Return one piece of a room's state as the hub has it, read at this moment."""
    content = await city.app.homeserver.state_content(await city.room(localpart), event_type, state_key)
    assert content is not None, f"{localpart} has no {event_type}"
    return dict(content)


async def audited(city: City, command: str, target: str) -> int:
    """Return how often a command was entered into the audit."""
    async with city.app.store.reading() as connection:
        rows = await latest(connection, 1000)
    return sum(row.command == command and row.target == target for row in rows)


async def deliver(city: City, transaction: str, event: Event) -> int:
    """Bring an event as the homeserver does; returns the HTTP status."""
    url = f"http://{city.settings.listen}/_matrix/app/v1/transactions/{transaction}"
    token = {"Authorization": f"Bearer {city.settings.registration.hs_token}"}
    async with aiohttp.ClientSession() as session, session.put(url, json={"events": [event]}, headers=token) as answer:
        return answer.status
