"""What happens in rooms: our announcement comes back under its event id, and somebody puts a hand under it."""

from functools import partial

from sqlalchemy import select

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.broadcasts.hands import put_up, take_down
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.broadcasts.tables import talk_post
from oshiyakusho_matrix.broadcasts.words import CONTENT_KEY, HAND
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import fold
from oshiyakusho_matrix.store.unit_of_work import Store


class AnnouncementEcho:
    """Listener for ``m.room.message``: learns the event id of an announcement from our own message coming back."""

    def __init__(self, *, programme: Programme, bot: UserId) -> None:
        self._programme, self._bot = programme, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        number = event.content.get(CONTENT_KEY)
        if event.sender != self._bot or event.state_key is not None or not isinstance(number, int):
            return None
        return partial(self._programme.came_back, number=number, room_id=event.room_id, event_id=event.event_id)


class Hands:
    """Listener for ``m.reaction``: a hand under an announcement, from whoever wants to come."""

    def __init__(self, *, store: Store, bot: UserId) -> None:
        self._store, self._bot = store, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        relation = event.content.get("m.relates_to")
        if event.sender == self._bot or not isinstance(relation, dict) or relation.get("rel_type") != "m.annotation":
            return None
        key, target = relation.get("key"), relation.get("event_id")
        # Skin tones follow the hand.
        if not isinstance(key, str) or not isinstance(target, str) or not fold(key[:8]).startswith(HAND):
            return None
        async with self._store.reading() as connection:
            number = await connection.scalar(
                select(talk_post.c.number).where(talk_post.c.event_id == target, talk_post.c.room_id == event.room_id)
            )
        if number is None:
            return None
        return partial(put_up, number=number, user_id=event.sender, reaction=event.event_id)


async def hands_taken_down(event: InboundEvent) -> Write | None:
    """Listen for ``m.room.redaction``: somebody takes their hand back. The content says so from room version 11 on."""
    target = event.content.get("redacts")
    return partial(take_down, user_id=event.sender, reaction=target) if isinstance(target, str) else None
