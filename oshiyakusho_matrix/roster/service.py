"""Use cases of the roster: admit, remove. Each changes records and queues the keys that make the homeserver agree."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import insert, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import GHOST_PREFIX, RoomId, UserId, server_of
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.reconcile.interface import FollowUps, Priority, Work, WorkKey
from oshiyakusho_matrix.roster.affiliations import end_affiliation
from oshiyakusho_matrix.roster.domain import HallState, ManagedRoom, Member, Standing
from oshiyakusho_matrix.roster.events import (
    Announcer,
    MemberAdmitted,
    MemberEntered,
    MemberLeft,
    MemberRemoved,
    SecretariatChanged,
)
from oshiyakusho_matrix.roster.tables import (
    anybody_leaving,
    current_among,
    find_member,
    managed_room,
    managed_rooms,
    member,
    members,
    unreadable_among,
)
from oshiyakusho_matrix.store.statements import one_at_a_time, upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


def member_key(user_id: str) -> WorkKey:
    """Return the key under which somebody's place in the rooms is put right."""
    return WorkKey("member", user_id)


def room_key(alias_localpart: str) -> WorkKey:
    """Return the key under which a managed room is put right."""
    return WorkKey("room", alias_localpart)


class Roster:
    """Who is a member. The registration desk and the secretariat's commands come through here."""

    def __init__(self, *, work: Work, follow_ups: FollowUps, announcer: Announcer, bot: UserId) -> None:
        self._work = work
        self._follow_ups = follow_ups
        self._announcer = announcer
        self._bot = bot

    async def admit(self, tx: Transaction, user_id: UserId, *, by: UserId, secretariat: bool = False) -> Member:
        """Open the gate to somebody. Admitting a member again invites them again; it never takes a role away."""
        if user_id == self._bot:
            raise Refused(say("That is my own account; I am here already."))
        if user_id.startswith(f"@{GHOST_PREFIX}") and server_of(user_id) == server_of(self._bot):
            raise Refused(say("{user} is one of my own accounts, not a person.", user=user_id))
        if secretariat:
            self._require_local(user_id)
        before = await self._find(tx, user_id)
        office = secretariat or (before is not None and before.current and before.secretariat)
        after = Member(
            user_id=user_id,
            standing=Standing.ADMITTED,
            secretariat=office,
            hall=HallState.PENDING,
            office=HallState.PENDING if office else HallState.LEFT,
            changed_at=now(),
            changed_by=by,
        )
        await self._save(tx, after)
        inside = before is not None and before.current and before.hall is HallState.JOINED
        await self._announcer.announce(tx, MemberAdmitted(user_id, after.secretariat, inside))
        await self._work.ask(tx, member_key(user_id), priority=Priority.GATE)
        if before is not None and not before.current:
            # Whoever had them removed is still owed an answer if that has not worked yet.
            text = say("{user} was admitted again meanwhile, by {by}.", user=user_id, by=by)
            await self._follow_ups.overtake(tx, member_key(user_id), text)
        return after

    async def remove(self, tx: Transaction, user_id: UserId, *, by: UserId) -> None:
        """Close the gate to somebody: out of every gated room, every role ended. Refused for the last secretary."""
        before = await self._find(tx, user_id)
        if before is None or not before.current:
            raise Refused(say("{user} is not a member, so there is nobody to remove.", user=user_id))
        await self._keep_one_secretary(tx, before)
        after = Member(
            user_id=user_id,
            standing=Standing.REMOVED,
            secretariat=False,
            hall=HallState.PENDING,
            office=HallState.PENDING,
            changed_at=now(),
            changed_by=by,
        )
        await self._save(tx, after)
        await end_affiliation(tx, user_id)
        await self._announcer.announce(tx, MemberRemoved(user_id, before.secretariat))
        await self._work.ask(tx, member_key(user_id), priority=Priority.GATE)
        text = say("{user} was removed meanwhile, by {by}.", user=user_id, by=by)
        await self._follow_ups.overtake(tx, member_key(user_id), text)

    async def anybody_leaving(self, tx: Transaction, *, since: datetime) -> bool:
        """Tell whether anybody was removed since a moment or is still to be taken out; removals in hand are awaited."""
        await one_at_a_time(tx.connection, 3)
        return await anybody_leaving(tx.connection, since=since)

    async def _find(self, tx: Transaction, user_id: UserId) -> Member | None:
        """Return somebody's record as it stays until this transaction ends: it is written anew from what is read."""
        await one_at_a_time(tx.connection, 3)
        return await find_member(tx.connection, user_id)

    def _require_local(self, user_id: UserId) -> None:
        if server_of(user_id) != server_of(self._bot):
            raise Refused(
                say(
                    "{user} has an account of another server, and the secretariat's room stays on this one. "
                    "The secretariat needs accounts of {server}.",
                    user=user_id,
                    server=server_of(self._bot),
                )
            )

    async def join_secretariat(self, tx: Transaction, user_id: UserId, *, by: UserId) -> None:
        """Make a member part of the secretariat; their place in the hall stays as it is. Refused for all others."""
        before = await self._find(tx, user_id)
        if before is None or not before.current:
            raise Refused(say("{user} is not a member. Admit them first: `!member admit {user}`", user=user_id))
        self._require_local(user_id)
        after = replace(before, secretariat=True, office=HallState.PENDING, changed_at=now(), changed_by=by)
        await self._change_secretariat(tx, before, after)

    async def leave_secretariat(self, tx: Transaction, user_id: UserId, *, by: UserId) -> None:
        """End somebody's part in the secretariat; they stay a member. Refused for the last secretary."""
        before = await self._find(tx, user_id)
        if before is None or not before.current or not before.secretariat:
            raise Refused(say("{user} is not of the secretariat.", user=user_id))
        await self._keep_one_secretary(tx, before)
        after = replace(before, secretariat=False, office=HallState.PENDING, changed_at=now(), changed_by=by)
        await self._change_secretariat(tx, before, after)

    async def _change_secretariat(self, tx: Transaction, before: Member, after: Member) -> None:
        await self._save(tx, after)
        await self._announcer.announce(tx, SecretariatChanged(after.user_id))
        await self._work.ask(tx, member_key(after.user_id), priority=Priority.GATE)

    async def _keep_one_secretary(self, tx: Transaction, leaving: Member) -> None:
        others = [m for m in await members(tx.connection, secretariat=True) if m.user_id != leaving.user_id]
        if leaving.secretariat and not others:
            raise Refused(
                say("{user} is the last of the secretariat. Appoint another one first.", user=leaving.user_id)
            )
        if leaving.secretariat and not any(m.office is HallState.JOINED for m in others):
            raise Refused(
                say(
                    "{user} is the last of the secretariat who is in its room. Wait until another one has joined it.",
                    user=leaving.user_id,
                )
            )

    async def bootstrap(self, tx: Transaction, secretariat: Sequence[UserId]) -> None:
        """Admit those whom the settings name as secretariat, once: whoever was removed later stays removed.

        Those who are still of it and have left its room are invited again, and whose invitation was set aside is tried
        once more: the way back when nobody is inside, and so nobody who could ask for it.
        """
        for user_id in secretariat:
            known = await find_member(tx.connection, user_id)
            if known is None and await unreadable_among(tx.connection, [user_id]):
                continue  # whether they were removed is not known
            if known is None or (known.secretariat and known.office is HallState.LEFT):
                await self.admit(tx, user_id, by=self._bot, secretariat=True)
            elif known.secretariat and HallState.PENDING in (known.hall, known.office):
                await self._work.ask(tx, member_key(user_id), priority=Priority.GATE)

    async def room_was_made(self, tx: Transaction, role: str) -> None:
        """Have everybody's place looked at: the ``hall`` or the ``office`` is there, perhaps anew.

        Whoever had left of their own will stays outside; all others who belong there are invited (again).
        """
        column = member.c.hall if role == "hall" else member.c.office
        await tx.connection.execute(
            update(member)
            .where(member.c.standing == Standing.ADMITTED, column != HallState.LEFT)
            .values({column: HallState.PENDING})
        )
        concerned = await members(tx.connection, secretariat=True if role == "office" else None)
        await self._work.ask(tx, *(member_key(each.user_id) for each in concerned))

    async def invite_again(self, tx: Transaction, users: Iterable[UserId], role: str) -> None:
        """Have those among ``users`` who belong into the ``hall`` or the ``office`` invited anew.

        They were taken out by a look at the records from before they were admitted.
        """
        column = member.c.hall if role == "hall" else member.c.office
        for each in (await current_among(tx.connection, users)).values():
            if role == "hall" or each.secretariat:
                await tx.connection.execute(
                    update(member).where(member.c.user_id == each.user_id).values({column: HallState.PENDING})
                )
                await self._work.ask(tx, member_key(each.user_id), priority=Priority.GATE)

    async def note_place(self, tx: Transaction, seen: Member, *, hall: HallState, office: HallState) -> None:
        """Keep where a member was last seen, unless their record was changed since it was read as ``seen``.

        Announces who has come into the hall, and who has gone.
        """
        unchanged = (member.c.changed_at == seen.changed_at, member.c.hall == seen.hall, member.c.office == seen.office)
        noted = await tx.connection.execute(
            update(member).where(member.c.user_id == seen.user_id, *unchanged).values(hall=hall, office=office)
        )
        if not noted.rowcount or not seen.current or (seen.hall is HallState.JOINED) is (hall is HallState.JOINED):
            return
        entered = hall is HallState.JOINED
        await self._announcer.announce(tx, MemberEntered(seen.user_id) if entered else MemberLeft(seen.user_id))

    async def _save(self, tx: Transaction, after: Member) -> None:
        values = {
            "user_id": after.user_id,
            "standing": after.standing,
            "secretariat": after.secretariat,
            "hall": after.hall,
            "office": after.office,
            "changed_at": after.changed_at,
            "changed_by": after.changed_by,
        }
        # Written over what is there: a record that cannot be read is mended by admitting the person again.
        written = upsert(tx.connection, member).values(values)
        await tx.connection.execute(written.on_conflict_do_update(index_elements=[member.c.user_id], set_=values))


async def register_rooms(tx: Transaction, rooms: Sequence[ManagedRoom]) -> None:
    """Enter rooms into the register, or what changed of them. Ids of rooms that were made stay.

    Nothing is ever taken off the register: a room that is wanted no more stays behind the gate.
    """
    have = {r.alias_localpart: r for r in await managed_rooms(tx.connection)}
    new = list[dict[str, str]]()
    for room in rooms:
        values = {"owner": room.owner, "key": room.key, "audience": room.audience, "role": room.role}
        before = have.get(room.alias_localpart)
        if before is None:
            new.append({"alias_localpart": room.alias_localpart} | values)
        elif replace(room, room_id=before.room_id) != before:
            await tx.connection.execute(
                update(managed_room).where(managed_room.c.alias_localpart == room.alias_localpart).values(values)
            )
    if new:
        await tx.connection.execute(insert(managed_room), new)


async def note_room(tx: Transaction, alias_localpart: str, room_id: RoomId) -> None:
    """Keep the id of a room that was made or found."""
    await tx.connection.execute(
        update(managed_room).where(managed_room.c.alias_localpart == alias_localpart).values(room_id=room_id)
    )


async def note_outsiders(tx: Transaction, alias_localpart: str, count: int) -> None:
    """Keep how many people are in a room who do not belong there and are still to be put out."""
    await tx.connection.execute(
        update(managed_room)
        .where(managed_room.c.alias_localpart == alias_localpart, managed_room.c.outsiders != count)
        .values(outsiders=count)
    )
