"""What happens in rooms: ✅ ❌ ❓ on a card in 事務局室, the reply with a reason, and claim codes in knocks and chats.

A reaction runs the very command that could be typed, so role, refusals, audit and the answer are those of the command.
"""

import re
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, insert, select
from sqlalchemy.exc import IntegrityError

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands.interface import Asker, AskerLookup, Call, Role
from oshiyakusho_matrix.commands.reading.message import reply_of
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.commands.runner import ONLY_FOR, Runner
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import TELEPHONE, UserId
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.registration.cards import Mark, read_mark
from oshiyakusho_matrix.registration.domain import DASHES, OPEN
from oshiyakusho_matrix.registration.service import RegistrationDesk
from oshiyakusho_matrix.registration.tables import application_card, find_row
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

#: What a reaction to a card stands for; without variation selectors, which ``fold`` takes off.
SIGNS: Final = {"✅": "approve", "☑": "approve", "❌": "reject", "❓": "ask", "❔": "ask"}
#: Those put under each card, so that one tap is enough.
OFFERED: Final = ("✅", "❌", "❓")

_CLAIM: Final = re.compile(rf"(?<![0-9A-Z])([{TELEPHONE}]{{4}})([{DASHES}]?)([{TELEPHONE}]{{4}})(?![0-9A-Z])")


class CardEcho:
    """Listener: learns under which event id a card or a question of ours stands, from our own message coming back."""

    def __init__(self, *, bot: UserId, outbox: Outbox) -> None:
        self._bot, self._outbox = bot, outbox

    async def __call__(self, event: InboundEvent) -> Write | None:
        mark = read_mark(event.content) if event.sender == self._bot and event.type == "m.room.message" else None
        return None if mark is None else partial(self._keep, event=event, mark=mark)

    async def _keep(self, tx: Transaction, *, event: InboundEvent, mark: Mark) -> None:
        values = {"event_id": event.event_id, "room_id": event.room_id, **asdict(mark)}
        try:
            async with tx.connection.begin_nested():
                await tx.connection.execute(insert(application_card).values(values))
        except IntegrityError:
            return  # the application is gone by now
        if not mark.purpose:
            for sign in OFFERED:
                await self._outbox.react(tx, event.room_id, event.event_id, sign)


class CardReactions:
    """Listener for ``m.reaction``: runs what a sign of the secretariat on a card stands for."""

    def __init__(
        self, *, store: Store, registry: Registry, lookup: AskerLookup, outbox: Outbox, runner: Runner, bot: UserId
    ) -> None:
        self._store, self._registry, self._lookup = store, registry, lookup
        self._outbox, self._runner, self._bot = outbox, runner, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        relation = event.content.get("m.relates_to")
        if event.sender == self._bot or not isinstance(relation, dict) or relation.get("rel_type") != "m.annotation":
            return None
        key, target = relation.get("key"), relation.get("event_id")
        if not isinstance(key, str) or not isinstance(target, str) or fold(key[:8]) not in SIGNS:
            return None
        card = await _find_card(self._store, event, target)
        if card is None or card.purpose:
            return None
        asker = await self._lookup.look_up(event.sender)
        return partial(self._act, event=event, card=card, asker=asker, verb=SIGNS[fold(key[:8])])

    async def _act(self, tx: Transaction, *, event: InboundEvent, card: Row[Any], asker: Asker, verb: str) -> None:
        to = ReplyTo(event.room_id, card.event_id, asker.language, None, asker.user_id)
        if asker.role >= Role.SECRETARIAT and await _is_outdated(tx, card):
            text = say(
                "There is a newer card about application {reference}: please decide with that.",
                reference=card.reference,
            )
            await self._outbox.reply(tx, to, text)
            return
        if verb == "approve":
            command = self._registry.named("application approve")
            assert command is not None  # noqa: S101 - a list in app.py
            arguments = command.arguments.model_validate({"reference": card.reference})
            call = Call(tx=tx, asker=asker, arguments=arguments, reply_to=to, reference=event.reference)
            await self._runner.run(command, call)
            return
        if asker.role < Role.SECRETARIAT:
            await self._outbox.reply(tx, to, ONLY_FOR[Role.SECRETARIAT])
            return
        question = (
            say(
                "Why is application {reference} rejected? {user}, reply to this message; the applicant reads it.",
                reference=card.reference,
                user=asker.user_id,
            )
            if verb == "reject"
            else say(
                "What shall I ask the applicant of {reference}? {user}, reply to this message with the question.",
                reference=card.reference,
                user=asker.user_id,
            )
        )
        mark = Mark(card.reference, purpose=verb, asked_by=asker.user_id)
        await self._outbox.reply(tx, to, question, extra=mark.content())


class CardReplies:
    """Listener for ``m.room.message``: the reply to a question of ours is the reason, or the question, it asked for.

    That of whoever was asked: what others answer there is talk among the secretaries.
    """

    def __init__(self, *, store: Store, registry: Registry, lookup: AskerLookup, runner: Runner, bot: UserId) -> None:
        self._store, self._registry, self._lookup = store, registry, lookup
        self._runner, self._bot = runner, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        said = None if event.sender == self._bot or event.state_key is not None else reply_of(event.content)
        if said is None or not said[1].strip() or fold(said[1]).startswith("!"):
            return None
        card = await _find_card(self._store, event, said[0])
        if card is None or not card.purpose or card.asked_by != event.sender:
            return None
        asker = await self._lookup.look_up(event.sender)
        return partial(self._act, event=event, card=card, asker=asker, words=said[1].strip())

    async def _act(self, tx: Transaction, *, event: InboundEvent, card: Row[Any], asker: Asker, words: str) -> None:
        command = self._registry.named(f"application {card.purpose}")
        assert command is not None  # noqa: S101 - a list in app.py
        arguments = command.arguments.model_validate({"reference": card.reference, "words": words})
        to = ReplyTo(event.room_id, event.event_id, asker.language, None, asker.user_id)
        call = Call(tx=tx, asker=asker, arguments=arguments, reply_to=to, reference=event.reference)
        await self._runner.run(command, call)


async def _is_outdated(tx: Transaction, card: Row[Any]) -> bool:
    """Tell whether something has come up since a card, which another one says; after the decision nothing matters."""
    row = await find_row(tx.connection, card.reference, lock=True)
    return row is not None and row.state in OPEN and row.cards != card.number


async def _find_card(store: Store, event: InboundEvent, target: str) -> Row[Any] | None:
    async with store.reading() as connection:
        found = select(application_card).where(
            application_card.c.event_id == target, application_card.c.room_id == event.room_id
        )
        return (await connection.execute(found)).one_or_none()


class Claims:
    """Finds claim codes in what people write to the bot, and in what they knock with."""

    def __init__(self, desk: RegistrationDesk) -> None:
        self._desk = desk

    async def in_chat(self, tx: Transaction, asker: Asker, words: str) -> Text | None:
        """Answer a message in a direct chat; None if there is no claim code in it."""
        for found in _claims_in(words):
            said = await self._desk.claim(tx, asker.user_id, found[0] + found[2])
            if said is not None:
                return said
            if found[1]:
                return say(
                    "I know no such code. Please copy it from the status page of your application; it looks like "
                    "ABCD-EFGH."
                )
        return None

    async def in_knock(self, tx: Transaction, user_id: UserId, words: str) -> bool:
        """Tell whether a knock came with a claim code that fits; then nobody need be told of it."""
        for found in _claims_in(words):
            try:
                async with tx.connection.begin_nested():
                    if await self._desk.claim(tx, user_id, found[0] + found[2]) is not None:
                        return True
            except Refused:
                continue  # then the secretariat hears of the knock, and may ask
        return False


def _claims_in(words: str) -> list[tuple[str, str, str]]:
    return _CLAIM.findall(fold(words).upper())[:3]
