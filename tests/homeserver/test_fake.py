"""What the fake offers to tests beyond the contract: counting, failing, delivering, tampering."""

import asyncio
from typing import Any

import pytest

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Forbidden, NewRoom

ALIAS = RoomAlias("#cityhall:city.example")
HANAKO = UserId("@hanako:city.example")
HALL = NewRoom(version="12", alias_localpart="cityhall", power_levels={"users": {}, "state_default": 100})


async def test_calls_are_counted_by_name_and_those_of_people_are_not() -> None:
    fake = FakeHomeserver()
    room_id = await fake.create_room(HALL)
    await fake.resolve_alias(ALIAS)
    await fake.invite(room_id, HANAKO)
    await fake.join_as(HANAKO, ALIAS)
    await fake.invite(room_id, HANAKO)
    assert fake.calls == {"create_room": 1, "resolve_alias": 1, "invite": 2}


async def test_a_call_fails_before_it_is_done_or_after() -> None:
    fake = FakeHomeserver()
    fake.fail_next("create_room", Temporary("502"), times=2)
    for _ in range(2):
        with pytest.raises(Temporary):
            await fake.create_room(HALL)
    assert await fake.resolve_alias(ALIAS) is None
    fake.fail_next("create_room", Temporary("the answer was lost"), after=True)
    with pytest.raises(Temporary):
        await fake.create_room(HALL)
    assert await fake.resolve_alias(ALIAS) is not None
    with pytest.raises(ValueError, match="no call named"):
        fake.fail_next("creat_room", Temporary("typo"))


async def test_every_call_passes_the_watch_before_and_after() -> None:
    seen: list[tuple[str, str]] = []

    def crash_after_the_second_write(when: str, call: str) -> None:
        seen.append((when, call))
        if seen.count(("after", "create_room")) == 2:
            raise asyncio.CancelledError

    fake = FakeHomeserver(watch=crash_after_the_second_write)
    await fake.create_room(HALL)
    with pytest.raises(asyncio.CancelledError):
        await fake.create_room(NewRoom(version="11"))
    assert seen == [("before", "create_room"), ("after", "create_room")] * 2
    assert len(fake.world.rooms) == 2


async def test_events_are_offered_again_until_they_are_taken_in_order() -> None:
    taken: list[dict[str, Any]] = []
    down = True

    async def deliver(events: list[dict[str, Any]]) -> None:
        if down:
            raise Temporary("not now")
        taken.extend(events)

    fake = FakeHomeserver(deliver=deliver)
    room_id = await fake.create_room(HALL)
    await fake.invite(room_id, HANAKO)
    await fake.join_as(HANAKO, ALIAS)
    assert taken == []
    down = False
    await fake.say_as(HANAKO, ALIAS, "こんにちは")
    assert [event["event_id"] for event in taken] == [event["event_id"] for event in fake.room(ALIAS).timeline]
    assert taken[-1]["content"]["body"] == "こんにちは"
    assert taken[-1]["room_id"] == room_id


async def test_what_happens_without_us_is_not_delivered() -> None:
    taken: list[dict[str, Any]] = []

    async def deliver(events: list[dict[str, Any]]) -> None:
        taken.extend(events)

    fake = FakeHomeserver(deliver=deliver)
    theirs = await fake.create_room_as(HANAKO, NewRoom(version="12"))
    await fake.say_as(HANAKO, theirs, "内緒")
    assert taken == []
    await fake.invite_as(HANAKO, theirs, fake.bot)
    (invite,) = taken
    assert (invite["type"], invite["state_key"]) == ("m.room.member", fake.bot)
    assert {"m.room.create", "m.room.join_rules"} <= {e["type"] for e in invite["unsigned"]["invite_room_state"]}


async def test_an_administrator_can_tamper_and_delete() -> None:
    fake = FakeHomeserver()
    room_id = await fake.create_room(HALL)
    with pytest.raises(Forbidden):
        await fake.send_state_as(HANAKO, ALIAS, "m.room.name", "", {"name": "乗っ取り"})
    await fake.send_state_as(HANAKO, ALIAS, "m.room.name", "", {"name": "乗っ取り"}, by_force=True)
    assert await fake.state_content(room_id, "m.room.name") == {"name": "乗っ取り"}
    fake.purge(ALIAS)
    assert await fake.resolve_alias(ALIAS) is None
    with pytest.raises(Forbidden):
        await fake.room_state(room_id)


async def test_a_moderator_cannot_rise_above_herself_or_touch_a_creator() -> None:
    fake = FakeHomeserver()
    levels = {"users": {HANAKO: 50}, "state_default": 50, "events": {"m.room.power_levels": 50}, "ban": 50}
    room_id = await fake.create_room(NewRoom(version="12", power_levels=levels))
    await fake.invite(room_id, HANAKO)
    await fake.join_as(HANAKO, room_id)
    await fake.send_state_as(HANAKO, room_id, "m.room.name", "", {"name": "財政課"})
    for users in ({HANAKO: 100}, {HANAKO: 50, "@taro:city.example": 51}):
        with pytest.raises(Forbidden):
            await fake.send_state_as(HANAKO, room_id, "m.room.power_levels", "", {**levels, "users": users})
    with pytest.raises(Forbidden):
        await fake.ban_as(HANAKO, room_id, fake.bot)


async def test_one_transaction_id_for_two_senders_is_a_mistake_of_ours() -> None:
    fake = FakeHomeserver()
    ghost = UserId("@_och_guest:city.example")
    room_id = await fake.create_room(HALL)
    await fake.invite(room_id, ghost)
    await fake.join_as(ghost, room_id)
    await fake.send_event(room_id, "m.room.message", {}, transaction_id="1")
    with pytest.raises(ValueError, match="two senders"):
        await fake.send_event(room_id, "m.room.message", {}, transaction_id="1", sender=ghost)


async def test_a_room_that_is_not_federated_takes_nobody_from_elsewhere() -> None:
    fake = FakeHomeserver()
    room_id = await fake.create_room(NewRoom(version="12", creation={"m.federate": False}))
    with pytest.raises(Forbidden):
        await fake.invite(room_id, UserId("@taro:town.example"))
    await fake.invite(room_id, HANAKO)
