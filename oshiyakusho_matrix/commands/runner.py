"""Runs a command that may run: in a savepoint, so that a refusal leaves nothing half done; audits; answers.

``dispatch`` calls it for commands that need no ✅ (any more), ``confirmation`` for those that got it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import structlog

from oshiyakusho_matrix.commands import audit
from oshiyakusho_matrix.commands.audit import Outcome
from oshiyakusho_matrix.commands.interface import Answer, Asker, Call, Command, Role
from oshiyakusho_matrix.commands.runs import note_run
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.reconcile.interface import FollowUps
from oshiyakusho_matrix.reconcile.reports import numbered
from oshiyakusho_matrix.store.unit_of_work import Transaction

logger = structlog.get_logger(__name__)

Clock = Callable[[], datetime]
T = TypeVar("T")


class Runner:
    """Whoever calls has parsed the arguments; the role is checked here, whichever way the command came."""

    def __init__(self, *, outbox: Outbox, follow_ups: FollowUps, clock: Clock = now) -> None:
        self._outbox = outbox
        self._follow_ups = follow_ups
        self._clock = clock

    async def run(self, command: Command[Any], call: Call[Any], *, outcome: Outcome = Outcome.DONE) -> None:
        """Run the command and say what came of it: at once, or when the keys it names have settled."""
        answer = await self.attempt(command, call, command.run)
        if answer is None:
            return
        logger.info("a command was run", command=command.names[0], reference=call.reference, keys=len(answer.after))
        await note_run(call.tx, call.reply_to.event_id, self._clock())
        await self.note(command, call, outcome, target=answer.target)
        to = replace(call.reply_to, language=answer.language) if answer.language else call.reply_to
        await self.answer(call.tx, to, answer)

    async def answer(self, tx: Transaction, to: ReplyTo, answer: Answer) -> None:
        """Say what an answer says, at once or when its keys have settled."""
        if answer.text is None:
            return
        if answer.after:
            await self._follow_ups.promise(tx, to=to, keys=answer.after, done=answer.text)
        else:
            await self._outbox.reply(tx, to, answer.text)

    async def attempt(
        self, command: Command[Any], call: Call[Any], step: Callable[[Call[Any]], Awaitable[T]], *, keep: bool = True
    ) -> T | None:
        """Take a step of the command, if the asker may; None if it was refused, which then is audited and said.

        Without ``keep`` whatever the step wrote is taken back: a preview changes nothing, even by mistake.
        """
        try:
            check_role(command, call.asker)
            async with call.tx.connection.begin_nested() as savepoint:
                result = await step(call)
                if not keep:
                    await savepoint.rollback()
                return result
        except Refused as refused:
            await self.refuse(command, call, refused)
            return None

    async def refuse(self, command: Command[Any], call: Call[Any], refused: Refused) -> None:
        """Say why this is not done, and enter that into the audit."""
        logger.info("a command was refused", command=command.names[0], reference=call.reference)
        await self.note(command, call, Outcome.REFUSED)
        await self._outbox.reply(call.tx, call.reply_to, refusal(refused, call.reference))

    async def note(self, command: Command[Any], call: Call[Any], outcome: Outcome, *, target: str = "") -> None:
        """Enter this run into the audit, if the command is one that is audited."""
        await audit.note(
            call.tx,
            command,
            call.arguments,
            at=self._clock(),
            actor=call.asker.user_id,
            outcome=outcome,
            reference=call.reference,
            target=target,
        )


def check_role(command: Command[Any], asker: Asker) -> None:
    """Raise ``Refused`` if somebody must not use a command."""
    if asker.role >= command.role:
        return
    raise Refused(ONLY_FOR[command.role], turn_to_others=command.role is Role.SECRETARIAT)


def refusal(refused: Refused, reference: str) -> Text:
    """Say why something is not done; with the reference number where others have to help."""
    if not refused.turn_to_others:
        return refused.text
    return replace(refused.text, parts=(*refused.text.parts, *numbered(reference)))


ONLY_FOR: dict[Role, Text] = {
    Role.MEMBER: say("Only members of the city hall can do that."),
    Role.SECRETARIAT: say("Only the secretariat (事務局) can do that. Please ask one of them."),
}
