"""Who asks, and where commands are heard: looked up anew for each message, never remembered."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.interface import Asker, Role
from oshiyakusho_matrix.commands.language import preferred_language
from oshiyakusho_matrix.core.ids import RoomId, UserId, server_of
from oshiyakusho_matrix.homeserver.interface import Forbidden, RoomReader
from oshiyakusho_matrix.roster.tables import find_managed_room, find_member, room_in_role
from oshiyakusho_matrix.store.unit_of_work import Store

_HALL: Final = "cityhall"


class RosterAskers:
    """The command language's ``AskerLookup``: the record and, for the secretariat, the room at this moment."""

    def __init__(self, *, store: Store, reader: RoomReader) -> None:
        self._store = store
        self._reader = reader

    async def look_up(self, user_id: UserId) -> Asker:
        """Return somebody's role and language. ``Temporary`` if 事務局室 cannot be read: not knowing is no answer.

        While the bot is outside of it, it sees nobody in there, and everybody is what they are without it.
        """
        async with self._store.reading() as connection:
            language = await preferred_language(connection, user_id)
            member = await find_member(connection, user_id)
            office = await room_in_role(connection, "office")
        if member is None or not member.current:
            return Asker(user_id, Role.ANYONE, language)
        if member.secretariat and office is not None and office.room_id is not None:
            with suppress(Forbidden):
                seen = await self._reader.state_content(office.room_id, "m.room.member", user_id)
                if seen is not None and seen.get("membership") == "join":
                    return Asker(user_id, Role.SECRETARIAT, language)
        return Asker(user_id, Role.MEMBER, language)


class RosterPlaces:
    """The command language's ``Places``. ``also`` tells of rooms that a capability keeps: commands are heard there."""

    def __init__(
        self,
        *,
        store: Store,
        reader: RoomReader,
        bot: UserId,
        also: Callable[[AsyncConnection, RoomId], Awaitable[bool]] | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._bot = bot
        self._also = also

    async def is_direct(self, room_id: RoomId) -> bool:
        """Tell whether this is an open direct chat."""
        query = select(direct_chat.c.state).where(direct_chat.c.room_id == room_id)
        async with self._store.reading() as connection:
            return await connection.scalar(query) == "open"

    async def is_confidential(self, room_id: RoomId, asker: UserId) -> bool:
        """Tell whether this is 事務局室, or a direct chat in which the asker is alone with the bot.

        Whoever opened a chat themselves can have invited others into it.
        """
        if await self.office() == room_id:
            return True
        return await self.is_direct(room_id) and await self._inside(room_id) == {asker, self._bot}

    async def _inside(self, room_id: RoomId) -> set[str]:
        """Return who is, or may come, inside; nobody if the bot was put out and cannot see."""
        try:
            state = await self._reader.room_state(room_id)
        except Forbidden:
            return set()
        memberships = ((e.state_key, e.content.get("membership")) for e in state if e.type == "m.room.member")
        return {user_id for user_id, membership in memberships if membership in ("join", "invite")}

    async def office(self) -> RoomId | None:
        """Return which room is 事務局室; None while it is not made."""
        async with self._store.reading() as connection:
            office = await room_in_role(connection, "office")
        return office.room_id if office else None

    async def porch(self) -> RoomId | None:
        """Return which room is 玄関, where people knock; None while it is not made."""
        async with self._store.reading() as connection:
            porch = await room_in_role(connection, "porch")
        return porch.room_id if porch else None

    async def hall_localpart(self) -> str:
        """Return what the addresses of the hall and of chats begin with: as shipped, while it is not on record."""
        async with self._store.reading() as connection:
            hall = await room_in_role(connection, "hall")
        return hall.alias_localpart if hall else _HALL

    async def hall_address(self) -> str:
        """Return the address of the hall."""
        return f"#{await self.hall_localpart()}:{server_of(self._bot)}"

    async def porch_address(self) -> str:
        """Return the address at which people knock: that of the hall as long as the records know of no porch."""
        async with self._store.reading() as connection:
            porch = await room_in_role(connection, "porch")
        return f"#{porch.alias_localpart}:{server_of(self._bot)}" if porch else await self.hall_address()

    async def listens(self, room_id: RoomId) -> bool:
        """Tell whether the room is managed, an open direct chat, or one of those that a capability keeps."""
        async with self._store.reading() as connection:
            if await find_managed_room(connection, room_id=room_id) is not None:
                return True
            if self._also is not None and await self._also(connection, room_id):
                return True
        return await self.is_direct(room_id)
