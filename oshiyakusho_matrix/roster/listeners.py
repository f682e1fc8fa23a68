"""Watches the managed rooms: whoever comes in, and whatever others change. Asks for controllers, decides nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say, visible
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Priority, Work
from oshiyakusho_matrix.roster.service import member_key, room_key
from oshiyakusho_matrix.roster.tables import find_managed_room, find_member
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

#: State that heads may change, so that it is no drift.
FREE_STATE = frozenset({"m.room.pinned_events"})


#: Told of a knock and its words; whether it has been dealt with, so that nobody need look at it.
Expected = Callable[[Transaction, UserId, str], Awaitable[bool]]


class RoomWatch:
    """A listener for every state event of others: the inbox keeps no state that the bot set.

    ``expected`` is asked of each knock before the secretariat is told.
    """

    def __init__(self, *, store: Store, work: Work, outbox: Outbox, expected: Expected | None = None) -> None:
        self._expected = expected
        self._store = store
        self._work = work
        self._outbox = outbox

    async def __call__(self, event: InboundEvent) -> Write | None:
        """Have the room looked at, and the member whose place in the hall or 事務局室 changed."""
        if event.state_key is None or event.type in FREE_STATE:
            return None
        async with self._store.reading() as connection:
            room = await find_managed_room(connection, room_id=event.room_id)
            if room is None:
                return None
            member = await find_member(connection, event.state_key) if event.type == "m.room.member" else None
        knocking = event.type == "m.room.member" and event.content.get("membership") == "knock"
        # Whoever does not belong is the room's business alone: it takes them out and says who brought them, which would
        # go unseen if the person's own key were faster.
        belongs = event.type == "m.room.member" and room.admits(member)
        # Whoever belongs there may come and go, and take a knock back at the porch: looking at the whole room each time
        # would cost more the more come.
        own = event.type == "m.room.member" and event.sender == event.state_key
        moved = own and (belongs or (room.role == "porch" and event.content.get("membership") == "leave"))

        async def write(tx: Transaction) -> None:
            if knocking:
                if member is not None and member.current:
                    await self._work.ask(tx, member_key(event.state_key or ""), priority=Priority.ASKED)
                else:
                    await self._tell_of_knock(tx, event)
                # Others who knocked may read it: their name, their words, a claim code that is still good.
                await self._outbox.redact(tx, event.room_id, event.event_id)
                return
            if not moved:
                await self._work.ask(tx, room_key(room.alias_localpart), priority=Priority.GATE)
            if belongs and room.role:
                await self._work.ask(tx, member_key(event.state_key or ""), priority=Priority.ASKED)

        return write

    async def _tell_of_knock(self, tx: Transaction, event: InboundEvent) -> None:
        text = say(
            "{user} knocks at the city hall. To let them in once they are verified: `!member admit {user}`",
            user=event.state_key or "",
        )
        reason = event.content.get("reason")
        words = visible(reason) if isinstance(reason, str) else ""
        if self._expected is not None and await self._expected(tx, UserId(event.state_key or ""), words):
            return
        said = (say("They wrote: {words}", words=words),) if words else ()
        await self._outbox.tell_secretariat(tx, replace(text, parts=said))
