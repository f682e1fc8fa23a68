"""✅ before anything is destroyed: the preview, and what becomes of it.

``dispatch`` has a command ask here instead of running it. The preview is a reply that carries its reference; the bot's
own echo of it comes in through the inbox, before any reaction to it can, and says under which event id it stands.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands.audit import PATIENCE, Outcome
from oshiyakusho_matrix.commands.interface import Call, Command
from oshiyakusho_matrix.commands.reading.arguments import YES
from oshiyakusho_matrix.commands.runner import Clock, Runner
from oshiyakusho_matrix.commands.runs import note_run
from oshiyakusho_matrix.commands.tables import confirmation
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: The key in the content of a preview; its value is the reference.
CONTENT_KEY: Final = "jp.oshiyakusho.confirmation"


class State(StrEnum):
    """Where a confirmation stands."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    DECLINED = "declined"


class Sign(StrEnum):
    """What can happen to one."""

    YES = "yes"
    NO = "no"
    TOO_LATE = "too late"


#: All there is; what is not listed changes nothing (a second ✅, ❌ after ✅).
LIFECYCLE: Final[Mapping[tuple[State, Sign], State]] = {
    (State.WAITING, Sign.YES): State.CONFIRMED,
    (State.WAITING, Sign.NO): State.DECLINED,
    (State.WAITING, Sign.TOO_LATE): State.EXPIRED,
}


class Confirmations:
    """Shows previews and keeps what they wait for."""

    def __init__(self, *, outbox: Outbox, runner: Runner, clock: Clock = now) -> None:
        self._outbox = outbox
        self._runner = runner
        self._clock = clock

    async def ask(self, command: Command[Any], call: Call[Any]) -> None:
        """Answer with the preview, and wait for ✅ from the same person."""
        if command.preview is None:
            await self._runner.run(command, call)
            return
        preview = await self._runner.attempt(command, call, command.preview, keep=False)
        if preview is None:
            return
        await call.tx.connection.execute(
            insert(confirmation).values(
                id=call.reference,
                asker=call.asker.user_id,
                command=command.names[0],
                arguments=call.arguments.model_dump(mode="json"),
                room_id=call.reply_to.room_id,
                reply_to=asdict(call.reply_to),
                expires_at=self._clock() + PATIENCE,
                state=State.WAITING.value,
            )
        )
        await note_run(call.tx, call.reply_to.event_id, self._clock())
        await self._runner.note(command, call, Outcome.ASKED)
        ask = say(
            "Nothing has been done yet. To go ahead, react to this message with ✅ within {minutes} minutes; to leave "
            "it, with ❌. With `{option}` I do not ask.",
            minutes=int(PATIENCE.total_seconds()) // 60,
            option=f"--{YES.label(call.asker.language)}",
        )
        text = replace(preview, parts=(*preview.parts, ask))
        await self._outbox.reply(call.tx, call.reply_to, text, extra={CONTENT_KEY: call.reference})


class PreviewEcho:
    """Listener: learns the event id of a preview from the bot's own message as it comes back."""

    def __init__(self, *, bot: UserId) -> None:
        self._bot = bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        reference = event.content.get(CONTENT_KEY)
        if event.sender != self._bot or event.type != "m.room.message" or not isinstance(reference, str):
            return None
        return partial(self._record, reference=reference, event=event)

    async def _record(self, tx: Transaction, *, reference: str, event: InboundEvent) -> None:
        await tx.connection.execute(
            update(confirmation)
            .where(
                confirmation.c.id == reference,
                confirmation.c.room_id == event.room_id,
                confirmation.c.preview_event_id.is_(None),
            )
            .values(preview_event_id=event.event_id)
        )


async def find_waiting(
    connection: AsyncConnection, *, preview_event_id: str, room_id: str, asker: str
) -> Row[Any] | None:
    """Return the confirmation that waits for this person under this event, if there is one."""
    query = select(confirmation).where(
        confirmation.c.preview_event_id == preview_event_id,
        confirmation.c.room_id == room_id,
        confirmation.c.asker == asker,
        confirmation.c.state == State.WAITING.value,
    )
    return (await connection.execute(query)).one_or_none()


async def move(tx: Transaction, reference: str, state: State, sign: Sign) -> State | None:
    """Take a confirmation on to its next state and forget its arguments; None if another one was faster."""
    following = LIFECYCLE.get((state, sign))
    if following is None:
        return None
    moved = await tx.connection.execute(
        update(confirmation)
        .where(confirmation.c.id == reference, confirmation.c.state == state.value)
        .values(state=following.value, arguments={})
    )
    return following if moved.rowcount == 1 else None


async def expire(tx: Transaction, before: datetime, *, clock: Clock = now) -> int:
    """Forget those that ended ``before``; end all that have waited in vain, arguments and all, and return how many.

    For a daily sweep.
    """
    over = (confirmation.c.state != State.WAITING.value, confirmation.c.expires_at < before)
    await tx.connection.execute(delete(confirmation).where(*over))
    ended = await tx.connection.execute(
        update(confirmation)
        .where(confirmation.c.state == State.WAITING.value, confirmation.c.expires_at < clock())
        .values(state=LIFECYCLE[State.WAITING, Sign.TOO_LATE].value, arguments={})
    )
    return ended.rowcount
