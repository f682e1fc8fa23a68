"""Greets and reminds members when that is due, and lets them into the divisions that they asked for.

A key may run again after a crash: what was said has its fixed transaction id, and a chat or an invitation that is there
is found.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import structlog

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.homeserver.interface import Forbidden, RoomReader, Whereabouts
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.registration.welcome.domain import REMIND_AFTER, State, Welcome
from oshiyakusho_matrix.registration.welcome.service import Guide
from oshiyakusho_matrix.registration.welcome.tables import find_welcome
from oshiyakusho_matrix.registration.welcome.words import CLOSED, INSIDE, OUTSIDE, invited, not_invited
from oshiyakusho_matrix.roster.domain import HallState
from oshiyakusho_matrix.roster.tables import find_member
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)

_INSIDE: Final = "join"


class Chats(Protocol):
    """How one gets a direct chat with somebody (``commands.chats``)."""

    async def open_with(self, user_id: UserId) -> RoomId:
        """Return a chat with somebody that can be written to; the same one if asked again."""


class Halls(RoomReader, Whereabouts, Protocol):
    """What these controllers need of the homeserver."""

    async def invite(self, room_id: RoomId, user_id: UserId) -> str:
        """Invite somebody."""


class WelcomeController:
    """Serves ``welcome:@user:server``."""

    kind = "welcome"

    def __init__(self, *, store: Store, guide: Guide, chats: Chats, halls: Halls) -> None:
        self._store, self._guide, self._chats, self._halls = store, guide, chats, halls

    async def reconcile(self, name: str) -> Settled:
        """Greet who is to be greeted, and two days later remind who is to be reminded."""
        user_id = UserId(name)
        async with self._store.reading() as connection:
            one = await find_welcome(connection, user_id)
            member = await find_member(connection, user_id)
        if one is None or one.state not in (State.DUE, State.GIVEN):
            return Settled()
        if member is None or not member.current or member.hall is HallState.LEFT:
            return await self._end(user_id)
        if one.state is State.DUE:
            return await self._greet(user_id, one.room_id)
        due = (one.greeted_at or now()) + REMIND_AFTER
        return Settled(look_again=due) if now() < due else await self._remind(one)

    async def _greet(self, user_id: UserId, room_id: RoomId | None) -> Settled:
        """Greet somebody once they are in the chat: before, their homeserver would not hear of it, nor they.

        Where the invitation to the chat is refused, the secretariat is told, as of every invitation.
        """
        if room_id is None:
            room_id = await self._chats.open_with(user_id)
            async with self._store.transaction() as tx:
                # Noted before we look who is inside: whoever comes in from now on is seen by ``ChatJoins``.
                await self._guide.note_chat(tx, user_id, room_id)
        if await _membership(self._halls, room_id, user_id) != _INSIDE:
            return Settled()
        async with self._store.transaction() as tx:
            await self._guide.greet(tx, user_id)
        return Settled(look_again=now() + REMIND_AFTER)

    async def _remind(self, one: Welcome) -> Settled:
        async with self._store.reading() as connection:
            rooms = {room_id for each in await self._guide.entrances(connection) for room_id in each.rooms}
        arrived = await self._is_in_any(one.user_id, rooms)
        async with self._store.transaction() as tx:
            await self._guide.remind(tx, one, arrived=arrived)
        return Settled()

    async def _is_in_any(self, user_id: UserId, rooms: Iterable[RoomId]) -> bool:
        """Tell whether somebody has joined one of these rooms. ``Temporary`` if that cannot be known now."""
        try:
            return not set(rooms).isdisjoint(await self._halls.rooms_shared_with(user_id))
        except (Temporary, Permanent) as error:
            logger.debug("the homeserver does not tell where somebody is", reason=error.reason)
        for room_id in rooms:
            if await _membership(self._halls, room_id, user_id) == _INSIDE:
                return True
        return False

    async def _end(self, user_id: UserId) -> Settled:
        async with self._store.transaction() as tx:
            await self._guide.forget(tx, user_id)
        return Settled()


class EntryController:
    """Serves ``entry:zaisei @user:server``: invites a member into a division that they asked for."""

    kind = "entry"

    def __init__(self, *, store: Store, guide: Guide, halls: Halls) -> None:
        self._store, self._guide, self._halls = store, guide, halls

    async def reconcile(self, name: str) -> Settled:
        """Invite, unless they are inside; say which."""
        slug, _, user = name.partition(" ")
        return Settled(said=[await self._let_in(slug, UserId(user))])

    async def _let_in(self, slug: str, user_id: UserId) -> Text:
        async with self._store.reading() as connection:
            member = await find_member(connection, user_id)
            known = await self._guide.entrances(connection)
        entrance = next((each for each in known if each.slug == slug), None)
        if member is None or not member.current or member.hall is HallState.LEFT:
            # If we were killed between an invitation and the look after it, that is still to be taken back.
            await self._have_looked_at(user_id)
            return OUTSIDE
        if entrance is None:
            return CLOSED
        try:
            if await _membership(self._halls, entrance.room_id, user_id) == _INSIDE:
                return INSIDE
            await self._halls.invite(entrance.room_id, user_id)
        except Forbidden as error:
            logger.info("a member could not be invited", division=slug, reason=error.reason)
            return not_invited(entrance)
        if not await self._still_belongs(user_id):
            await self._have_looked_at(user_id)
            return OUTSIDE
        return invited(entrance)

    async def _still_belongs(self, user_id: UserId) -> bool:
        """Tell whether somebody is a member yet: they may have been put out just before the invitation."""
        async with self._store.reading() as connection:
            member = await find_member(connection, user_id)
        return member is not None and member.current

    async def _have_looked_at(self, user_id: UserId) -> None:
        async with self._store.transaction() as tx:
            await self._guide.have_looked_at(tx, user_id)


async def _membership(reader: RoomReader, room_id: RoomId, user_id: UserId) -> str | None:
    try:
        content = await reader.state_content(room_id, "m.room.member", user_id)
    except Forbidden:
        return None  # the bot is outside of it; whoever keeps the room sees to that
    return None if content is None else str(content.get("membership"))
