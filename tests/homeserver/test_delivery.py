"""What an application service is told: the fake delivers the same events, in the same shape, as Synapse."""

from typing import Any

import pytest

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import StateEvent
from tests.homeserver.listener import Event, Received, listening
from tests.homeserver.stages import Stage, fake_stage, join_rule

#: What each event carries that the product may rely on.
KEYS = {"event_id", "room_id", "sender", "type", "origin_server_ts", "content", "unsigned"}


async def scene(stage: Stage, received: Received) -> tuple[list[tuple[object, ...]], Event]:
    """Play a knock, a welcome and an invite to the bot; return what came of the first room, and that invite."""
    hanako, owner = await stage.person("hanako"), await stage.person("owner")
    room_id = await stage.create(join_rule("knock"), StateEvent("m.room.name", "", {"name": "市役所"}))
    await hanako.knock(room_id)
    await stage.homeserver.invite(room_id, hanako.user_id)
    await hanako.join(room_id)
    await stage.homeserver.send_event(
        room_id, "m.room.message", {"msgtype": "m.notice", "body": "ようこそ"}, transaction_id=f"welcome {room_id}"
    )
    await hanako.say(room_id, "!課 一覧")
    theirs = await stage.room_of(owner)
    await received.until(lambda event: event["content"].get("body") == "!課 一覧")
    invite = await received.until(lambda event: event["room_id"] == theirs)
    cast = {str(stage.bot): "bot", str(hanako.user_id): "hanako"}
    seen = [told(event, cast) for event in received.events if event["room_id"] == room_id]
    assert all(event.keys() >= KEYS for event in received.events)
    return seen, invite


def told(event: Event, cast: dict[str, str]) -> tuple[object, ...]:
    """Reduce an event to what must be alike."""
    key: Any = event.get("state_key")
    what = event["content"].get("membership") or event["content"].get("body")
    return cast[event["sender"]], event["type"], cast.get(key, key), what


async def test_the_fake_delivers_what_synapse_delivers(real_stage: Stage, shared_installation: Any) -> None:
    async with listening(shared_installation.port) as received:
        await real_stage.homeserver.ping(shared_installation.id, "now")
        real, real_invite = await scene(real_stage, received)
    stage, received = fake_stage(), Received()
    assert isinstance(stage.homeserver, FakeHomeserver)
    stage.homeserver.deliver = received.take
    fake, fake_invite = await scene(stage, received)

    assert sorted(real[:6], key=repr) == sorted(fake[:6], key=repr)
    assert real[6:] == fake[6:]
    assert {event["type"] for event in real_invite["unsigned"]["invite_room_state"]} >= {
        event["type"] for event in fake_invite["unsigned"]["invite_room_state"]
    }
    assert real_invite["unsigned"]["invite_room_state"][0].keys() >= {"type", "state_key", "sender", "content"}
    assert real_invite["content"]["membership"] == fake_invite["content"]["membership"] == "invite"


async def test_a_homeserver_that_cannot_reach_us_says_so_and_later_delivers_on_a_ping(
    real_stage: Stage, shared_installation: Any
) -> None:
    with pytest.raises(Temporary, match="ping: the homeserver answered 502"):
        await real_stage.homeserver.ping(shared_installation.id, "nobody listens")
    room_id = await real_stage.create()
    async with listening(shared_installation.port) as received:
        assert await real_stage.homeserver.ping(shared_installation.id, "back again") >= 0
        await received.until(lambda event: event["room_id"] == room_id)
