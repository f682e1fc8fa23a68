"""The two stages on which the contract is played: the fake, and a real Synapse with real clients."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId
from oshiyakusho_matrix.homeserver.client import MatrixHomeserver
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import Forbidden, Homeserver, NewRoom, StateEvent
from tests.conftest import ClientOf
from tests.support.installations import Installation
from tests.support.users import MatrixError

BOT_NAME = "市役所"


class Person(Protocol):
    """What tests let other people do; ``MatrixUser`` does it with a real client."""

    @property
    def user_id(self) -> UserId: ...

    async def join(self, room: str, /) -> object: ...

    async def knock(self, room: str, /) -> object: ...

    async def leave(self, room: str, /) -> object: ...

    async def invite(self, room: str, user_id: UserId, /) -> object: ...

    async def say(self, room: str, text: str, /) -> object: ...

    async def set_state(
        self, room: str, event_type: str, content: Mapping[str, Any], state_key: str = ""
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class FakePerson:
    """A person on the fake stage."""

    user_id: UserId
    stage: FakeHomeserver

    async def join(self, room: str) -> RoomId:
        return await self.stage.join_as(self.user_id, room)

    async def knock(self, room: str) -> RoomId:
        return await self.stage.knock_as(self.user_id, room)

    async def leave(self, room: str) -> RoomId:
        return await self.stage.leave_as(self.user_id, room)

    async def invite(self, room: str, user_id: UserId) -> RoomId:
        return await self.stage.invite_as(self.user_id, room, user_id)

    async def say(self, room: str, text: str) -> EventId:
        return await self.stage.say_as(self.user_id, room, text)

    async def set_state(self, room: str, event_type: str, content: Mapping[str, Any], state_key: str = "") -> EventId:
        return await self.stage.send_state_as(self.user_id, room, event_type, state_key, content)


@dataclass(frozen=True, slots=True)
class Stage:
    """One homeserver to be tested, as the bot sees it, and the people around it."""

    homeserver: Homeserver
    bot: UserId
    server_name: str
    alias_prefix: str
    person: Callable[[str], Awaitable[Person]]
    #: Makes somebody's own private room into which the bot is invited, without power.
    room_of: Callable[[Person], Awaitable[RoomId]]
    #: Makes a ghost and lets it join a public room.
    ghost_in: Callable[[RoomId], Awaitable[UserId]]
    #: Takes somebody's display name away.
    unname: Callable[[Person], Awaitable[object]]
    #: A name of this homeserver under which there is no account.
    nobody: UserId
    #: Somebody of a homeserver that does not answer.
    beyond: UserId

    def new_alias(self) -> RoomAlias:
        """Return an alias that nobody has."""
        return RoomAlias(f"#{self.alias_prefix}{secrets.token_hex(4)}:{self.server_name}")

    async def create(self, *state: StateEvent, version: str = "12", **options: Any) -> RoomId:
        """Make a room of the bot's in which members may write, but only the bot may change or invite."""
        levels = {"users": {} if version == "12" else {self.bot: 100}, "state_default": 100, "invite": 100}
        return await self.homeserver.create_room(
            NewRoom(version=version, power_levels=options.pop("power_levels", levels), state=state, **options)
        )


def refused() -> Any:
    """Expect that what a person does is refused."""
    return pytest.raises((MatrixError, Forbidden), match="M_FORBIDDEN")


def join_rule(rule: str, *allow: RoomId) -> StateEvent:
    """Write a join rule."""
    doors = [{"type": "m.room_membership", "room_id": room_id} for room_id in allow]
    return StateEvent("m.room.join_rules", "", {"join_rule": rule, **({"allow": doors} if doors else {})})


def localpart(alias: RoomAlias) -> str:
    """Return the local part of an alias."""
    return alias[1:].partition(":")[0]


def fake_stage() -> Stage:
    """Build the stage in memory."""
    fake = FakeHomeserver(UserId("@bot_t:city.example"), ghosts="g_t.*")
    fake.world.display_names[fake.bot] = BOT_NAME

    async def person(name: str) -> Person:
        return FakePerson(UserId(f"@{name}-{secrets.token_hex(3)}:city.example"), fake)

    async def room_of(owner: Person) -> RoomId:
        room_id = await fake.create_room_as(owner.user_id, NewRoom(version="12"))
        return await fake.invite_as(owner.user_id, room_id, fake.bot)

    async def ghost_in(room_id: RoomId) -> UserId:
        ghost = UserId("@g_t_guest:city.example")
        await fake.join_as(ghost, room_id)
        return ghost

    async def unname(somebody: Person) -> None:
        fake.world.display_names.pop(somebody.user_id, None)

    nobody, beyond = UserId("@nobody:city.example"), UserId("@toku:away.example")
    fake.world.nobody.add(nobody)
    fake.world.away.add("away.example")
    return Stage(fake, fake.bot, "city.example", "t-", person, room_of, ghost_in, unname, nobody, beyond)


def synapse_stage(homeserver: MatrixHomeserver, installation: Installation, client_of: ClientOf) -> Stage:
    """Build the stage on a real homeserver, on which the bot is ready."""

    async def person(name: str) -> Person:
        return await client_of(name)

    async def room_of(owner: Person) -> RoomId:
        create = getattr(owner, "create_room")  # noqa: B009 - only people with a real client have it
        return RoomId(await create(preset="private_chat", room_version="12", invite=[homeserver.bot]))

    async def ghost_in(room_id: RoomId) -> UserId:
        ghost = client_for(installation, installation.ghost("guest"))
        try:
            await ghost.ensure_bot("放送ゲスト")
            await ghost.join(room_id)
        finally:
            await ghost.close()
        return ghost.bot

    async def unname(somebody: Person) -> None:
        call = getattr(somebody, "call")  # noqa: B009 - only people with a real client have it
        await call("PUT", f"/_matrix/client/v3/profile/{somebody.user_id}/displayname", {"displayname": ""})

    prefix = installation.alias_prefix
    nobody = UserId(f"@nobody-{secrets.token_hex(3)}:{installation.server_name}")
    # Port 1 of this machine: nobody listens there.
    beyond = UserId("@toku:localhost:1")
    server_name = installation.server_name
    return Stage(homeserver, homeserver.bot, server_name, prefix, person, room_of, ghost_in, unname, nobody, beyond)


def client_for(installation: Installation, user_id: UserId) -> MatrixHomeserver:
    """Make a client of the application service that acts as one of its users."""
    return MatrixHomeserver(installation.homeserver_url, bot=user_id, as_token=installation.as_token)
