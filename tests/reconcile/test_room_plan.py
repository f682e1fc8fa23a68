"""Comparing and mending one room, from any state in which it can be found."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Content, NewRoom, StateEvent
from oshiyakusho_matrix.reconcile.room_plan import (
    LOCATOR,
    Absent,
    Conflict,
    CreateRoom,
    DesiredRoom,
    Foreign,
    HalfMade,
    Observed,
    Present,
    PutOut,
    PutState,
    TakeOut,
    Unknown,
    drifted,
    plan,
)
from oshiyakusho_matrix.reconcile.rooms import MAKING, RoomKeeper, new_room

BOT = UserId("@shiyakusho:city.example")
HEAD, MEMBER, STRANGER = (UserId(f"@{name}:city.example") for name in ("kacho", "hanako", "yosomono"))
PEOPLE = (HEAD, MEMBER, STRANGER, UserId("@toku:elsewhere.example"))
WRITES = ("create_room", "send_state", "invite", "kick", "join", "leave", "send_event")

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CHILDREN = st.sampled_from([RoomId("!a"), RoomId("!b"), RoomId("!c:city.example")])
LINKS = st.fixed_dictionaries({"via": st.just(["city.example"])}, optional={"order": WORDS, "suggested": st.booleans()})


def levels(most: int = 100) -> st.SearchStrategy[Content]:
    """Power levels as a person could have set them."""
    level = st.integers(0, most)
    named = dict.fromkeys(("users_default", "events_default", "state_default", "invite", "kick", "ban"), level)
    lists = {
        "users": st.dictionaries(st.sampled_from(PEOPLE), st.integers(0, most - 1)),
        "events": st.dictionaries(st.sampled_from(["m.room.name", "m.reaction"]), level),
    }
    return st.fixed_dictionaries({}, optional={**named, **lists})


@st.composite
def wanted(draw: st.DrawFn) -> DesiredRoom:
    """A room as records may want it."""
    version = draw(st.sampled_from(["9", "10", "11", "12"]))
    users = {HEAD: 50, **({BOT: 100} if int(version) < 12 else {})}
    rule = draw(st.sampled_from(["invite", "public", "knock", "restricted"]))
    rules: dict[str, Any] = {"join_rule": rule}
    if rule == "restricted":
        rules["allow"] = [{"type": "m.room_membership", "room_id": "!hall"}]
    space = draw(st.booleans())
    return DesiredRoom(
        alias=RoomAlias("#ka-zaisei:city.example"),
        locator="space:zaisei",
        version=version,
        power_levels={"users": users, "events_default": draw(st.sampled_from([0, 50, 100])), "state_default": 100,
                      "invite": 100, "kick": 100, "ban": 100},
        state=(
            StateEvent("m.room.name", "", {"name": draw(WORDS)}),
            StateEvent("m.room.topic", "", {"topic": draw(WORDS)}),
            StateEvent("m.room.join_rules", "", rules),
            StateEvent("m.room.guest_access", "", {"guest_access": "forbidden"}),
        ),
        creation={"type": "m.space"} if space else {},
        children=draw(st.dictionaries(CHILDREN, LINKS)) if space else None,
    )  # fmt: skip


@dataclass(frozen=True)
class Meddling:
    """One thing that somebody with the power of an administrator did."""

    who: UserId
    type: str
    state_key: str
    content: Content


def meddling(version: str) -> st.SearchStrategy[Meddling]:
    """Anything that somebody may have done to a room of the bot's."""
    who = st.sampled_from([*PEOPLE, BOT])
    own = st.just("")
    power = levels()
    if int(version) < 12:
        # Where the creator stands in the list, whoever takes the bot off it has taken the room away for good.
        power = power.map(lambda found: {**found, "users": {**found.get("users", {}), BOT: 100}})

    def state(kind: str, key: st.SearchStrategy[str], content: st.SearchStrategy[Content]) -> Any:
        return st.builds(Meddling, who, st.just(kind), key, content)

    return st.one_of(
        state("m.room.name", own, st.fixed_dictionaries({"name": WORDS})),
        state("m.room.topic", own, st.fixed_dictionaries({"topic": WORDS})),
        state("m.room.topic", own, st.just({})),
        state("m.room.join_rules", own, st.sampled_from([{"join_rule": "public"}, {}, {"join_rule": 7}])),
        state("m.room.power_levels", own, power),
        state("m.room.guest_access", own, st.just({"guest_access": "can_join"})),
        state("m.room.pinned_events", own, st.just({"pinned": ["$x"]})),
        state("m.space.child", CHILDREN, st.one_of(LINKS, st.just({}))),
        state("m.room.member", st.sampled_from(PEOPLE), st.sampled_from(
            [{"membership": m} for m in ("join", "invite", "knock", "leave", "ban")])),
        state(LOCATOR, own, st.fixed_dictionaries({"version": st.just(1), "key": WORDS})),
    )  # fmt: skip


STRANGERS = st.frozensets(st.sampled_from(PEOPLE))


class Stage:
    """A homeserver with, perhaps, the room on it, and the keeper that looks at it."""

    def __init__(self, desired: DesiredRoom) -> None:
        self.hs = FakeHomeserver(BOT)
        self.keeper = RoomKeeper(self.hs, BOT)
        self.desired = desired
        self.room_id: RoomId | None = None

    async def create(self) -> RoomId:
        self.room_id = await self.hs.create_room(new_room(self.desired))
        return self.room_id

    def meddle(self, done: Meddling) -> None:
        assert self.room_id is not None
        self.hs.world.impose(self.hs.world.rooms[self.room_id], done.who, done.type, done.state_key, done.content)

    async def look(self, known: RoomId | None = None) -> Observed:
        return await self.keeper.observe(self.desired, known)

    def writes(self) -> int:
        return sum(self.hs.calls[name] for name in WRITES)

    def assert_as_desired(self, room_id: RoomId) -> None:
        room = self.hs.world.rooms[room_id]
        for event in self.desired.all_state():
            assert room.content(event.type, event.state_key) == event.content, event.type
        linked = {key for (kind, key), e in room.state.items() if kind == "m.space.child" and e["content"].get("via")}
        if self.desired.children is not None:
            assert linked == self.desired.children.keys()


def run(steps: Coroutine[Any, Any, None]) -> None:
    asyncio.run(steps)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_from_any_state_one_plan_reaches_the_desired_state_and_the_next_is_empty(data: st.DataObject) -> None:
    desired = data.draw(wanted())
    before = data.draw(st.one_of(st.just(desired), wanted().map(lambda other: _of_same_making(other, desired))))
    meddled = data.draw(st.lists(meddling(desired.version), max_size=8))
    strangers = data.draw(STRANGERS)
    knows_id = data.draw(st.booleans())

    async def steps() -> None:
        stage = Stage(before)
        room_id = await stage.create()
        for done in meddled:
            # Found by its address alone, a room with another label is not recognised: that is the next test but one.
            if knows_id or done.type != LOCATOR:
                stage.meddle(done)
        stage.desired = desired
        known = room_id if knows_id else None

        actions = plan(desired, await stage.look(known), bot=BOT, strangers=strangers)
        assert not any(isinstance(a, CreateRoom | Conflict) for a in actions)
        assert all(event.sender != BOT for event in drifted(actions))
        assert await stage.keeper.act(actions) is None

        stage.assert_as_desired(room_id)
        after = await stage.look(known)
        assert isinstance(after, Present)
        assert plan(desired, after, bot=BOT, strangers=strangers) == []
        assert not strangers & set(after.inside())

    run(steps())


@pytest.mark.parametrize("version", ["11", "12"])
def test_who_was_raised_to_the_power_of_the_bot_is_taken_out_by_one_plan(version: str) -> None:
    bot = {BOT: 100} if version == "11" else {}
    levels = {"users": {HEAD: 50, **bot}, "state_default": 100, "invite": 100, "kick": 100, "ban": 100}
    desired = DesiredRoom(
        alias=RoomAlias("#ka-zaisei:city.example"),
        locator="space:zaisei",
        version=version,
        power_levels=levels,
        state=(),
    )

    async def steps() -> None:
        stage = Stage(desired)
        room_id = await stage.create()
        stage.meddle(Meddling(HEAD, "m.room.member", HEAD, {"membership": "join"}))
        stage.meddle(Meddling(HEAD, "m.room.power_levels", "", {"users_default": 100, "users": bot}))
        actions = plan(desired, await stage.look(room_id), bot=BOT, strangers={HEAD})
        assert await stage.keeper.act(actions) is None
        assert stage.hs.world.rooms[room_id].membership(HEAD) == "leave"

    run(steps())


def _of_same_making(other: DesiredRoom, desired: DesiredRoom) -> DesiredRoom:
    """Return ``other`` made the way ``desired`` is, as after an edit of the files: what is fixed for life is equal."""
    children = (other.children or {}) if desired.children is not None else None
    own = replace(other, version=desired.version, creation=desired.creation, children=children)
    return replace(own, power_levels=desired.power_levels)


@settings(max_examples=60, deadline=None)
@given(wanted(), STRANGERS)
def test_an_absent_room_is_made_complete_by_one_call(desired: DesiredRoom, strangers: frozenset[UserId]) -> None:
    async def steps() -> None:
        stage = Stage(desired)
        assert await stage.look() == Absent()
        actions = plan(desired, Absent(), bot=BOT, strangers=strangers)
        assert actions == [CreateRoom(desired)]
        made = await stage.keeper.act(actions)
        assert made is not None
        assert stage.writes() == 1
        stage.assert_as_desired(made)
        for known in (made, None):
            assert plan(desired, await stage.look(known), bot=BOT, strangers=strangers) == []

    run(steps())


@settings(max_examples=60, deadline=None)
@given(wanted(), STRANGERS, st.sampled_from(["their own", "our room with another label"]))
def test_a_foreign_room_is_never_written_to(desired: DesiredRoom, strangers: frozenset[UserId], case: str) -> None:
    async def steps() -> None:
        stage = Stage(desired)
        if case == "their own":
            stage.room_id = await stage.hs.create_room_as(STRANGER, NewRoom("12", alias_localpart="ka-zaisei"))
            await stage.hs.invite_as(STRANGER, stage.room_id, BOT)
            await stage.hs.join(stage.room_id)
        else:
            await stage.create()
            stage.meddle(Meddling(BOT, LOCATOR, "", {"version": 1, "key": "space:other"}))
        before, state = stage.writes(), await stage.hs.room_state(RoomId(str(stage.room_id)))
        observed = await stage.look()
        assert observed == Foreign(RoomId(str(stage.room_id)))
        actions = plan(desired, observed, bot=BOT, strangers=strangers)
        assert [type(a) for a in actions] == [Conflict]
        assert await stage.keeper.act(actions) is None
        assert stage.writes() == before
        assert await stage.hs.room_state(RoomId(str(stage.room_id))) == state

    run(steps())


@pytest.mark.parametrize("failing", ["room_state", "resolve_alias"])
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("knows_id", [True, False])
@settings(max_examples=15, deadline=None)
@given(desired=wanted(), strangers=STRANGERS)
def test_what_could_not_be_read_is_never_created(
    failing: str, exists: bool, knows_id: bool, desired: DesiredRoom, strangers: frozenset[UserId]
) -> None:
    async def steps() -> None:
        stage = Stage(desired)
        room_id = await stage.create() if exists else RoomId("!gone")
        before = stage.writes()
        stage.hs.fail_next(failing, Temporary("502 from a proxy"), times=9)
        observed = await stage.look(room_id if knows_id else None)
        match observed:
            case Unknown(reason):
                assert reason == "502 from a proxy"
            case Present() | Absent():
                # The call that fails was not needed to find that out.
                assert isinstance(observed, Present) == exists
                return
            case _:
                pytest.fail(f"{observed}")
        assert plan(desired, observed, bot=BOT, strangers=strangers) == []
        assert stage.writes() == before

    run(steps())


DESIRED = DesiredRoom(
    alias=RoomAlias("#ka-zaisei:city.example"),
    locator="space:zaisei",
    version="12",
    power_levels={"users": {}},
    state=(StateEvent("m.room.name", "", {"name": "財政課"}),),
    children={RoomId("!a"): {"via": ["city.example"]}},
)


async def test_a_room_that_was_made_before_a_crash_is_completed_if_only_its_label_is_missing() -> None:
    stage = Stage(DESIRED)
    room_id = await stage.create()
    del stage.hs.world.rooms[room_id].state[LOCATOR, ""]
    observed = await stage.look()
    assert isinstance(observed, Present)
    assert plan(DESIRED, observed, bot=BOT) == [
        PutState(room_id, StateEvent(LOCATOR, "", {"version": 1, "key": "space:zaisei"}))
    ]


async def test_a_room_that_the_bot_was_put_out_of_is_no_foreign_one_and_waits_for_people() -> None:
    stage = Stage(DESIRED)
    room_id = await stage.create()
    stage.meddle(Meddling(STRANGER, "m.room.member", BOT, {"membership": "leave"}))
    observed = await stage.look(room_id)
    assert observed == PutOut(room_id)
    (conflict,) = plan(DESIRED, observed, bot=BOT)
    assert isinstance(conflict, Conflict)
    assert plain(conflict.text).startswith("I was put out of the room #ka-zaisei:city.example")


async def test_a_room_that_was_deleted_on_the_homeserver_counts_as_absent() -> None:
    stage = Stage(DESIRED)
    room_id = await stage.create()
    stage.hs.purge(room_id)
    assert await stage.look(room_id) == Absent()


@pytest.mark.parametrize("changed", [{"version": "11"}, {"creation": {"m.federate": False}}])
async def test_what_a_room_keeps_for_life_is_said_and_the_rest_is_put_right(changed: dict[str, Any]) -> None:
    stage = Stage(DESIRED)
    room_id = await stage.create()
    stage.meddle(Meddling(STRANGER, "m.room.name", "", {"name": "偽"}))
    wants = replace(DESIRED, **changed)
    actions = plan(wants, await stage.look(room_id), bot=BOT)
    assert [type(a) for a in actions] == [PutState, Conflict]
    conflict = actions[-1]
    assert isinstance(conflict, Conflict)
    assert conflict.text.values["alias"] == wants.alias
    await stage.keeper.act(actions)
    assert stage.hs.world.rooms[room_id].content("m.room.name") == {"name": "財政課"}


async def test_a_plan_names_exactly_what_differs_and_who_did_it() -> None:
    stage = Stage(DESIRED)
    room_id = await stage.create()
    stage.meddle(Meddling(STRANGER, "m.room.name", "", {"name": "偽"}))
    stage.meddle(Meddling(STRANGER, "m.space.child", "!b", {"via": ["x"]}))
    stage.meddle(Meddling(STRANGER, "m.room.member", MEMBER, {"membership": "join"}))
    stage.meddle(Meddling(STRANGER, "m.room.member", STRANGER, {"membership": "join"}))
    actions = plan(DESIRED, await stage.look(room_id), bot=BOT, strangers={STRANGER})
    assert [(type(a), a.user_id if isinstance(a, TakeOut) else a.event) for a in actions
            if isinstance(a, TakeOut | PutState)] == [
        (TakeOut, STRANGER),
        (PutState, StateEvent("m.room.name", "", {"name": "財政課"})),
        (PutState, StateEvent("m.space.child", "!b", {})),
    ]  # fmt: skip
    assert [event.sender for event in drifted(actions)] == [STRANGER] * 3


async def test_a_room_whose_making_was_cut_off_is_given_up_after_a_while_and_made_anew() -> None:
    stage = Stage(DESIRED)
    await stage.create()
    await stage.hs.leave(RoomId(str(stage.room_id)))
    moment = now()
    keeper = RoomKeeper(stage.hs, BOT, now=lambda: moment)
    assert isinstance(await keeper.observe(DESIRED, None), Unknown)
    moment += MAKING
    observed = await keeper.observe(DESIRED, None)
    assert observed == HalfMade(RoomId(str(stage.room_id)))
    made = await keeper.act(plan(DESIRED, observed, bot=BOT))
    assert made not in (None, stage.room_id)
    assert await stage.hs.resolve_alias(DESIRED.alias) == made
    assert plan(DESIRED, await keeper.observe(DESIRED, None), bot=BOT) == []


async def test_an_address_that_somebody_else_gave_is_never_taken() -> None:
    stage = Stage(DESIRED)
    theirs = await stage.hs.create_room_as(STRANGER, NewRoom("12", alias_localpart="ka-zaisei"))
    keeper = RoomKeeper(stage.hs, BOT, making=timedelta())
    observed = await keeper.observe(DESIRED, None)
    with pytest.raises(Permanent, match="did not make"):
        await keeper.act(plan(DESIRED, observed, bot=BOT))
    assert await stage.hs.resolve_alias(DESIRED.alias) == theirs


async def test_a_room_that_came_to_be_since_it_was_looked_at_is_looked_at_again() -> None:
    stage = Stage(DESIRED)
    planned = plan(DESIRED, await stage.look(), bot=BOT)
    room_id = await stage.create()
    with pytest.raises(Temporary, match="since it was looked at"):
        await stage.keeper.act(planned)
    assert plan(DESIRED, await stage.look(), bot=BOT) == []
    assert await stage.hs.resolve_alias(DESIRED.alias) == room_id
