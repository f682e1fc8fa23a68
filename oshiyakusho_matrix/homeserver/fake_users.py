"""What other people do in the rooms of the fake homeserver; part of ``fake.FakeHomeserver``.

Rooms are named by id or alias, as people do. Refusals are the same ``Forbidden`` that the bot gets. These calls are
neither counted nor failed: they are not the product's.
"""

from abc import ABC, abstractmethod

from oshiyakusho_matrix.core.ids import EventId, RoomAlias, RoomId, UserId
from oshiyakusho_matrix.homeserver.fake_room import FakeRoom
from oshiyakusho_matrix.homeserver.fake_world import FakeWorld
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden, NewRoom


class FakeUsers(ABC):
    """The people. Every method hands the events that it made on to the application service."""

    def __init__(self, world: FakeWorld) -> None:
        self.world = world

    @abstractmethod
    async def deliver_pending(self) -> None:
        """Offer what waits to the application service."""

    async def create_room_as(self, user_id: UserId, room: NewRoom) -> RoomId:
        """Make a room of somebody else's."""
        room_id = self.world.create(room, user_id)
        await self.deliver_pending()
        return room_id

    async def join_as(self, user_id: UserId, room: str) -> RoomId:
        """Join by the join rules: public, invited, or a member of an allowed room."""
        return await self._membership_as(user_id, room, user_id, "join")

    async def knock_as(self, user_id: UserId, room: str, reason: str = "") -> RoomId:
        """Ask to come in."""
        return await self._membership_as(user_id, room, user_id, "knock", reason)

    async def leave_as(self, user_id: UserId, room: str) -> RoomId:
        """Leave, decline an invite, or withdraw a knock."""
        return await self._membership_as(user_id, room, user_id, "leave")

    async def invite_as(self, user_id: UserId, room: str, invited: UserId) -> RoomId:
        """Invite somebody (with the power for it)."""
        return await self._membership_as(user_id, room, invited, "invite")

    async def kick_as(self, user_id: UserId, room: str, target: UserId) -> RoomId:
        """Take somebody out (with the power for it)."""
        return await self._membership_as(user_id, room, target, "leave")

    async def ban_as(self, user_id: UserId, room: str, target: UserId) -> RoomId:
        """Ban somebody (with the power for it)."""
        return await self._membership_as(user_id, room, target, "ban")

    async def send_as(self, user_id: UserId, room: str, event_type: str, content: Content) -> EventId:
        """Send a message, a reaction or another event that is no state."""
        event_id = self.world.send(self._room(room), user_id, event_type, content)
        await self.deliver_pending()
        return event_id

    async def say_as(self, user_id: UserId, room: str, body: str) -> EventId:
        """Send a text."""
        return await self.send_as(user_id, room, "m.room.message", {"msgtype": "m.text", "body": body})

    async def send_state_as(
        self, user_id: UserId, room: str, event_type: str, state_key: str, content: Content, *, by_force: bool = False
    ) -> EventId:
        """Set a piece of state; ``by_force`` without the power for it, as an administrator of the homeserver can."""
        found = self._room(room)
        if by_force:
            event_id = self.world.impose(found, user_id, event_type, state_key, content)
        else:
            event_id = self.world.send(found, user_id, event_type, content, state_key)
        await self.deliver_pending()
        return event_id

    def purge(self, room: str) -> None:
        """Delete a room with its addresses and leave no trace, as an administrator of the homeserver can."""
        room_id = self._room_id(room)
        del self.world.rooms[room_id]
        for alias in [alias for alias, target in self.world.aliases.items() if target == room_id]:
            del self.world.aliases[alias]

    def _room_id(self, room: str) -> RoomId:
        return self.world.aliases.get(RoomAlias(room), RoomId(room))

    def _room(self, room: str) -> FakeRoom:
        return self.world.room(self._room_id(room), "find the room")

    async def _membership_as(
        self, actor: UserId, room: str, target: UserId, membership: str, reason: str = ""
    ) -> RoomId:
        found = self._room(room)
        self._set_membership(found, actor, target, membership, reason)
        await self.deliver_pending()
        return found.room_id

    def _set_membership(
        self,
        room: FakeRoom,
        actor: UserId,
        target: UserId,
        membership: str,
        reason: str = "",
        *,
        direct: bool = False,
    ) -> None:
        """Change a membership. A room that is not federated takes nobody from another homeserver."""
        federates = (room.content("m.room.create") or {}).get("m.federate", True)
        if membership != "leave" and not federates and not target.endswith(f":{self.world.server_name}"):
            raise Forbidden("the homeserver answered 403 M_FORBIDDEN (this room is not federated)")
        named = membership in ("join", "invite", "knock")
        content = self.world.member_content(target, membership) if named else {"membership": membership}
        told = ({"reason": reason} if reason else {}) | ({"is_direct": True} if direct else {})
        self.world.send(room, actor, "m.room.member", dict(content) | told, target)
