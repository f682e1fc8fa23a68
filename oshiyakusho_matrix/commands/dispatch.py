"""Listener: hears a message, finds the command in it, and has it run, previewed, or refused in words.

Looking (who asks, whether this room is listened to) happens outside of the transaction; everything else inside it. What
strangers may not use does not exist for them: they get the same answer to a hidden command as to an invented one.
"""

from functools import partial
from typing import Any

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands import audit
from oshiyakusho_matrix.commands.audit import Outcome
from oshiyakusho_matrix.commands.confirmation import Confirmations
from oshiyakusho_matrix.commands.help import about_group, ask_for_help, unknown
from oshiyakusho_matrix.commands.interface import Asker, AskerLookup, Call, Command, Places, Role
from oshiyakusho_matrix.commands.message import Heard, Manner, hear
from oshiyakusho_matrix.commands.parsing import Parsed, parse
from oshiyakusho_matrix.commands.registry import Found, Group, Registry
from oshiyakusho_matrix.commands.runner import Clock, Runner, check_role
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Dispatch:
    """The way from a message to a command. Any error but ``Refused`` is the inbox's to retry or park."""

    def __init__(
        self,
        *,
        registry: Registry,
        bot: UserId,
        bot_name: str,
        lookup: AskerLookup,
        places: Places,
        outbox: Outbox,
        runner: Runner,
        confirmations: Confirmations,
        clock: Clock = now,
    ) -> None:
        self._registry = registry
        self._for_strangers = registry.visible_to(Role.ANYONE)
        self._bot, self._bot_name = bot, bot_name
        self._lookup, self._places = lookup, places
        self._outbox, self._runner, self._confirmations = outbox, runner, confirmations
        self._clock = clock

    async def __call__(self, event: InboundEvent) -> Write | None:
        heard = hear(event, bot=self._bot, bot_name=self._bot_name)
        if heard is None:
            return None
        direct = await self._places.is_direct(event.room_id)
        if not direct and (heard.manner is Manner.PLAIN or not await self._places.listens(event.room_id)):
            return None
        asker = await self._lookup.look_up(event.sender)
        return partial(self._answer, event=event, heard=heard, asker=asker, direct=direct)

    async def _answer(self, tx: Transaction, *, event: InboundEvent, heard: Heard, asker: Asker, direct: bool) -> None:
        to = ReplyTo(event.room_id, event.event_id, asker.language, heard.thread_root, asker.user_id)
        seen = self._for_strangers if asker.role is Role.ANYONE else self._registry
        found = seen.find(heard.words)
        if isinstance(found, Found):
            await self._invoke(tx, found, heard, asker, to, event.reference)
            return
        if found is None and isinstance(hidden := self._registry.find(heard.words), Found):
            await self._note_refusal(tx, hidden, heard, asker, event.reference)
        text = _not_a_command(seen, found, heard, asker, direct)
        if text is not None:
            await self._outbox.reply(tx, to, text)

    async def _invoke(
        self, tx: Transaction, found: Found, heard: Heard, asker: Asker, to: ReplyTo, reference: str
    ) -> None:
        command = found.command
        try:
            check_role(command, asker)
        except Refused as refused:
            await self._note_refusal(tx, found, heard, asker, reference)
            await self._outbox.reply(tx, to, refused.text)
            return
        try:
            parsed = _parse(found, heard, asker)
        except Refused as refused:
            await self._outbox.reply(tx, to, refused.text)
            return
        call = Call(tx=tx, asker=asker, arguments=parsed.arguments, reply_to=to, reference=reference)
        await self._run_or_ask(command, call, parsed)

    async def _run_or_ask(self, command: Command[Any], call: Call[Any], parsed: Parsed) -> None:
        if command.preview is not None and not parsed.yes:
            await self._confirmations.ask(command, call)
        else:
            await self._runner.run(command, call)

    async def _note_refusal(self, tx: Transaction, found: Found, heard: Heard, asker: Asker, reference: str) -> None:
        """Enter into the audit what somebody tried without the right to."""
        try:
            arguments = _parse(found, heard, asker).arguments
        except Refused:
            arguments = None  # they will not be told what was wrong with it; the audit keeps who tried which command
        await audit.note(
            tx,
            found.command,
            arguments,
            at=self._clock(),
            actor=asker.user_id,
            outcome=Outcome.REFUSED,
            reference=reference,
        )


def _parse(found: Found, heard: Heard, asker: Asker) -> Parsed:
    words = heard.words[found.used :]
    return parse(found.command, words, heard.text, language=asker.language, mentioned=heard.mentioned)


def _not_a_command(seen: Registry, found: Group | None, heard: Heard, asker: Asker, direct: bool) -> Text | None:
    """Return what to say to words that name no command; None where they may well be meant for other people."""
    surely = heard.manner is Manner.COMMAND
    if found is not None and not found.verb:
        return about_group([c for c in found.commands if c.role <= asker.role], asker.language)
    if surely:
        return unknown(seen, heard.words, asker.language)
    if direct or heard.manner is Manner.MENTIONED:
        return say(
            "I did not understand that. Write `{help}`, and I tell you what I can do.",
            help=ask_for_help(asker.language),
        )
    return None
