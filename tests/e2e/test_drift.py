"""Drift: whatever somebody changes by force is back within seconds, and 事務局室 hears what it was and who did it."""

from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from oshiyakusho_matrix.core.ids import RoomId
from oshiyakusho_matrix.divisions.drift import CHANGED
from oshiyakusho_matrix.reconcile.room_plan import NOTHING
from tests.e2e.city import City, new_slug
from tests.e2e.conftest import Person
from tests.e2e.talk import ask, body, enter, in_japanese, is_japanese, outcome_of
from tests.e2e.waiting import eventually
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFICE = "cityhall-jimukyoku"


@pytest.mark.parametrize("server", ["hub", "neighbour"])
async def test_a_renamed_room_has_its_name_and_powers_back_and_the_secretariat_knows(
    city: City, person: Person, server: str
) -> None:
    culprit = await person("renamer", on=getattr(city, server), display_name="改名 太郎")
    await lifted(city, culprit, "ka-koho-soudan")
    room = await city.room("ka-koho-soudan")
    before = dict(await content(city, room, "m.room.power_levels") or {})
    await culprit.set_state(room, "m.room.name", {"name": "占拠しました"})
    await back(city, room, "m.room.name", {"name": "広報課 相談室"})
    assert before["users"].pop(culprit.user_id) == 100
    await back(city, room, "m.room.power_levels", before)
    await told(city, "m.room.name", "広報課 相談室", culprit, "改名 太郎")


@pytest.mark.parametrize(
    ("event_type", "value"),
    [
        ("m.room.topic", {"topic": "別の話題"}),
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
        ("m.room.guest_access", {"guest_access": "can_join"}),
        ("m.room.canonical_alias", {}),
        ("jp.oshiyakusho.locator", {"version": 1, "key": "space:zaisei"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_state_that_keeps_the_gate_is_put_back(
    city: City, person: Person, event_type: str, value: dict[str, Any]
) -> None:
    room = await city.room("ka-zaisei-danwa")
    before = await content(city, room, event_type)
    culprit = await lifted(city, await person("changer"), "ka-zaisei-danwa")
    await culprit.set_state(room, event_type, value)
    await back(city, room, event_type, before)
    await told(city, event_type, "みんなの財政課 談話室", culprit)


@pytest.mark.parametrize(
    ("event_type", "value"),
    [
        ("m.room.avatar", {"url": "mxc://example.jp/abc"}),
        ("m.room.server_acl", {"allow": ["*"], "deny": ["example.jp"]}),
        ("m.room.tombstone", {"body": "…", "replacement_room": "!elsewhere:example.jp"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_somebody_adds_to_a_room_is_emptied(
    city: City, person: Person, event_type: str, value: dict[str, Any]
) -> None:
    room = await city.room("ka-zaisei-danwa")
    culprit = await lifted(city, await person("adder"), "ka-zaisei-danwa")
    await culprit.set_state(room, event_type, value)
    await back(city, room, event_type, NOTHING.get(event_type, {}))
    await told(city, event_type, "みんなの財政課 談話室", culprit)


async def test_changed_powers_are_put_back(city: City, person: Person) -> None:
    room = await city.room("ka-zaisei-soudan")
    before = await content(city, room, "m.room.power_levels")
    culprit, friend = await person("lifter"), await person("liftee")
    await lifted(city, culprit, "ka-zaisei-soudan")
    powers = dict(await content(city, room, "m.room.power_levels") or {})
    users = {**powers["users"], friend.user_id: 100}
    await culprit.set_state(room, "m.room.power_levels", {**powers, "users": users, "invite": 0})
    await back(city, room, "m.room.power_levels", before)
    await told(city, "m.room.power_levels", "みんなの財政課 相談室", culprit)


async def test_a_removed_link_is_back_and_a_strange_one_is_gone(city: City, person: Person) -> None:
    group, division = await city.room("cityhall-zei"), await city.room("ka-shiminzei")
    link = await content(city, group, "m.space.child", division)
    culprit = await lifted(city, await person("unlinker"), "cityhall-zei")
    await culprit.set_state(group, "m.space.child", {}, division)
    await back(city, group, "m.space.child", link, division)
    await told(city, "m.space.child", "税・債権", culprit)

    another = await lifted(city, await person("linker"), "cityhall-zei")
    elsewhere = await another.create_room(name="よその部屋")
    await another.set_state(group, "m.space.child", {"via": city.via}, elsewhere)
    await back(city, group, "m.space.child", {}, elsewhere)
    await told(city, "m.space.child", "税・債権", another)


@pytest.mark.parametrize("server", ["hub", "neighbour"])
@pytest.mark.parametrize("localpart", ["ka-shiminzei-danwa", "cityhall"])
async def test_an_invited_stranger_is_out_again(city: City, person: Person, server: str, localpart: str) -> None:
    stranger = await person("stranger", on=getattr(city, server))
    culprit, room = await person("inviter"), await city.room(localpart)
    await lifted(city, culprit, localpart)
    await culprit.invite(room, stranger.user_id)

    async def out() -> bool | None:
        return await city.membership(room, stranger.user_id) == "leave" or None

    await eventually(out, city.secretary, what="the stranger out of the room")
    report = body(await report_about(city, stranger.user_id))
    assert is_japanese(report)
    assert culprit.user_id in report


async def test_what_a_head_pins_is_no_drift(city: City, person: Person) -> None:
    head, office = await person("pinner"), await city.room(OFFICE)
    await city.admit(head)
    await ask(city.clerk, office, f"!division head shiminzei {head.user_id}", "is head of 市民税課 now")
    room = (await enter(city, head, "ka-shiminzei-danwa"))[0]
    pinned = {"pinned": [await head.say(room, "大事なことです。")]}
    await head.set_state(room, "m.room.pinned_events", pinned)
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
    assert await content(city, room, "m.room.pinned_events") == pinned


async def test_a_room_that_the_bot_did_not_make_is_reported_and_never_touched(city: City, person: Person) -> None:
    office, slug, owner = await city.room(OFFICE), new_slug(), await person("owner")
    foreign = await owner.create_room(name="よその部屋", preset="public_chat")
    # The bot can read it, as an administrator may have arranged; one that it cannot read takes it a minute to judge.
    await as_the_administrator(city, "POST", f"/_matrix/client/v3/join/{quote(foreign)}", {})
    address = f"/_matrix/client/v3/directory/room/{quote(city.alias(f'ka-{slug}'))}"
    await as_the_administrator(city, "PUT", address, {"room_id": foreign})
    before = await state_events(owner, foreign)

    asked = await city.clerk.say(office, f"!division create {slug} 謎課 --group kikaku")
    failed = await outcome_of(city.clerk, office, asked, "could not be done")
    assert city.alias(f"ka-{slug}") in body(failed)
    await report_about(city, city.alias(f"ka-{slug}"))
    await city.idle()
    assert await state_events(owner, foreign) == before

    await as_the_administrator(city, "DELETE", address)
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
    made = await city.room(f"ka-{slug}")
    assert made != foreign
    assert await content(city, made, "m.room.name") == {"name": "謎課"}


async def test_a_room_that_the_bot_is_out_of_is_told_and_kept_again_once_the_bot_is_let_in(
    city: City, person: Person
) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    await ask(city.clerk, office, f"!division create {slug} 締出課 --group kikaku", "is open")
    locksmith = await lifted(city, await person("locksmith"), f"ka-{slug}-danwa")
    room = await city.room(f"ka-{slug}-danwa")
    powers, rule = [await content(city, room, f"m.room.{kind}") for kind in ("power_levels", "join_rules")]
    await as_the_administrator(city, "POST", f"/_matrix/client/v3/rooms/{quote(room)}/leave", {})
    # While somebody inside may invite, the bot comes back by itself, as any member of the hall does.
    await locksmith.set_state(room, "m.room.join_rules", {"join_rule": "invite"})
    await locksmith.set_state(room, "m.room.name", {"name": "占拠しました"})
    await city.clerk.say(office, "!rooms apply --yes")
    assert is_japanese(body(await report_about(city, city.alias(f"ka-{slug}-danwa"), "外されたため")))
    assert (await locksmith.state_content(room, "m.room.name"))["name"] == "占拠しました"

    # No apply is needed: the invite alone has the bot look again, and it is no chat that the bot declines.
    await locksmith.invite(room, city.bot)

    async def kept() -> bool | None:
        name = await locksmith.state_content(room, "m.room.name")
        return name == {"name": "締出課 談話室"} or None

    await eventually(kept, locksmith, what="the room kept again")
    powers["users"].pop(locksmith.user_id)
    await back(city, room, "m.room.power_levels", powers)
    await back(city, room, "m.room.join_rules", rule)
    assert await city.membership(room, city.bot) == "join"
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")


@pytest.mark.parametrize("by", ["a person", "the bot's own token"])
async def test_encryption_is_told_whoever_turned_it_on(city: City, person: Person, by: str) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    await ask(city.clerk, office, f"!division create {slug} 暗号課 --group kikaku", "is open")
    room, encryption = await city.room(f"ka-{slug}-danwa"), {"algorithm": "m.megolm.v1.aes-sha2"}
    if by == "a person":
        culprit = await lifted(city, await person("sealer"), f"ka-{slug}-danwa")
        await culprit.set_state(room, "m.room.encryption", encryption)
    else:
        path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.encryption/"
        await as_the_administrator(city, "PUT", path, encryption)
        # What its own token does, the bot hears nothing of: it sees it when it looks.
        await city.clerk.say(office, "!rooms apply --yes")
    report = body(await report_about(city, city.alias(f"ka-{slug}-danwa"), "暗号化が有効にされました"))
    assert is_japanese(report)

    # The way out: the division closes, and what cannot be mended is no trouble any more.
    await ask(city.clerk, office, f"!division archive {slug} --yes", "is archived")
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")


@pytest.mark.parametrize(("made", "wanted"), [("11", "12"), ("12", "11")])
async def test_another_room_version_is_told_and_takes_nobodys_power(city: City, made: str, wanted: str) -> None:
    office, slug, kind = await city.room(OFFICE), new_slug(), new_slug("kind")
    kinds = city.settings.rooms / "kinds.yaml"
    shipped = kinds.read_text("utf-8")

    def declared(version: str) -> str:
        return f"{shipped}\n  {kind}:\n    alias: ka-{kind}-{{slug}}\n    room_version: '{version}'\n    rooms: []\n"

    kinds.write_text(declared(made), encoding="utf-8")
    division = city.declare(slug, name="版数課")
    division.write_text(f"{division.read_text('utf-8')}kind: {kind}\n", encoding="utf-8")
    try:
        await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")
        alias = f"ka-{kind}-{slug}"
        room = await city.room(alias)
        assert (await content(city, room, "m.room.create")).get("room_version") == made
        powers = await content(city, room, "m.room.power_levels")
        assert (city.bot in powers["users"]) == (made == "11")

        kinds.write_text(declared(wanted), encoding="utf-8")
        await city.clerk.say(office, "!rooms apply --yes")
        await report_about(city, city.alias(alias), f"{made} でつくられていますが、{wanted} が指定されています")
        assert await content(city, room, "m.room.power_levels") == powers
        # The bot has lost nothing: what somebody changes is still put back.
        await as_the_administrator(
            city, "PUT", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.topic/", {"topic": "別の話題"}
        )
        await ask(city.clerk, office, f"!division edit {slug} --purpose 版数を見る課です。")
        await back(city, room, "m.room.topic", {"topic": "版数を見る課です。"})
    finally:
        kinds.write_text(shipped, encoding="utf-8")
        city.undeclare(division)
    await ask(city.clerk, office, "!rooms apply --yes", "The city hall is as declared.")


async def lifted(city: City, culprit: MatrixUser, localpart: str) -> MatrixUser:
    """Let somebody in, and give them all power in a room, as an administrator of the homeserver can."""
    await city.admit(culprit)
    room = (await enter(city, culprit, localpart))[0] if localpart != "cityhall" else await city.room("cityhall")
    # The service looks at the room because of the join; if it came after this it would take the power away at once.
    await city.handled(room, culprit)
    powers = dict(await content(city, room, "m.room.power_levels") or {})
    powers["users"] = {**powers["users"], culprit.user_id: 100}
    await city.app.homeserver.send_state(RoomId(room), "m.room.power_levels", "", powers)

    async def known() -> bool | None:
        held = await culprit.state_content(room, "m.room.power_levels")
        return held["users"].get(culprit.user_id) == 100 or None

    await eventually(known, culprit, what="power of 100")
    return culprit


async def content(city: City, room_id: str, event_type: str, state_key: str = "") -> Any:
    return await city.app.homeserver.state_content(RoomId(room_id), event_type, state_key)


async def back(city: City, room_id: str, event_type: str, wanted: Any, state_key: str = "") -> None:
    """Wait until a piece of state says again what it should."""

    async def look() -> bool | None:
        return await content(city, room_id, event_type, state_key) == wanted or None

    await eventually(look, city.secretary, what=f"{event_type} as it was")


async def told(city: City, event_type: str, room_name: str, culprit: MatrixUser, *more: str) -> None:
    """Expect 事務局室 to hear what was changed, where, and by whom."""
    report = body(await report_about(city, culprit.user_id, room_name, in_japanese(CHANGED[event_type])))
    assert is_japanese(report)
    assert all(word in report for word in more), report


async def report_about(city: City, *words: str) -> Any:
    """Wait for a message of the bot in 事務局室 that has all these words and answers nobody."""
    office = await city.room(OFFICE)
    return await city.secretary.event(
        office,
        lambda event: (
            event["sender"] == city.bot
            and "m.relates_to" not in event["content"]
            and all(word in str(event["content"].get("body")) for word in words)
        ),
        what=f"a report about {words}",
    )


async def state_events(person: MatrixUser, room_id: str) -> set[str]:
    """Return the ids of the events that make up a room's state."""
    return {str(event["event_id"]) for event in await person.state(room_id)}


async def as_the_administrator(city: City, method: str, path: str, json: Any = None) -> None:
    """Act with the city hall's own token, to which the homeserver reserves its addresses."""
    token = {"Authorization": f"Bearer {city.settings.registration.as_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, city.hub.url + path, json=json, headers=token) as answer,
    ):
        assert answer.status == 200, await answer.text()
