"""What happens in chats: a member comes in, our greeting comes back under its event id, a number under it is tapped."""

from functools import partial

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.commands.interface import Asker, AskerLookup
from oshiyakusho_matrix.commands.runner import Runner
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.reconcile.interface import Priority, Work
from oshiyakusho_matrix.registration.welcome.domain import State, number_in
from oshiyakusho_matrix.registration.welcome.service import Guide, welcome_key
from oshiyakusho_matrix.registration.welcome.tables import find_welcome
from oshiyakusho_matrix.registration.welcome.words import CONTENT_KEY
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


class ChatJoins:
    """Listener for state: whoever is to be greeted has come into the chat."""

    def __init__(self, *, store: Store, work: Work) -> None:
        self._store, self._work = store, work

    async def __call__(self, event: InboundEvent) -> Write | None:
        joined = event.type == "m.room.member" and event.content.get("membership") == "join"
        if not joined or event.state_key != event.sender:
            return None
        async with self._store.reading() as connection:
            one = await find_welcome(connection, event.sender)
        if one is None or one.state is not State.DUE or one.room_id != event.room_id:
            return None

        async def write(tx: Transaction) -> None:
            await self._work.ask(tx, welcome_key(event.sender), priority=Priority.ASKED)

        return write


class GreetingEcho:
    """Listener for ``m.room.message``: learns the event id of a greeting from our own message coming back."""

    def __init__(self, *, guide: Guide, bot: UserId) -> None:
        self._guide, self._bot = guide, bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        reference = event.content.get(CONTENT_KEY)
        if event.sender != self._bot or event.state_key is not None or not isinstance(reference, str):
            return None
        return partial(self._guide.came_back, reference=reference, room_id=event.room_id, event_id=event.event_id)


class Taps:
    """Listener for ``m.reaction``: a number under a greeting, from the member whom it greets."""

    def __init__(self, *, store: Store, guide: Guide, lookup: AskerLookup, runner: Runner, bot: UserId) -> None:
        self._store, self._guide, self._lookup, self._runner = store, guide, lookup, runner
        self._bot = bot

    async def __call__(self, event: InboundEvent) -> Write | None:
        relation = event.content.get("m.relates_to")
        if event.sender == self._bot or not isinstance(relation, dict) or relation.get("rel_type") != "m.annotation":
            return None
        key, target = relation.get("key"), relation.get("event_id")
        number = number_in(key[:8]) if isinstance(key, str) else None
        if number is None or not isinstance(target, str):
            return None
        async with self._store.reading() as connection:
            one = await find_welcome(connection, event.sender)
        if one is None or (one.event_id, one.room_id) != (target, event.room_id):
            return None
        asker = await self._lookup.look_up(event.sender)
        return partial(self._answer, event=event, asker=asker, target=target, number=number)

    async def _answer(self, tx: Transaction, *, event: InboundEvent, asker: Asker, target: str, number: int) -> None:
        answer = await self._guide.tap(tx, asker, target, number)
        if answer is not None:
            to = ReplyTo(event.room_id, target, asker.language, None, asker.user_id)
            await self._runner.answer(tx, to, answer)
