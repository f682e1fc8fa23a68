"""An event that came in, and what a listener is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: What a listener wants written; runs in the transaction that marks the event as done.
Write = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class InboundEvent:
    """One event as the homeserver delivered it, stored before it was acknowledged.

    ``reference`` follows it from the transaction to the effect, and is shown to people in errors.
    """

    reference: str
    event_id: EventId
    room_id: RoomId
    sender: UserId
    type: str
    content: Mapping[str, Any]
    state_key: str | None = None
    unsigned: Mapping[str, Any] = field(default_factory=dict)
    #: How long ago it was sent, as far as that can be known.
    age: timedelta = timedelta()
    #: The message that this one edits, if that was handled before: by the same author in the same room, and not
    #: withdrawn. ``age`` then is that message's.
    edits: EventId | None = None


class Listener(Protocol):
    """Looks at an event (reads only, may talk to the homeserver), and returns what to write, or None."""

    async def __call__(self, event: InboundEvent) -> Write | None: ...
