"""Use cases of the welcome: expect, greet, remind, and take up what a member answers.

Called by what happens in the roster, by the controllers, and by ``listeners``. Nothing here talks to the homeserver.
"""

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.interface import Answer, Asker, Role
from oshiyakusho_matrix.commands.language import prefer, preferred_language
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId, reference_of
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Priority, Work, WorkKey
from oshiyakusho_matrix.registration.welcome.domain import (
    LIFECYCLE,
    SIGNS,
    State,
    Step,
    Welcome,
    decide_offers,
    division_in,
    number_in,
    says_stop,
)
from oshiyakusho_matrix.registration.welcome.tables import find_welcome, said_in_application, welcome
from oshiyakusho_matrix.registration.welcome.words import CONTENT_KEY, STOPPED, Numbered, greeting, reminder
from oshiyakusho_matrix.roster.affiliations import affiliations
from oshiyakusho_matrix.roster.entrances import Entrance, Entrances
from oshiyakusho_matrix.roster.events import Happened, MemberAdmitted, MemberEntered, MemberLeft, MemberRemoved
from oshiyakusho_matrix.roster.service import member_key
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


def welcome_key(user_id: str) -> WorkKey:
    """Return the key of somebody's welcome."""
    return WorkKey("welcome", user_id)


def entry_key(slug: str, user_id: str) -> WorkKey:
    """Return the key under which a member is let into a division that they asked for."""
    return WorkKey("entry", f"{slug} {user_id}")


class Guide:
    """Guides members in. ``entrances`` tells which divisions there are."""

    def __init__(self, *, work: Work, outbox: Outbox, entrances: Entrances) -> None:
        self._work, self._outbox = work, outbox
        self.entrances = entrances

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """Expect whoever was admitted, greet them once they are inside, and forget whoever has gone.

        Whoever was inside already is not greeted, nor is the secretariat, which knows its way.
        """
        match happened:
            case MemberAdmitted(user_id, secretariat=False, inside=False):
                await self._expect(tx, user_id)
            case MemberEntered(user_id):
                if await self._move(tx, user_id, Step.ENTER):
                    await self._work.ask(tx, welcome_key(user_id))
            case MemberLeft(user_id) | MemberRemoved(user_id):
                await self.forget(tx, user_id)
            case _:
                return

    async def _expect(self, tx: Transaction, user_id: UserId) -> None:
        row = upsert(tx.connection, welcome).values(
            user_id=user_id,
            # By what they were admitted by: done again after a restore, the greeting has the id that it had.
            reference=reference_of("welcome", user_id, tx.new_name()),
            state=State.EXPECTED,
            offers=[],
            expected_at=now(),
        )
        await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["user_id"]))

    async def forget(self, tx: Transaction, user_id: UserId) -> None:
        """End somebody's welcome, and what it offered them."""
        await tx.connection.execute(delete(welcome).where(welcome.c.user_id == user_id))

    async def have_looked_at(self, tx: Transaction, user_id: UserId) -> None:
        """Have the gate look at somebody, who may be invited where they do not belong any more."""
        await self._work.ask(tx, member_key(user_id), priority=Priority.GATE)

    async def note_chat(self, tx: Transaction, user_id: UserId, room_id: RoomId) -> None:
        """Keep in which chat somebody is to be greeted."""
        due = (welcome.c.user_id == user_id, welcome.c.state == State.DUE)
        await tx.connection.execute(update(welcome).where(*due).values(room_id=room_id))

    async def greet(self, tx: Transaction, user_id: UserId) -> None:
        """Greet a member in the chat with them, unless that was done, or they have gone."""
        one = await find_welcome(tx.connection, user_id)
        if one is None or one.state is not State.DUE or one.room_id is None:
            return
        known = await self.entrances(tx.connection)
        interests, language = await said_in_application(tx.connection, user_id)
        if language is not None:
            await prefer(tx, user_id, language)
        served = (await affiliations(tx.connection, [user_id])).get(user_id)
        offers = decide_offers(known, prefecture=served.prefecture if served else None, interests=interests)
        await self._move(tx, user_id, Step.GREET, offers=offers, greeted_at=now())
        language = await preferred_language(tx.connection, user_id)
        text = greeting(_numbered(offers, known), language=language)
        with tx.caused_by("welcome", one.reference, "greeting"):
            extra = {CONTENT_KEY: one.reference}
            await self._outbox.post(tx, one.room_id, text, language=language, calls=user_id, extra=extra)

    async def came_back(self, tx: Transaction, reference: str, room_id: RoomId, event_id: EventId) -> None:
        """Note under which id a greeting stands, and put a number under it for each offer."""
        ours = (welcome.c.reference == reference, welcome.c.room_id == room_id, welcome.c.event_id.is_(None))
        noted = update(welcome).where(*ours).values(event_id=event_id).returning(welcome.c.offers)
        offers = (await tx.connection.execute(noted)).scalar_one_or_none() or ()
        for sign, _ in zip(SIGNS, offers, strict=False):
            await self._outbox.react(tx, room_id, event_id, sign)

    async def remind(self, tx: Transaction, one: Welcome, *, arrived: bool) -> None:
        """End a welcome: with the reminder, unless its member has arrived in a division or left the chat."""
        if one.room_id is None or not await self._move(tx, one.user_id, Step.ARRIVE if arrived else Step.REMIND):
            return
        chat = select(direct_chat.c.state).where(direct_chat.c.room_id == one.room_id)
        if arrived or await tx.connection.scalar(chat) != "open":
            return
        language = await preferred_language(tx.connection, one.user_id)
        text = reminder(_numbered(one.offers, await self.entrances(tx.connection)), language=language)
        with tx.caused_by("welcome", one.reference, "reminder"):
            await self._outbox.post(tx, one.room_id, text, language=language, calls=one.user_id)

    async def hear(self, tx: Transaction, asker: Asker, words: str) -> Answer | Text | None:
        """Answer a member who writes a number, the name of a division, or ``stop`` in a chat; None to all else."""
        if asker.role is Role.ANYONE:
            return None
        one = await find_welcome(tx.connection, asker.user_id)
        if one is not None and says_stop(words):
            await self._move(tx, asker.user_id, Step.STOP)
            return STOPPED
        known = await self.entrances(tx.connection)
        number = number_in(words)
        if number is None:
            wanted = division_in(words, known)
        else:
            wanted = dict(_numbered(one.offers if one else (), known)).get(number)
        return None if wanted is None else await self._let_in(tx, asker, wanted)

    async def tap(self, tx: Transaction, asker: Asker, event_id: str, number: int) -> Answer | None:
        """Answer a member's reaction to their greeting; None if it is none."""
        one = await find_welcome(tx.connection, asker.user_id)
        if one is None or one.event_id != event_id or asker.role is Role.ANYONE:
            return None
        wanted = dict(_numbered(one.offers, await self.entrances(tx.connection))).get(number)
        return None if wanted is None else await self._let_in(tx, asker, wanted)

    async def _let_in(self, tx: Transaction, asker: Asker, wanted: Entrance) -> Answer:
        key = entry_key(wanted.slug, asker.user_id)
        await self._work.ask(tx, key, priority=Priority.ASKED)
        return Answer(say("**{division}**", division=wanted.called(asker.language)), after=[key])

    async def _move(self, tx: Transaction, user_id: UserId, step: Step, **values: object) -> bool:
        """Take a step; False if somebody's welcome is not where it could be taken."""
        for (before, taken), after in LIFECYCLE.items():
            if taken is step:
                moved = await tx.connection.execute(
                    update(welcome)
                    .where(welcome.c.user_id == user_id, welcome.c.state == before)
                    .values(state=after, **values)
                )
                if moved.rowcount:
                    return True
        return False


def _numbered(offers: Sequence[str], known: Sequence[Entrance]) -> Numbered:
    """Return the offers that can still be entered, with their numbers."""
    by_slug = {each.slug: each for each in known}
    return [(number, by_slug[slug]) for number, slug in enumerate(offers) if slug in by_slug]
