"""Listener: ✅ or ❌ from whoever was asked. Everything is looked at anew, because a reaction may come much later."""

from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog
from pydantic import ValidationError
from sqlalchemy import Row

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands.audit import Outcome
from oshiyakusho_matrix.commands.confirmation import Sign, State, find_waiting, move
from oshiyakusho_matrix.commands.interface import Asker, AskerLookup, Call, Command
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.commands.runner import Clock, Runner
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

#: Without variation selectors, which ``fold`` takes off: clients send ✅ and ✅️. A 👍 is no consent.
SIGNS: Final = {"✅": Sign.YES, "☑": Sign.YES, "❌": Sign.NO}


class Reactions:
    """Runs what was confirmed, once."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        lookup: AskerLookup,
        outbox: Outbox,
        runner: Runner,
        clock: Clock = now,
    ) -> None:
        self._store = store
        self._registry = registry
        self._lookup = lookup
        self._outbox = outbox
        self._runner = runner
        self._clock = clock

    async def __call__(self, event: InboundEvent) -> Write | None:
        relation = event.content.get("m.relates_to")
        if event.type != "m.reaction" or event.state_key is not None or not isinstance(relation, dict):
            return None
        key, target = relation.get("key"), relation.get("event_id")
        if relation.get("rel_type") != "m.annotation" or not isinstance(key, str) or not isinstance(target, str):
            return None
        sign = SIGNS.get(fold(key[:8]))
        if sign is None:
            return None
        async with self._store.reading() as connection:
            waiting = await find_waiting(connection, preview_event_id=target, room_id=event.room_id, asker=event.sender)
        if waiting is None:
            return None
        asker = await self._lookup.look_up(event.sender)
        return partial(self._settle, waiting=waiting, sign=sign, asker=asker)

    async def _settle(self, tx: Transaction, *, waiting: Row[Any], sign: Sign, asker: Asker) -> None:
        logger.info("a preview was answered", confirmation=waiting.id, sign=sign.value)
        with following(waiting.id):  # what comes of it belongs to the command
            await self._carry_out(tx, waiting=waiting, sign=sign, asker=asker)

    async def _carry_out(self, tx: Transaction, *, waiting: Row[Any], sign: Sign, asker: Asker) -> None:
        if self._clock() >= waiting.expires_at:
            sign = Sign.TOO_LATE
        state = await move(tx, waiting.id, State(waiting.state), sign)
        to = replace(ReplyTo(**waiting.reply_to), language=asker.language)
        if state is State.EXPIRED:
            await self._outbox.reply(tx, to, say("That took too long; nothing was done. Please ask me again."))
        elif state is State.DECLINED:
            if (found := self._command(tx, waiting, asker, to)) is not None:
                await self._runner.note(*found, Outcome.DECLINED)
            await self._outbox.reply(tx, to, say("I leave it as it is; nothing was done."))
        elif state is State.CONFIRMED:
            if (found := self._command(tx, waiting, asker, to)) is not None:
                await self._runner.run(*found, outcome=Outcome.CONFIRMED)
            else:
                await self._outbox.reply(tx, to, _CHANGED)

    def _command(
        self, tx: Transaction, waiting: Row[Any], asker: Asker, to: ReplyTo
    ) -> tuple[Command[Any], Call[Any]] | None:
        """Return what was asked for; None if there is no such command any more, or not with these arguments."""
        command = self._registry.named(waiting.command)
        if command is None:
            return None
        try:
            arguments = command.arguments.model_validate(waiting.arguments)
        except ValidationError:
            return None
        return command, Call(tx=tx, asker=asker, arguments=arguments, reply_to=to, reference=waiting.id)


#: Between the preview and ✅ lies an upgrade of this software.
_CHANGED: Final[Text] = say("This command has changed since you asked; nothing was done. Please ask me again.")
