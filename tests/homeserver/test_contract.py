"""The contract of ``homeserver.interface``: what holds on Synapse holds on the fake, and the other way round."""

import pytest

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, server_of
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import AliasTaken, Forbidden, NewRoom, StateEvent
from tests.homeserver.stages import BOT_NAME, Stage, join_rule, localpart, refused

TEXT = {"msgtype": "m.text", "body": "こんにちは"}
NOWHERE = RoomId("!nowhere")


# --- creating and reading


@pytest.mark.parametrize("version", ["11", "12"])
async def test_a_room_is_born_with_exactly_the_state_asked_for(stage: Stage, version: str) -> None:
    alias = stage.new_alias()
    levels = {
        "users": {} if version == "12" else {stage.bot: 100},
        "users_default": 0,
        "events": {"m.reaction": 0},
        "events_default": 50,
        "state_default": 100,
        "invite": 100,
    }
    asked = [
        StateEvent("m.room.name", "", {"name": "財政課 <b>&"}),
        StateEvent("m.room.topic", "", {"topic": "予算と決算"}),
        StateEvent("jp.oshiyakusho.locator", "", {"version": 1, "key": "division:zaisei"}),
        StateEvent("m.room.history_visibility", "", {"history_visibility": "shared"}),
        join_rule("knock"),
        StateEvent("m.space.child", "!somewhere", {"via": [stage.server_name], "suggested": True}),
    ]
    room_id = await stage.homeserver.create_room(
        NewRoom(
            version=version,
            alias_localpart=localpart(alias),
            creation={"type": "m.space", "m.federate": False},
            power_levels=levels,
            state=asked,
        )
    )

    state = await stage.homeserver.room_state(room_id)
    expected = {(event.type, event.state_key): event.content for event in asked} | {
        ("m.room.create", ""): {"type": "m.space", "m.federate": False, "room_version": version},
        ("m.room.member", stage.bot): {"membership": "join", "displayname": BOT_NAME},
        ("m.room.power_levels", ""): levels,
        ("m.room.canonical_alias", ""): {"alias": alias},
    }
    assert {(event.type, event.state_key): event.content for event in state} == expected
    assert {event.sender for event in state} == {stage.bot}
    assert len({event.event_id for event in state}) == len(expected)
    assert await stage.homeserver.resolve_alias(alias) == room_id
    assert (":" in room_id) == (version == "11")


async def test_a_room_without_a_join_rule_is_by_invite(stage: Stage) -> None:
    room_id = await stage.create()
    assert await stage.homeserver.state_content(room_id, "m.room.join_rules") == {"join_rule": "invite"}
    hanako = await stage.person("hanako")
    with refused():
        await hanako.join(room_id)


async def test_an_alias_is_given_once(stage: Stage) -> None:
    alias = stage.new_alias()
    first = await stage.create(alias_localpart=localpart(alias))
    with pytest.raises(AliasTaken, match="M_ROOM_IN_USE") as caught:
        await stage.create(alias_localpart=localpart(alias))
    assert not isinstance(caught.value, Forbidden)
    assert await stage.homeserver.resolve_alias(alias) == first


async def test_an_unknown_room_version_is_refused_for_good(stage: Stage) -> None:
    with pytest.raises(Permanent, match="M_UNSUPPORTED_ROOM_VERSION"):
        await stage.create(version="99")


async def test_the_creator_may_be_named_in_the_power_levels_of_any_version(stage: Stage) -> None:
    levels = {"users": {stage.bot: 100}, "state_default": 100}
    room_id = await stage.create(version="12", power_levels=levels)
    assert await stage.homeserver.state_content(room_id, "m.room.power_levels") == levels | {"users": {}}
    with pytest.raises(Permanent, match="400"):
        await stage.homeserver.send_state(room_id, "m.room.power_levels", "", levels)


async def test_what_is_absent_is_none(stage: Stage) -> None:
    room_id = await stage.create()
    assert await stage.homeserver.resolve_alias(stage.new_alias()) is None
    assert await stage.homeserver.resolve_alias(RoomAlias(f"#見つからない:{stage.server_name}")) is None
    assert await stage.homeserver.state_content(room_id, "m.room.topic") is None
    assert await stage.homeserver.state_content(room_id, "m.room.member", "@nobody/+=:nowhere.example") is None


async def test_rooms_that_the_bot_is_not_in_are_forbidden_not_absent(stage: Stage) -> None:
    owner = await stage.person("owner")
    theirs = await stage.room_of(owner)
    for room_id in (theirs, NOWHERE):
        with pytest.raises(Forbidden):
            await stage.homeserver.room_state(room_id)
        with pytest.raises(Forbidden):
            await stage.homeserver.state_content(room_id, "m.room.name")
        with pytest.raises(Forbidden):
            await stage.homeserver.send_state(room_id, "m.room.name", "", {"name": "x"})


async def test_the_rooms_that_the_bot_is_in_are_those_it_joined_and_has_not_left(stage: Stage) -> None:
    owner = await stage.person("owner")
    made, left = await stage.create(), await stage.create()
    invited, joined = await stage.room_of(owner), await stage.room_of(owner)
    for room_id in (invited, joined):
        await owner.invite(room_id, stage.bot)
    await stage.homeserver.join(joined)
    await stage.homeserver.leave(left)
    found = set(await stage.homeserver.joined_rooms())
    assert {made, joined} <= found
    assert not {invited, left} & found


async def test_a_room_that_the_bot_has_left_shows_no_stale_state(stage: Stage) -> None:
    owner = await stage.person("owner")
    room_id = await stage.room_of(owner)
    await stage.homeserver.join(room_id)
    assert await stage.homeserver.room_state(room_id)
    await stage.homeserver.leave(room_id)
    await stage.homeserver.leave(room_id)
    with pytest.raises(Forbidden):
        await stage.homeserver.room_state(room_id)


# --- changing state


async def test_state_is_replaced_whole_and_the_same_state_is_no_new_event(stage: Stage) -> None:
    room_id = await stage.create(StateEvent("m.room.name", "", {"name": "旧", "extra": 1}))
    first = await stage.homeserver.send_state(room_id, "m.room.name", "", {"name": "新"})
    assert await stage.homeserver.send_state(room_id, "m.room.name", "", {"name": "新"}) == first
    named = [event for event in await stage.homeserver.room_state(room_id) if event.type == "m.room.name"]
    assert named == [StateEvent("m.room.name", "", {"name": "新"}, stage.bot, first)]
    third = await stage.homeserver.send_state(room_id, "m.room.name", "", {"name": "旧"})
    assert third != first


async def test_state_keys_are_told_apart(stage: Stage) -> None:
    room_id = await stage.create()
    keys = ["", "!a/b?c#d", "キー %2F", "a+b&c=d"]
    for number, key in enumerate(keys):
        await stage.homeserver.send_state(room_id, "jp.oshiyakusho.test/x", key, {"number": number})
    for number, key in enumerate(keys):
        assert await stage.homeserver.state_content(room_id, "jp.oshiyakusho.test/x", key) == {"number": number}
    state = await stage.homeserver.room_state(room_id)
    assert {event.state_key for event in state if event.type == "jp.oshiyakusho.test/x"} == set(keys)


async def test_without_power_the_room_says_no(stage: Stage) -> None:
    owner, hanako = await stage.person("owner"), await stage.person("hanako")
    room_id = await stage.room_of(owner)
    await stage.homeserver.join(room_id)
    with pytest.raises(Forbidden):
        await stage.homeserver.send_state(room_id, "m.room.name", "", {"name": "x"})
    with pytest.raises(Forbidden):
        await stage.homeserver.kick(room_id, owner.user_id)
    await owner.set_state(room_id, "m.room.power_levels", {"users": {}, "invite": 50})
    with pytest.raises(Forbidden):
        await stage.homeserver.invite(room_id, hanako.user_id)


async def test_members_change_nothing_and_let_nobody_in(stage: Stage) -> None:
    member, outsider = await stage.person("member"), await stage.person("outsider")
    room_id = await stage.create()
    await stage.homeserver.invite(room_id, member.user_id)
    await member.join(room_id)
    await member.say(room_id, "書き込みはできます")
    with refused():
        await member.set_state(room_id, "m.room.name", {"name": "乗っ取り"})
    with refused():
        await member.set_state(room_id, "m.room.power_levels", {"users": {member.user_id: 100}})
    with refused():
        await member.invite(room_id, outsider.user_id)


# --- coming and going


async def test_an_invite_may_be_repeated_before_and_after_it_is_accepted(stage: Stage) -> None:
    hanako = await stage.person("hanako")
    room_id = await stage.create()
    await stage.homeserver.invite(room_id, hanako.user_id)
    await stage.homeserver.invite(room_id, hanako.user_id)
    await hanako.join(room_id)
    await stage.homeserver.invite(room_id, hanako.user_id)
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member is not None
    assert member["membership"] == "join"


async def test_inviting_the_banned_is_forbidden_and_kicking_them_leaves_the_ban(stage: Stage) -> None:
    hanako = await stage.person("hanako")
    room_id = await stage.create()
    await stage.homeserver.send_state(room_id, "m.room.member", hanako.user_id, {"membership": "ban"})
    with pytest.raises(Forbidden):
        await stage.homeserver.invite(room_id, hanako.user_id)
    await stage.homeserver.kick(room_id, hanako.user_id)
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member is not None
    assert member["membership"] == "ban"


@pytest.mark.parametrize("direct", [False, True])
async def test_an_invitation_says_whether_the_chat_is_for_two(stage: Stage, direct: bool) -> None:
    hanako = await stage.person("hanako")
    room_id = await stage.create()
    for _ in range(2):
        await stage.homeserver.invite(room_id, hanako.user_id, direct=direct)
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member is not None
    assert (member["membership"], member.get("is_direct", False)) == ("invite", direct)
    await hanako.join(room_id)
    await stage.homeserver.invite(room_id, hanako.user_id, direct=direct)
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member is not None
    assert member["membership"] == "join"


async def test_kick_takes_out_the_joined_the_invited_and_the_knocking(stage: Stage) -> None:
    joined, invited, knocking = [await stage.person(name) for name in ("joined", "invited", "knocking")]
    room_id = await stage.create(join_rule("knock"))
    await stage.homeserver.invite(room_id, joined.user_id)
    await joined.join(room_id)
    await stage.homeserver.invite(room_id, invited.user_id)
    await knocking.knock(room_id)
    for person in (joined, invited, knocking):
        await stage.homeserver.kick(room_id, person.user_id, "退会")
        member = await stage.homeserver.state_content(room_id, "m.room.member", person.user_id)
        assert member is not None
        assert (member["membership"], member.get("reason")) == ("leave", "退会")
        with refused():
            await person.join(room_id)


async def test_kicking_the_absent_is_fine_and_makes_no_event(stage: Stage) -> None:
    stranger, gone = await stage.person("stranger"), await stage.person("gone")
    room_id = await stage.create()
    await stage.homeserver.kick(room_id, stranger.user_id)
    assert await stage.homeserver.state_content(room_id, "m.room.member", stranger.user_id) is None
    await stage.homeserver.invite(room_id, gone.user_id)
    await gone.join(room_id)
    await gone.leave(room_id)
    before = await stage.homeserver.room_state(room_id)
    await stage.homeserver.kick(room_id, gone.user_id)
    assert await stage.homeserver.room_state(room_id) == before


async def test_a_knock_is_seen_and_answered_by_an_invite(stage: Stage) -> None:
    hanako = await stage.person("hanako")
    room_id = await stage.create(join_rule("knock"))
    with refused():
        await hanako.join(room_id)
    await hanako.knock(room_id)
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member is not None
    assert member["membership"] == "knock"
    await stage.homeserver.invite(room_id, hanako.user_id)
    await hanako.join(room_id)


@pytest.mark.parametrize("version", ["10", "12"])
async def test_of_a_redacted_knock_the_membership_alone_stays(stage: Stage, version: str) -> None:
    hanako = await stage.person("hanako")
    room_id = await stage.create(join_rule("knock"), version=version)
    await hanako.knock(room_id)
    (knock,) = [e for e in await stage.homeserver.room_state(room_id) if e.state_key == hanako.user_id]
    redaction = {"redacts": knock.event_id}
    for _ in range(2):
        await stage.homeserver.send_event(room_id, "m.room.redaction", redaction, transaction_id="redact/1")
    (left,) = [e for e in await stage.homeserver.room_state(room_id) if e.state_key == hanako.user_id]
    assert (left.event_id, left.content) == (knock.event_id, {"membership": "knock"})
    await stage.homeserver.kick(room_id, hanako.user_id, "おわり")
    member = await stage.homeserver.state_content(room_id, "m.room.member", hanako.user_id)
    assert member == {"membership": "leave", "reason": "おわり"}


@pytest.mark.parametrize("version", ["11", "12"])
async def test_the_hall_opens_restricted_rooms_to_its_members_alone(stage: Stage, version: str) -> None:
    member, outsider = await stage.person("member"), await stage.person("outsider")
    hall = await stage.create(join_rule("knock"), version=version)
    alias = stage.new_alias()
    room_id = await stage.create(join_rule("restricted", hall), version=version, alias_localpart=localpart(alias))
    await stage.homeserver.invite(hall, member.user_id)
    with refused():
        await member.join(alias)
    await member.join(hall)
    await member.join(alias)
    with refused():
        await outsider.join(alias)
    with refused():
        await member.invite(room_id, outsider.user_id)
    await stage.homeserver.kick(hall, member.user_id)
    await stage.homeserver.kick(room_id, member.user_id)
    with refused():
        await member.join(alias)


async def test_the_bot_joins_on_an_invite_or_declines_it(stage: Stage) -> None:
    owner = await stage.person("owner")
    accepted, declined = await stage.room_of(owner), await stage.room_of(owner)
    await stage.homeserver.join(accepted)
    await stage.homeserver.join(accepted)
    assert await stage.homeserver.state_content(accepted, "m.room.create") is not None
    await stage.homeserver.leave(declined)
    with pytest.raises(Permanent):
        await stage.homeserver.join(declined)


# --- messages


async def test_a_transaction_id_sends_once(stage: Stage) -> None:
    room_id = await stage.create()
    first = await stage.homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox/1 ?#")
    again = await stage.homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox/1 ?#")
    other = await stage.homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox/2")
    assert first == again
    assert other != first


async def test_a_ghost_speaks_for_itself(stage: Stage) -> None:
    room_id = await stage.create(join_rule("public"))
    ghost = await stage.ghost_in(room_id)
    send = stage.homeserver.send_event
    first = await send(room_id, "m.room.message", TEXT, transaction_id="guest-1", sender=ghost)
    assert await send(room_id, "m.room.message", TEXT, transaction_id="guest-1", sender=ghost) == first
    assert await send(room_id, "m.room.message", TEXT, transaction_id="bot-1") != first
    elsewhere = await stage.create()
    with pytest.raises(Forbidden):
        await send(elsewhere, "m.room.message", TEXT, transaction_id="guest-2", sender=ghost)


# --- operations


async def test_the_homeserver_knows_the_bot(stage: Stage) -> None:
    assert await stage.homeserver.whoami() == stage.bot
    assert "v1.11" in await stage.homeserver.versions()


async def test_the_bot_is_renamed_only_if_its_name_differs(stage: Stage) -> None:
    async def as_member(room_id: RoomId) -> StateEvent:
        return next(event for event in await stage.homeserver.room_state(room_id) if event.state_key == stage.bot)

    room_id = await stage.create()
    born = await as_member(room_id)
    await stage.homeserver.ensure_bot(BOT_NAME)
    assert await as_member(room_id) == born
    await stage.homeserver.ensure_bot("市役所 窓口")
    later = await stage.create()
    assert (await as_member(later)).content["displayname"] == "市役所 窓口"
    await stage.homeserver.ensure_bot(BOT_NAME)


async def test_an_alias_that_the_bot_gave_can_be_taken_back_even_from_outside(stage: Stage) -> None:
    alias = stage.new_alias()
    room_id = await stage.create(alias_localpart=localpart(alias))
    await stage.homeserver.leave(room_id)
    await stage.homeserver.release_alias(alias)
    assert await stage.homeserver.resolve_alias(alias) is None
    await stage.homeserver.release_alias(alias)


# --- accounts, and servers that are away


async def test_an_account_is_there_whether_it_has_a_name_or_not_and_a_name_that_nobody_took_is_not(
    stage: Stage,
) -> None:
    hanako = await stage.person("hanako")
    assert await stage.homeserver.has_account(hanako.user_id)
    await stage.unname(hanako)
    assert await stage.homeserver.has_account(hanako.user_id)
    assert await stage.homeserver.has_account(stage.bot)
    assert not await stage.homeserver.has_account(stage.nobody)


async def test_an_invite_to_a_server_that_is_away_may_work_later_and_says_which_it_is(stage: Stage) -> None:
    room_id = await stage.create()
    with pytest.raises(Temporary) as caught:
        await stage.homeserver.invite(room_id, stage.beyond)
    server = server_of(stage.beyond)
    assert caught.value.why == say("the server {server} cannot be reached at present", server=server)
    assert await stage.homeserver.state_content(room_id, "m.room.member", stage.beyond) is None


async def test_what_is_refused_is_counted_and_what_is_not_there_is_not(stage: Stage) -> None:
    before = dict(stage.homeserver.failures)
    assert await stage.homeserver.resolve_alias(stage.new_alias()) is None
    assert stage.homeserver.failures == before
    with pytest.raises(Forbidden):
        await stage.homeserver.send_state(NOWHERE, "m.room.topic", "", {"topic": "x"})
    assert stage.homeserver.failures == before | {("send_state", "403"): before.get(("send_state", "403"), 0) + 1}


async def test_a_kick_tells_what_membership_it_ended(stage: Stage) -> None:
    joined, invited, stranger = [await stage.person(name) for name in ("joined", "invited", "stranger")]
    room_id = await stage.create()
    for person in (joined, invited):
        await stage.homeserver.invite(room_id, person.user_id)
    await joined.join(room_id)
    ended = [await stage.homeserver.kick(room_id, each.user_id) for each in (joined, invited, stranger, joined)]
    assert ended == ["join", "invite", None, None]


async def test_the_rooms_that_somebody_shares_with_the_bot_are_those_that_both_have_joined(stage: Stage) -> None:
    hanako, stranger = await stage.person("hanako"), await stage.person("stranger")
    rooms = [await stage.create() for _ in range(3)]
    invited, left = await stage.create(), await stage.create()
    for room_id in (*rooms, invited, left):
        await stage.homeserver.invite(room_id, hanako.user_id)
    for room_id in (*rooms, left):
        await hanako.join(room_id)
    await stage.homeserver.kick(left, hanako.user_id)
    assert sorted(await stage.homeserver.rooms_shared_with(hanako.user_id)) == sorted(rooms)
    assert await stage.homeserver.rooms_shared_with(stranger.user_id) == []


async def test_a_kick_of_somebody_who_went_since_they_were_seen_is_fine(stage: Stage) -> None:
    gone, banned, stranger = [await stage.person(name) for name in ("gone", "banned", "stranger")]
    room_id = await stage.create()
    await stage.homeserver.invite(room_id, gone.user_id)
    await gone.join(room_id)
    await gone.leave(room_id)
    await stage.homeserver.send_state(room_id, "m.room.member", banned.user_id, {"membership": "ban"})
    for person in (gone, banned, stranger):
        assert await stage.homeserver.kick(room_id, person.user_id, seen="join") is None
    content = await stage.homeserver.state_content(room_id, "m.room.member", banned.user_id)
    assert content is not None
    assert content["membership"] == "ban"
