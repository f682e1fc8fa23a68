"""Listener: hears a message, finds the command in it, and has it run, previewed, or refused in words.

Looking (who asks, whether this room is listened to, what a command must ask the homeserver) happens outside of the
transaction; everything else inside it. What strangers may not use does not exist for them: they get the same answer to
a hidden command as to an invented one, which says how to become a member.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands import audit
from oshiyakusho_matrix.commands.audit import Outcome
from oshiyakusho_matrix.commands.confirmation import Confirmations
from oshiyakusho_matrix.commands.help import about_group, ask_for_help, did_you_mean, unknown
from oshiyakusho_matrix.commands.interface import Answer, Asker, AskerLookup, Call, Places, Role
from oshiyakusho_matrix.commands.reading.message import Heard, Manner, hear
from oshiyakusho_matrix.commands.reading.parsing import Parsed, parse
from oshiyakusho_matrix.commands.registry import Found, Group, Registry
from oshiyakusho_matrix.commands.runner import ONLY_FOR, Clock, Runner, check_role, refusal
from oshiyakusho_matrix.commands.runs import has_run, is_first_edit, note_run
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: How long ago a command may have been said to be done now.
MAX_AGE = timedelta(hours=1)

#: What else may be said to the bot in a direct chat; returns what to answer, None if it means nothing to it either.
Overhear = Callable[[Transaction, Asker, str], Awaitable[Answer | Text | None]]


def first_of(*overhear: Overhear) -> Overhear:
    """Ask one after another, until one of them has something to answer."""

    async def ask(tx: Transaction, asker: Asker, words: str) -> Answer | Text | None:
        for each in overhear:
            if (answer := await each(tx, asker, words)) is not None:
                return answer
        return None

    return ask


class Dispatch:
    """The way from a message to a command. Any error but ``Refused`` is the inbox's to retry or park.

    ``porch_address`` returns where people knock, for whoever is no member yet; ``register_at`` the page of the
    registration desk in a language, if the desk is open: then that is the way in. What was asked longer than
    ``max_age`` ago is answered, and not done: nobody expects it any more. A message that ran nothing may be edited
    until it does.
    ``overhear`` is asked about what is no command in a direct chat, before it is said not to be understood.
    """

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
        porch_address: Callable[[], Awaitable[str]],
        register_at: Callable[[str], str] | None = None,
        max_age: timedelta = MAX_AGE,
        overhear: Overhear | None = None,
        clock: Clock = now,
    ) -> None:
        self._registry = registry
        self._overhear = overhear
        self._max_age = max_age
        self._visible_to = {role: registry.visible_to(role) for role in Role}
        self._bot, self._bot_name = bot, bot_name
        self._lookup, self._places = lookup, places
        self._outbox, self._runner, self._confirmations = outbox, runner, confirmations
        self._porch_address, self._register_at = porch_address, register_at
        self._clock = clock

    async def __call__(self, event: InboundEvent) -> Write | None:
        heard = hear(event, bot=self._bot, bot_name=self._bot_name)
        if heard is None or (event.edits is not None and event.age > self._max_age):
            return None
        direct = await self._places.is_direct(event.room_id)
        if not direct and (heard.manner is Manner.PLAIN or not await self._places.listens(event.room_id)):
            return None
        asker = await self._lookup.look_up(event.sender)
        message = _Message(
            heard=heard,
            asker=asker,
            to=ReplyTo(event.room_id, event.edits or event.event_id, asker.language, heard.thread_root, asker.user_id),
            edited=event.edits is not None,
            direct=direct,
            reference=event.reference,
            meant=direct or heard.manner in (Manner.COMMAND, Manner.MENTIONED),
            obstacle=await self._obstacle(heard, asker, event),
            way_in=await self._way_in(asker) if asker.role is Role.ANYONE else None,
        )
        return partial(self._answer, message=message)

    async def _way_in(self, asker: Asker) -> Text:
        """Return what whoever is no member is told about becoming one."""
        if self._register_at is not None:
            page = self._register_at(asker.language)
            return say("To become a member, apply on the registration page: [{page}]({page})", page=page)
        porch = await self._porch_address()
        return say(
            "To become a member, knock at the city hall's entrance: [{porch}](https://matrix.to/#/{porch})", porch=porch
        )

    async def _obstacle(self, heard: Heard, asker: Asker, event: InboundEvent) -> Refused | None:
        """Return what stands against a command that the asker may use, as far as one has to look for it."""
        found = self._registry.find(heard.words)
        if not isinstance(found, Found) or asker.role < found.command.role:
            return None
        if event.age > self._max_age:
            return Refused(_too_old(event.age))
        if found.command.confidential and not await self._places.is_confidential(event.room_id, asker.user_id):
            return Refused(_OTHERS_READ_ALONG)
        if found.command.look is None:
            return None
        try:
            arguments = _parse(found, heard, asker).arguments
        except Refused:
            return None  # said when it is read again to be run
        try:
            await found.command.look(arguments)
        except Refused as refused:
            return refused
        return None

    async def _answer(self, tx: Transaction, *, message: "_Message") -> None:
        heard, asker = message.heard, message.asker
        if message.edited and await has_run(tx, message.to.event_id):
            if message.meant and await is_first_edit(tx, message.to.event_id):
                await self._outbox.reply(tx, message.to, _RAN_BEFORE)
            return
        visible = self._visible_to[asker.role]
        found = (visible if asker.role is Role.ANYONE else self._registry).find(heard.words)
        if isinstance(found, Found):
            await self._invoke(tx, found, message)
            return
        if found is None and message.direct and await self._was_overheard(tx, message):
            return
        if found is None and isinstance(hidden := self._registry.find(heard.words), Found):
            await self._note_refusal(tx, hidden, message)
        if found is not None and not found.verb:
            await self._outbox.reply(tx, message.to, _about(found, asker))
        elif message.meant and asker.role is Role.ANYONE:
            await self._outbox.reply(tx, message.to, _for_members(visible, message))
        elif message.meant:
            await self._outbox.reply(tx, message.to, _not_a_command(visible, heard, asker))

    async def _invoke(self, tx: Transaction, found: Found, message: "_Message") -> None:
        command, asker = found.command, message.asker
        try:
            check_role(command, asker)
        except Refused as refused:
            await self._note_refusal(tx, found, message)
            await self._outbox.reply(tx, message.to, refusal(refused, message.reference))
            return
        try:
            parsed = _parse(found, message.heard, asker)
        except Refused as refused:
            await self._outbox.reply(tx, message.to, refused.text)
            return
        call = Call(tx=tx, asker=asker, arguments=parsed.arguments, reply_to=message.to, reference=message.reference)
        if message.obstacle is not None:
            await self._runner.refuse(command, call, message.obstacle)
        elif command.preview is not None and not parsed.yes:
            await self._confirmations.ask(command, call)
        else:
            await self._runner.run(command, call)

    async def _was_overheard(self, tx: Transaction, message: "_Message") -> bool:
        if self._overhear is None:
            return False
        try:
            async with tx.connection.begin_nested():
                answer = await self._overhear(tx, message.asker, message.heard.text)
        except Refused as refused:
            answer = refused.text
        if answer is None:
            return False
        await note_run(tx, message.to.event_id, self._clock())
        await self._runner.answer(tx, message.to, answer if isinstance(answer, Answer) else Answer(answer))
        return True

    async def _note_refusal(self, tx: Transaction, found: Found, message: "_Message") -> None:
        """Enter into the audit what somebody tried without the right to; nobody can delete what a stranger wrote."""
        arguments = None
        if message.asker.role is not Role.ANYONE:
            # Of what is wrong in itself the audit keeps who tried which command, too.
            with suppress(Refused):
                arguments = _parse(found, message.heard, message.asker).arguments
        await audit.note(
            tx,
            found.command,
            arguments,
            at=self._clock(),
            actor=message.asker.user_id,
            outcome=Outcome.REFUSED,
            reference=message.reference,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """What was heard, and what was found out about it by looking.

    ``edited``: these are new words for a message that was answered (or not) before; ``to`` is that one.
    ``meant``: surely said to the bot; ``direct``: in a direct chat. ``obstacle``: what stands against the command in
    it. ``way_in``: how one becomes a member, for strangers.
    """

    heard: Heard
    asker: Asker
    to: ReplyTo
    reference: str
    edited: bool
    direct: bool
    meant: bool
    obstacle: Refused | None
    way_in: Text | None


def _parse(found: Found, heard: Heard, asker: Asker) -> Parsed:
    words = heard.words[found.used :]
    return parse(found.command, words, heard.text, language=asker.language, mentioned=heard.mentioned)


def _too_old(age: timedelta) -> Text:
    return say(
        "You asked this {hours} hours and {minutes} minutes ago and I could not answer then, so nothing was done. If "
        "you still want it, please ask again.",
        hours=int(age / timedelta(hours=1)),
        minutes=int(age % timedelta(hours=1) / timedelta(minutes=1)),
    )


_RAN_BEFORE = say("I have acted on this message already, so editing it changes nothing. Please write a new one.")

_OTHERS_READ_ALONG = say(
    "Others would read the answer here. Please ask me in 事務局室, or in a direct chat with nobody else in it."
)


def _about(group: Group, asker: Asker) -> Text:
    """Return what to say to the bare name of a group."""
    usable = [command for command in group.commands if command.role <= asker.role]
    if not usable:
        return ONLY_FOR[min(command.role for command in group.commands)]
    return about_group(usable, asker.language)


def _for_members(visible: Registry, message: _Message) -> Text:
    """Return what to say to a stranger: the same to what is hidden from them and to what there is not."""
    heard = message.heard
    near = visible.suggest(heard.words) if heard.manner is Manner.COMMAND else ()
    return say(
        "I do not understand that, or only members of the city hall can do it.",
        *([did_you_mean(near)] if near else []),
        *([message.way_in] if message.way_in else []),
        say("Write `{help}`, and I tell you what I can do.", help=ask_for_help(message.asker.language)),
    )


def _not_a_command(visible: Registry, heard: Heard, asker: Asker) -> Text:
    """Return what to say to words that name no command."""
    if heard.manner is Manner.COMMAND:
        return unknown(visible, heard.words, asker.language)
    return say(
        "I did not understand that. Write `{help}`, and I tell you what I can do.", help=ask_for_help(asker.language)
    )
