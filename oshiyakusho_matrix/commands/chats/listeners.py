"""Watches for direct chats with the bot: invites, people who leave, encryption, and who writes on where it cannot read.

Asks for ``ChatController``, decides nothing.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, Select, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.interface import Places
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId, reference_of
from oshiyakusho_matrix.reconcile.interface import Priority, Work, WorkKey
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


def chat_key(reference: str) -> WorkKey:
    """Return the key of a direct chat."""
    return WorkKey("chat", reference)


class ChatWatch:
    """A listener for ``m.room.member`` and ``m.room.encryption`` in rooms that are, or may become, direct chats."""

    def __init__(self, *, store: Store, work: Work, places: Places, bot: UserId) -> None:
        self._store = store
        self._work = work
        self._places = places
        self._bot = bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        """Note an invite to the bot, somebody leaving, or encryption being turned on."""
        if event.state_key is None:
            return None
        membership = event.content.get("membership")
        invited = event.type == "m.room.member" and event.state_key == self._bot and membership == "invite"
        left = event.type == "m.room.member" and membership in ("leave", "ban")
        encrypted = event.type == "m.room.encryption"
        if not (invited or left or encrypted) or await self._is_managed(event.room_id):
            return None

        async def write(tx: Transaction) -> None:
            row = await find_chat(tx, event.room_id)
            if row is not None and left and event.state_key not in (row.user_id, self._bot):
                return  # others whom they had invited come and go
            if row is None and invited:
                reference = await self._note_invite(tx, event)
            elif row is not None:
                # Each invite is another occasion to say hello; the address of a chat of ours is named by its reference.
                reference = reference_of("chat", event.event_id) if invited and not row.own else row.reference
                changes: dict[str, Any] = {"state": "leaving"} if left else {"encrypted": True}
                if invited:
                    changes = {"state": "invited", "since": now()} if row.own else _invitation(event, reference)
                await tx.connection.execute(
                    update(direct_chat).where(direct_chat.c.reference == row.reference).values(changes)
                )
            else:
                return
            await self._work.ask(tx, chat_key(reference), priority=Priority.ASKED)

        return write

    async def _is_managed(self, room_id: RoomId) -> bool:
        """Tell whether the room is one of the city hall's: an invite into it lets the bot back in, and is no chat."""
        return await self._places.listens(room_id) and not await self._places.is_direct(room_id)

    async def _note_invite(self, tx: Transaction, event: InboundEvent) -> str:
        reference = reference_of("chat", event.event_id)
        values = {"room_id": event.room_id, **_invitation(event, reference)}
        await tx.connection.execute(insert(direct_chat).values(values))
        return reference


def _invitation(event: InboundEvent, reference: str) -> dict[str, Any]:
    """Return what an invite says of a chat; the one before may have said otherwise."""
    stripped = event.unsigned.get("invite_room_state")
    types = [e.get("type") for e in stripped if isinstance(e, dict)] if isinstance(stripped, list) else []
    return {
        "reference": reference,
        "user_id": event.sender,
        "direct": event.content.get("is_direct") is True,
        "encrypted": "m.room.encryption" in types,
        "state": "invited",
        "since": now(),
    }


class SealedWatch:
    """A listener for ``m.room.encrypted``: whoever writes on in a chat that was led out of may have nowhere to go."""

    def __init__(self, *, store: Store, work: Work) -> None:
        self._store = store
        self._work = work

    async def __call__(self, event: InboundEvent) -> Write | None:
        """Have the chat led on once more if its person has left the one that it led to."""
        led_on = (direct_chat.c.room_id == event.room_id, direct_chat.c.state == "led on")
        query = select(direct_chat.c.reference).where(*led_on, direct_chat.c.user_id == event.sender)
        async with self._store.reading() as connection:
            reference = await connection.scalar(query)
            if reference is None or await connection.scalar(own_chat_of(event.sender)) is not None:
                return None

        async def write(tx: Transaction) -> None:
            again = reference_of("chat", event.event_id)
            await tx.connection.execute(
                update(direct_chat)
                .where(direct_chat.c.reference == reference)
                .values(reference=again, state="invited", since=now())
            )
            await self._work.ask(tx, chat_key(again), priority=Priority.ASKED)

        return write


def own_chat_of(user_id: UserId) -> Select[tuple[str]]:
    """Return the query for the chat that the bot has opened, or is opening, with somebody."""
    return select(direct_chat.c.reference).where(
        direct_chat.c.user_id == user_id, direct_chat.c.own, direct_chat.c.state.in_(("wanted", "open"))
    )


def open_chat_of(user_id: UserId) -> Select[tuple[str]]:
    """Return the query for the room of a chat that somebody opened with the bot and in which it can be read."""
    usable = (direct_chat.c.state == "open", direct_chat.c.direct, ~direct_chat.c.encrypted, ~direct_chat.c.own)
    theirs = select(direct_chat.c.room_id).where(direct_chat.c.user_id == user_id, *usable)
    return theirs.order_by(direct_chat.c.since.desc()).limit(1)


async def chats_of(connection: AsyncConnection, users: Collection[str]) -> Mapping[UserId, RoomId]:
    """Return the rooms in which people can be written to now: chats that they opened, else those that the bot did."""
    usable = (direct_chat.c.state == "open", or_(direct_chat.c.direct, direct_chat.c.own), ~direct_chat.c.encrypted)
    query = select(direct_chat).where(*usable, direct_chat.c.room_id.is_not(None))
    wanted, found = set(users), dict[UserId, RoomId]()
    for row in await connection.execute(query.order_by(direct_chat.c.own.desc(), direct_chat.c.since)):
        if row.user_id in wanted:
            found[UserId(row.user_id)] = RoomId(row.room_id)  # the last of theirs
    return found


async def find_chat(tx: Transaction, room_id: str) -> Row[Any] | None:
    """Return the row of a direct chat."""
    return (await tx.connection.execute(select(direct_chat).where(direct_chat.c.room_id == room_id))).one_or_none()
