"""How anybody says something in a room: by writing to the outbox, never by sending."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an answer goes: as a reply to ``event_id`` (in its thread, if it was in one), in the asker's language."""

    room_id: str
    event_id: str
    language: str
    thread_root: str | None = None
    asker: str | None = None


class Outbox(Protocol):
    """Messages to be; each goes out once, in the order of its room."""

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        """Answer a message. ``extra`` is merged into the event's content (namespaced keys only)."""

    async def post(self, tx: Transaction, room_id: str, text: Text, *, language: str = "ja") -> None:
        """Say something in a room by itself, as a notice."""

    async def tell_secretariat(self, tx: Transaction, text: Text) -> None:
        """Say something in 事務局室; kept until that room exists."""
