"""Tells people of talks: the rooms for news, the seats, and in their chats those who put their hand up.

Used by ``service``, in the commit of what is told; each thing under an id that follows from its cause, so once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from oshiyakusho_matrix.broadcasts import words
from oshiyakusho_matrix.broadcasts.backstage.tables import open_backstage
from oshiyakusho_matrix.broadcasts.domain import ON, Step, Talk
from oshiyakusho_matrix.broadcasts.tables import coming_to
from oshiyakusho_matrix.commands.chats.listeners import chats_of
from oshiyakusho_matrix.commands.language import preferred_language
from oshiyakusho_matrix.core.ids import RoomId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.roster.stages import House
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Telling:
    """Writes to the outbox, and nothing else."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def of_step(
        self, tx: Transaction, one: Talk, step: Step, house: House, *, late: timedelta, opened: bool
    ) -> None:
        """Announce a talk, or say in the seats how it goes on."""
        with tx.caused_by("talk", str(one.number), step.value, str(one.version)):
            if step is Step.ANNOUNCE:
                text, extra = words.announcement(one, house), {words.CONTENT_KEY: one.number}
                for room_id in words.newsrooms(one, house):
                    await self._outbox.post(tx, room_id, text, extra=extra)
            if (course := words.course(one, step, late=late, opened=opened or step is Step.OPEN)) is not None:
                for room_id in _seats(one, house):
                    await self._outbox.post(tx, room_id, course)

    async def of_change(self, tx: Transaction, before: Talk, one: Talk, house: House) -> None:
        """Tell everybody who was told before what is otherwise now."""
        await self._everybody(tx, one, house, words.changed(before, one, house), cause=f"change {one.version}")

    async def of_end(self, tx: Transaction, before: Talk, house: House, reason: str) -> None:
        """Tell everybody who was told before that it will not be."""
        await self._everybody(tx, before, house, words.cancelled(before, reason), cause="cancelled")

    async def remind(self, tx: Transaction, one: Talk, house: House, at: datetime) -> None:
        """Remind those who put their hand up."""
        with tx.caused_by("talk", str(one.number), "reminder", at.isoformat()):
            await self._each(tx, one, words.reminder(one, house))

    async def hand(self, tx: Transaction, room_id: RoomId, event_id: str) -> None:
        """Put a hand under an announcement, so that one tap is enough."""
        await self._outbox.react(tx, room_id, event_id, words.HAND)

    async def _everybody(self, tx: Transaction, one: Talk, house: House, text: Text, *, cause: str) -> None:
        with tx.caused_by("talk", str(one.number), cause):
            seats = _seats(one, house) if one.state in ON else ()
            backstage = await open_backstage(tx.connection, one.number)
            for room_id in (*words.newsrooms(one, house), *seats, *((backstage,) if backstage else ())):
                await self._outbox.post(tx, room_id, text)
            await self._each(tx, one, text)

    async def _each(self, tx: Transaction, one: Talk, text: Text) -> None:
        members = await current_among(tx.connection, await coming_to(tx.connection, one.number))
        for user_id, room_id in (await chats_of(tx.connection, list(members))).items():
            language = await preferred_language(tx.connection, user_id)
            await self._outbox.post(tx, room_id, text, language=language, calls=user_id)


def _seats(one: Talk, house: House) -> Iterable[RoomId]:
    stage = house.stages.get(one.stage)
    return () if stage is None or stage.seats_id is None else (stage.seats_id,)
