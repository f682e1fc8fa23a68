"""What was acknowledged and is not sorted yet: whole transactions, a row each, of which events are made afterwards.

One small write is all that a homeserver waits for, so it delivers what an outage has held back as fast as it can.
``inbox`` keeps letters and has one of its hands sort them, in the order in which they came, several in one transaction.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.border import NAMED, Arrived, ClientEvent, Unreadable, read_transaction
from oshiyakusho_matrix.appservice.parked import park_letter, tell_of_letter
from oshiyakusho_matrix.appservice.relations import release, target_of
from oshiyakusho_matrix.appservice.tables import inbox_letter, keep_events
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, plain
from oshiyakusho_matrix.core.trail import following
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.store.errors import StatementRefused
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)

#: So many letters are sorted at once, with about so many events: others wait to write meanwhile.
_LETTERS, _EVENTS = 100, 500
#: So many characters count as an event at least: 500 of the largest, not a hundred times what a body may have.
_CHARACTERS = 65_536


class Sieve(Protocol):
    """Tells which events can lead to nothing, from what they say and what the database says of their rooms."""

    async def __call__(self, connection: AsyncConnection, events: Sequence[ClientEvent]) -> Collection[str]:
        """Return the ids of those events; whatever is in doubt is not among them."""


#: A letter that is to be sorted.
_WAITS: Final = inbox_letter.c.parked_at.is_(None)
_KEEP: Final = insert(inbox_letter)
_FIRST: Final = select(inbox_letter.c.seq).where(_WAITS).limit(1)


class Letters:
    """``keep``, then ``sort`` until it says that there are no more. State that ``bot`` set is not kept.

    A letter that cannot be read any more (a damaged database) is parked, or all that came after it would wait for ever.
    """

    def __init__(
        self, store: Store, outbox: Outbox, *, bot: UserId, sieve: Sieve | None, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._bot = bot
        self._sieve = sieve
        self._now = now
        #: How many events were left out because they did not fit.
        self.misfits = 0

    async def keep(self, txn_id: str, arrived: Arrived) -> bool:
        """Keep a transaction; False if there is nothing in it to keep. ``Temporary`` if the database is away."""
        if all(map(self._is_ours, arrived.listed)):
            return False
        events = max(len(arrived.listed), len(arrived.text) // _CHARACTERS)
        values = {"txn_id": txn_id, "body": arrived.text, "events": events, "received_at": self._now()}
        await self._store.write_one(_KEEP, values)
        return True

    async def any(self, connection: AsyncConnection) -> bool:
        """Tell whether there is a letter to sort."""
        return await connection.scalar(_FIRST) is not None

    async def sort(self) -> bool:
        """Make events of the letters that came first; False if there are none."""
        async with self._store.reading() as connection:
            sizes = select(inbox_letter.c.seq, inbox_letter.c.events).where(_WAITS)
            few = _few((await connection.execute(sizes.order_by(inbox_letter.c.seq).limit(_LETTERS))).all())
            if not few:
                return False
            # Their bodies only now: a hundred of the largest would not fit into memory.
            bodies = select(inbox_letter).where(_WAITS, inbox_letter.c.seq.in_(few)).order_by(inbox_letter.c.seq)
            letters = (await connection.execute(bodies)).all()
            opened, damaged = self._open_all(letters)
            news = [event for each in opened for event in each.news]
            idle = await self._sieve(connection, news) if self._sieve is not None else ()
        for letter, why in damaged:
            await self._park(letter, why)
        try:
            await self._file_all(opened, idle)
        except _Overtaken:
            logger.info("another process sorted the same transactions")
        return True

    async def count(self, connection: AsyncConnection) -> int:
        """Return how many events wait to be sorted, at most."""
        return await connection.scalar(select(func.coalesce(func.sum(inbox_letter.c.events), 0)).where(_WAITS)) or 0

    async def first(self, connection: AsyncConnection) -> datetime | None:
        """Return since when the first letter waits."""
        first = select(inbox_letter.c.received_at).where(_WAITS).order_by(inbox_letter.c.seq).limit(1)
        found: datetime | None = await connection.scalar(first)
        return found

    def _is_ours(self, event: object) -> bool:
        return isinstance(event, dict) and isinstance(event.get("state_key"), str) and event.get("sender") == self._bot

    def _open_all(self, letters: Sequence[Row[Any]]) -> "tuple[list[_Opened], list[tuple[Row[Any], Text]]]":
        """Open letters; return beside them those that cannot be read, and why."""
        opened, damaged = list[_Opened](), list[tuple[Row[Any], Text]]()
        for letter in letters:
            try:
                opened.append(self._open(letter, read_transaction(letter.body)))
            except Unreadable as error:
                damaged.append((letter, error.why))
        return opened, damaged

    async def _park(self, letter: Row[Any], why: Text) -> None:
        async with self._store.transaction() as tx:
            if (reference := await park_letter(tx, letter, why, self._now())) is not None:
                reason = plain(why)
                logger.error("a transaction was parked", transaction=letter.txn_id, reference=reference, reason=reason)
                with tx.caused_by("parked transaction", reference), following(reference):
                    await tell_of_letter(tx, self._outbox, reference, why)

    def _open(self, letter: Row[Any], arrived: Arrived) -> "_Opened":
        news = [event for event in arrived.events if event.state_key is None or event.sender != self._bot]
        # Not later than now: its events fall due then, and the clock may have been wrong when it came.
        at = min(letter.received_at, self._now())
        return _Opened(letter, news, at, misfits=arrived.misfits, named=arrived.named)

    async def _file_all(self, opened: Sequence["_Opened"], idle: Collection[str]) -> None:
        try:
            await self._file(opened, idle)
        except StatementRefused:
            for each in opened:
                await self._file_singly(each, idle)

    async def _file(self, opened: Sequence["_Opened"], idle: Collection[str]) -> None:
        """Put events in the place of letters; ``_Overtaken`` if another process was faster.

        A later letter is not seen as the first by anybody before this is committed, so the order is kept.
        """
        async with self._store.transaction() as tx:
            seqs = [each.letter.seq for each in opened]
            gone = await tx.connection.execute(delete(inbox_letter).where(inbox_letter.c.seq.in_(seqs)))
            if gone.rowcount != len(opened):
                raise _Overtaken
            for each in opened:
                events = [(event, target_of(event)) for event in each.news]
                await keep_events(tx.connection, each.letter.txn_id, events, each.at, idle=idle)
            if idle:
                await release(tx.connection, about=sorted(idle))
        for each in opened:
            if each.misfits:
                self.misfits += each.misfits
                logger.warning("events that do not fit were left out", number=each.misfits, first=list(each.named))

    async def _file_singly(self, each: "_Opened", idle: Collection[str]) -> None:
        """Leave out the event that the database refuses: one must never hold up all that come after it."""
        refused = list[str]()
        for event in each.news:
            try:
                async with self._store.transaction() as tx:
                    one = [(event, target_of(event))]
                    await keep_events(tx.connection, each.letter.txn_id, one, each.at, idle=idle)
            except StatementRefused:
                refused.append(event.event_id)
        if refused:
            logger.error("events that the database refused were left out", events=refused[:NAMED])
        misfits, named = each.misfits + len(refused), (*each.named, *refused)[:NAMED]
        await self._file([replace(each, news=(), misfits=misfits, named=named)], ())


@dataclass(frozen=True, slots=True)
class _Opened:
    """A letter, the events in it that concern us, when it came, how many do not fit, and the names of some of them."""

    letter: Row[Any]
    news: Sequence[ClientEvent]
    at: datetime
    misfits: int
    named: Sequence[str]


class _Overtaken(Exception):
    """Another process sorted one of these letters."""


def _few(sizes: Iterable[tuple[int, int]]) -> list[int]:
    """Return which come first, so few that the transaction stays short; one at least, if there is any."""
    few, events = list[int](), 0
    for seq, number in sizes:
        events += number
        if few and events > _EVENTS:
            break
        few.append(seq)
    return few
