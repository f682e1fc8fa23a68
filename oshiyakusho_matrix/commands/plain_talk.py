"""Which events are nothing but talk among people: nine of ten. The inbox keeps that they came, and no more.

The same questions as the listeners ask (``dispatch``, ``confirmation``, ``reactions``, ``chats.listeners``), without
asking anybody: whatever one of them might look closer at is not plain. In a room that ever was a direct chat nothing
is, nor in those where ``attentive`` says that answers are waited for (事務局室, rooms where talks are announced).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.reactions import SIGNS
from oshiyakusho_matrix.commands.reading.message import Manner, addressed
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import fold

#: Returns the rooms in which nothing is plain.
Attentive = Callable[[AsyncConnection], Awaitable[Collection[str]]]


class PlainTalk:
    """The inbox's ``Sieve``."""

    def __init__(self, *, bot: UserId, bot_name: str, attentive: Sequence[Attentive] = ()) -> None:
        self._attentive = attentive
        self._bot, self._bot_name = bot, bot_name
        self._kinds: Mapping[str, Callable[[ClientEvent], bool]] = {
            "m.room.message": self._is_plain_message,
            "m.reaction": _is_plain_reaction,
            "m.room.encrypted": lambda _event: True,
        }

    async def __call__(self, connection: AsyncConnection, events: Sequence[ClientEvent]) -> Collection[str]:
        """Return the ids of the events that are plain."""
        plain = [event for event in events if event.type in self._kinds and self._is_plain(event)]
        rooms = {event.room_id for event in plain}
        chats = set(
            await connection.scalars(select(direct_chat.c.room_id).where(direct_chat.c.room_id.in_(sorted(rooms))))
        )
        for attentive in self._attentive:
            chats |= set(await attentive(connection))
        return {event.event_id for event in plain if event.room_id not in chats}

    def _is_plain(self, event: ClientEvent) -> bool:
        return event.state_key is None and event.sender != self._bot and self._kinds[event.type](event)

    def _is_plain_message(self, event: ClientEvent) -> bool:
        relation = event.content.get("m.relates_to")
        if "m.new_content" in event.content or (isinstance(relation, dict) and relation.get("rel_type") == "m.replace"):
            return False  # what it edits may still wait to be handled
        said = addressed(
            event.type, event.state_key, event.sender, event.content, bot=self._bot, bot_name=self._bot_name
        )
        return said is None or said.manner is Manner.PLAIN


def _is_plain_reaction(event: ClientEvent) -> bool:
    relation = event.content.get("m.relates_to")
    key = relation.get("key") if isinstance(relation, dict) else None
    return not isinstance(key, str) or fold(key[:8]) not in SIGNS
