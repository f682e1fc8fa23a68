"""Direct chats with the bot: accepts them, and leads out of encrypted ones, which the bot cannot read.

Many clients encrypt a direct chat by default, even with a bot that has no device keys. Such a chat gets one plain
notice with a link to an unencrypted one, which the bot opens. Invites into other people's rooms are declined.
``listeners`` says when to look. Whoever has something to say to somebody asks for a chat (``open_with``).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, select, update

from oshiyakusho_matrix.commands.chats.listeners import open_chat_of, own_chat_of
from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.language import preferred_language
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId, reference_of
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.reconcile.private_rooms import private_room
from oshiyakusho_matrix.reconcile.rooms import RoomKeeper, Rooms
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store

#: How long after an invite a refusal to join may pass by itself.
_SETTLING = timedelta(seconds=30)


class ChatController:
    """Serves ``chat:REFERENCE``. ``alias_prefix`` returns the reserved prefix under which it makes rooms."""

    kind = "chat"

    def __init__(
        self,
        *,
        store: Store,
        rooms: Rooms,
        keeper: RoomKeeper,
        outbox: Outbox,
        server_name: str,
        alias_prefix: Callable[[], Awaitable[str]],
        name: str,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._keeper = keeper
        self._outbox = outbox
        self._server_name = server_name
        self._alias_prefix = alias_prefix
        self._name = name

    async def reconcile(self, name: str) -> Settled:
        """Join, decline, leave, or open an unencrypted chat beside an encrypted one."""
        async with self._store.reading() as connection:
            row = (await connection.execute(select(direct_chat).where(direct_chat.c.reference == name))).one_or_none()
        if row is None or row.state in ("left", "led on"):
            return Settled()
        if row.state == "leaving" or (row.state == "invited" and not row.direct):
            await self._leave(row)
        elif row.encrypted:
            await self._lead_on(row)
        elif row.state == "invited":
            await self._enter(row)
        return Settled()

    async def open_with(self, user_id: UserId) -> RoomId:
        """Return a chat with somebody that can be written to: one that they opened, else our own with them invited.

        Called again it is the same one, as long as they do not leave it.
        """
        async with self._store.reading() as connection:
            theirs: str | None = await connection.scalar(open_chat_of(user_id))
        if theirs is not None:
            return RoomId(theirs)
        _, room_id = await self._open_own(user_id)
        return room_id

    async def _leave(self, row: Row[Any]) -> None:
        # Forbidden: it is not there any more, which is what was wanted.
        with suppress(Forbidden):
            await self._rooms.leave(RoomId(row.room_id))
        await self._move(row, "left")

    async def _join(self, row: Row[Any]) -> bool:
        """Join; False if the invite does not stand (any more). Over federation a fresh one may be refused at first."""
        try:
            await self._rooms.join(RoomId(row.room_id))
        except Forbidden:
            if now() - row.since < _SETTLING:
                raise Temporary("joining a direct chat was refused; the invite may not have arrived yet") from None
            await self._move(row, "left")
            return False
        return True

    async def _enter(self, row: Row[Any]) -> None:
        if not await self._join(row):
            return
        await self._move(row, "open", say("Hello. Write `help` to see what I can do."))

    async def _lead_on(self, row: Row[Any]) -> None:
        if not await self._join(row):
            return
        alias, _ = await self._open_own(UserId(row.user_id))
        text = say(
            "This chat is encrypted, and I cannot read it. I have opened another one for us and invited you: "
            "[{alias}](https://matrix.to/#/{alias})",
            alias=alias,
        )
        await self._move(row, "led on", text)

    async def _move(self, row: Row[Any], state: str, text: Text | None = None) -> None:
        """Note what was done, and say so; unless an event changed the row meanwhile: that one asked for us again."""
        unchanged = (direct_chat.c.state == row.state, direct_chat.c.encrypted == row.encrypted)
        async with self._store.transaction() as tx:
            moved = await tx.connection.execute(
                update(direct_chat).where(direct_chat.c.reference == row.reference, *unchanged).values(state=state)
            )
            if moved.rowcount and text is not None:
                language = await preferred_language(tx.connection, row.user_id)
                with tx.caused_by("chat", row.reference, state):
                    await self._outbox.post(tx, row.room_id, text, language=language)

    async def _open_own(self, user_id: UserId) -> tuple[RoomAlias, RoomId]:
        """Return the unencrypted chat that the bot keeps with somebody, made and with them invited."""
        reference = await self._own_chat(user_id)
        localpart = f"{await self._alias_prefix()}-chat-{reference.lower()}"
        desired = private_room(localpart, server_name=self._server_name, locator=f"chat:{localpart}", name=self._name)
        room_id = await self._keeper.ensure(desired, None)
        # Noted first: whoever is invited may speak at once.
        await self._note_made(reference, room_id)
        await self._rooms.invite(room_id, user_id, direct=True)
        return desired.alias, room_id

    async def _own_chat(self, user_id: UserId) -> str:
        """Return the reference of the chat to lead to. The n-th with somebody always has the same: it is made once."""
        async with self._store.transaction() as tx:
            found: str | None = await tx.connection.scalar(own_chat_of(user_id))
            if found is not None:
                return found
            before = select(func.count()).where(direct_chat.c.user_id == user_id, direct_chat.c.own)
            reference = reference_of("own chat", user_id, str(await tx.connection.scalar(before)))
            wanted = upsert(tx.connection, direct_chat).values(
                reference=reference,
                user_id=user_id,
                direct=True,
                encrypted=False,
                own=True,
                state="wanted",
                since=now(),
            )
            # Another key may be opening it at the same time.
            await tx.connection.execute(wanted.on_conflict_do_nothing(index_elements=["reference"]))
            return reference

    async def _note_made(self, reference: str, room_id: RoomId) -> None:
        """Note that a chat is there; whoever was in it before may have left it meanwhile, and that stays."""
        wanted = (direct_chat.c.reference == reference, direct_chat.c.state == "wanted")
        async with self._store.transaction() as tx:
            await tx.connection.execute(update(direct_chat).where(*wanted).values(state="open", room_id=room_id))
