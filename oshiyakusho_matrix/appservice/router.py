"""Which listeners hear which events: an explicit table that ``app`` writes, nothing registers itself.

The inbox calls it as one listener. All listeners of an event look first; then all they want written is
written in the one transaction that marks the event as done, or none of it is.
"""

from collections.abc import Mapping, Sequence

from oshiyakusho_matrix.appservice.interface import InboundEvent, Listener, Write
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Router:
    """Listeners by event type (``m.room.message``), and those that hear every state event, in their order."""

    def __init__(self, listeners: Mapping[str, Sequence[Listener]], *, every_state: Sequence[Listener] = ()) -> None:
        self._listeners = {event_type: tuple(heard) for event_type, heard in listeners.items()}
        self._every_state = tuple(every_state)

    async def __call__(self, event: InboundEvent) -> Write | None:
        """Have every listener look; return all their writes as one, or None if nobody wants to write."""
        heard = self._listeners.get(event.type, ())
        if event.state_key is not None:
            heard = (*heard, *self._every_state)
        writes = [write for listener in heard if (write := await listener(event)) is not None]
        if not writes:
            return None

        async def write_all(tx: Transaction) -> None:
            for write in writes:
                await write(tx)

        return write_all
