"""``rebuild``: records from what the homeserver knows, when the database is lost and there is no backup.

Every room carries a label that says which record it belongs to (the locator), and the gate has kept everybody out who
is no member: so rooms, members, heads and chats can be written down again. What cannot is said, to the operator and in
事務局室.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.commands.audit import note_operator
from oshiyakusho_matrix.commands.chats.recollection import recollect_chats
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.domain import Audience, Declaration
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.recollection import (
    keys_in_role,
    recollect_heads,
    recollect_spaces,
    without_strangers,
)
from oshiyakusho_matrix.divisions.tables import space
from oshiyakusho_matrix.operations.lost import is_blank
from oshiyakusho_matrix.operations.serving import composed
from oshiyakusho_matrix.reconcile.found_rooms import FoundRoom, find_rooms
from oshiyakusho_matrix.roster.recollection import recollect_members
from oshiyakusho_matrix.roster.tables import current_among, managed_rooms, member, members
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.store.exclusive import exclusive
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What was found. ``invited`` (to the hall) and ``knocking`` are outside, ``strangers`` heads in the files who are
    no members, ``unknown`` rooms that the bot is in and that belong to no record.
    """

    rooms: int
    members: int
    secretaries: int
    heads: int
    chats: int
    invited: Sequence[UserId]
    knocking: Sequence[UserId]
    strangers: Sequence[UserId]
    unknown: Sequence[RoomId]


async def rebuild_lost(settings: Settings) -> Rebuilt:
    """Rebuild the installation of these settings. ``Misconfigured`` if a process serves with its SQLite file."""
    with exclusive(settings.database_url):
        async with composed(settings, may_be_lost=True) as app:
            return await rebuild(app)


async def rebuild(app: CityHallApp) -> Rebuilt:
    """Write records from what the homeserver knows, into an empty database, all or nothing; nothing is sent there.

    ``Misconfigured`` if there are records, or no hall of the declared name to be found.
    """
    if not (await is_blank(app, space) and await is_blank(app, member)):
        raise Misconfigured("The database holds a city hall already: rebuild is for an empty one, after a loss.")
    declaration = await asyncio.to_thread(app.load)
    halls, offices = keys_in_role(declaration), keys_in_role(declaration, Audience.SECRETARIAT)
    porches = keys_in_role(declaration, Audience.NOBODY)
    found = await find_rooms(app.homeserver, app.identity.bot, people_of=halls | offices | porches)
    hall = next((room for room in found if room.key in halls), None)
    if hall is None:
        raise Misconfigured(
            f"The homeserver has no hall called {declaration.hall} that this bot made: if there never was one, start "
            "`serve`; if there was, put the files back as they were when it was made."
        )
    office = next((room for room in found if room.key in offices), None)
    # Before there was a porch, people knocked at the hall.
    knocking = sorted({user for room in found if room.key in halls | porches for user in room.people("knock")})
    async with app.store.transaction() as tx:
        rebuilt = await _write(tx, app, declaration, found, hall, office, knocking)
        await app.outbox.tell_secretariat(tx, report(rebuilt))
        await note_operator(tx, "rebuild", {}, at=now())
    return rebuilt


async def _write(
    tx: Transaction,
    app: CityHallApp,
    declaration: Declaration,
    found: Sequence[FoundRoom],
    hall: FoundRoom,
    office: FoundRoom | None,
    knocking: Sequence[UserId],
) -> Rebuilt:
    bot = app.identity.bot
    await recollect_members(tx, hall=hall.memberships, office=office.memberships if office else {}, bot=bot)
    await app.roster.bootstrap(tx, app.identity.secretariat)
    declaration, strangers = await without_strangers(tx, declaration)
    await app.hall.apply(tx, declaration, by=bot)
    await recollect_spaces(tx, app.hall, found)
    heads = await recollect_heads(tx, app.hall, Heads(work=app.queue), found)
    chats = await recollect_chats(tx, app.queue, found)
    known = {row.room_id for row in await managed_rooms(tx.connection) if row.room_id is not None}
    everybody = await members(tx.connection)
    invited = hall.people("invite")
    current = await current_among(tx.connection, invited)
    return Rebuilt(
        rooms=len(known),
        members=len(everybody),
        secretaries=sum(each.secretariat for each in everybody),
        heads=heads,
        chats=len(chats),
        invited=[user_id for user_id in invited if user_id not in current],
        knocking=knocking,
        strangers=strangers,
        unknown=[room.room_id for room in found if room.room_id not in known | chats],
    )


def report(rebuilt: Rebuilt) -> Text:
    """Say what was found, and what nobody knows any more."""
    parts = [
        say(
            "Found on the homeserver: {rooms} rooms, {members} members ({secretaries} of them in the secretariat), "
            "{heads} heads, {chats} direct chats.",
            rooms=rebuilt.rooms,
            members=rebuilt.members,
            secretaries=rebuilt.secretaries,
            heads=rebuilt.heads,
            chats=rebuilt.chats,
        ),
        say("What is not known any more:"),
        say("- who admitted whom, and when; the audit; since when and until when heads hold their office"),
        say("- which language people chose; previews that waited for ✅; whatever else was under way"),
        say("- the English names of what was renamed or made by command: the Japanese ones stand for them"),
    ]
    if rebuilt.invited:
        users = ", ".join(rebuilt.invited)
        parts.append(
            say(
                "Invited and not inside, so their invitations end. Admit again whom you still want: {users}",
                users=users,
            )
        )
    if rebuilt.knocking:
        parts.append(say("Knocking: {users}", users=", ".join(rebuilt.knocking)))
    if rebuilt.strangers:
        users = ", ".join(rebuilt.strangers)
        parts.append(say("Heads by the files, but not members, so they are no heads: {users}", users=users))
    if rebuilt.unknown:
        rooms = ", ".join(rebuilt.unknown)
        parts.append(say("Rooms that I am in and know nothing about: {rooms}", rooms=rooms))
    return say("The database was lost. I have written the records anew.", *parts)
