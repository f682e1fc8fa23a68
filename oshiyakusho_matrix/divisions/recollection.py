"""Spaces, rooms and heads, written down anew from what the rooms say, when the database was lost.

Called by ``operations.rebuild`` after the files were applied to an empty database. What commands changed since is in
the rooms: names, purposes, groups, divisions that no file declares, archives, heads by their power.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import insert, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.desired import HEAD_POWER, alias_localpart
from oshiyakusho_matrix.divisions.domain import DIVISION, GROUP, HALL, Declaration, Kind, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.service import CityHall
from oshiyakusho_matrix.divisions.tables import SpaceRecord, space, space_to_row
from oshiyakusho_matrix.reconcile.found_rooms import SPACE, FoundRoom
from oshiyakusho_matrix.roster.service import note_room, register_rooms
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.unit_of_work import Transaction


def keys_in_role(declaration: Declaration, audience: str | None = None) -> set[str]:
    """Return what the locators of the hall say; with ``audience`` those of its rooms for it."""
    kind = declaration.kinds[declaration.spaces[declaration.hall].kind]
    if audience is None:
        return {f"{SPACE}{declaration.hall}"}
    return {f"{SPACE}{declaration.hall}/{rule.key}" for rule in kind.rooms if rule.audience == audience}


async def without_strangers(tx: Transaction, declaration: Declaration) -> tuple[Declaration, list[UserId]]:
    """Return the declaration without heads who are no members, and who these are: they cannot be heads."""
    declared = {UserId(head) for each in declaration.spaces.values() for head in each.heads}
    current = await current_among(tx.connection, declared)
    spaces = {
        slug: replace(each, heads=tuple(head for head in each.heads if UserId(head) in current))
        for slug, each in declaration.spaces.items()
    }
    return replace(declaration, spaces=spaces), sorted(declared - current.keys())


async def recollect_spaces(tx: Transaction, hall: CityHall, found: Sequence[FoundRoom]) -> None:
    """Bring the records of spaces to what their rooms say, and enter the ids of all rooms."""
    picture = await hall.picture(tx)
    own = [each for each in found if each.key.startswith(SPACE) and "/" not in each.key]
    spaces = {each.key.removeprefix(SPACE): each for each in own}
    linked = {child: slug for slug, each in spaces.items() for child in each.children}
    for slug, each in spaces.items():
        before = picture.records.get(slug)
        after = _as_found(picture, slug, each, linked)
        if after is None or after == before:
            continue
        values = space_to_row(after, now())
        if before is None:
            await tx.connection.execute(insert(space).values(values))
        else:
            await tx.connection.execute(update(space).where(space.c.slug == slug).values(values))
    picture = await hall.picture(tx)
    await register_rooms(tx, [room for slug in picture.records for room in picture.register_of(slug)])
    ids = {each.key: each.room_id for each in found if each.key}
    for row in (await hall.picture(tx)).rooms.values():
        key = f"{row.owner}/{row.key}" if row.key else row.owner
        if key in ids:
            await note_room(tx, row.alias_localpart, ids[key])


def _as_found(picture: Picture, slug: str, room: FoundRoom, linked: Mapping[RoomId, str]) -> SpaceRecord | None:
    record = picture.records.get(slug)
    if record is None:
        record = _made_by_command(picture, slug, room)
    if record is None or record.space.kind in (HALL, GROUP):
        return record  # no command changes these
    before, rule = record.space, picture.kinds[record.space.kind].space
    above = picture.records.get(linked.get(room.room_id, ""))
    after = replace(
        before,
        name=_changed(before.name, rule.name.ja == "{name}", room.name),
        purpose=_changed(before.purpose, rule.topic.ja == "{purpose}", room.topic),
        # What is archived is linked nowhere: it stays where the files have it.
        parent=above.space.slug if above is not None and above.space.kind == GROUP else before.parent,
    )
    return replace(record, space=after, lifecycle=Lifecycle.ARCHIVED if room.archived else Lifecycle.ACTIVE)


def _made_by_command(picture: Picture, slug: str, room: FoundRoom) -> SpaceRecord | None:
    """Return a record of a space that no file declares: only divisions are made so."""
    kind: Kind | None = picture.kinds.get(DIVISION)
    groups = [record.space.slug for record in picture.records.values() if record.space.kind == GROUP]
    if kind is None or not groups or room.alias[1:].partition(":")[0] != alias_localpart(kind, slug, kind.space):
        return None
    last = max((r.space.order for r in picture.records.values()), default=0)
    nothing = Names("", "")
    one = Space(slug=slug, kind=DIVISION, parent=groups[0], name=nothing, purpose=nothing, order=last + 1)
    return SpaceRecord(one, Lifecycle.ACTIVE, None)


def _changed(names: Names, told: bool, seen: str) -> Names:
    """Return names as the room shows them; rooms show the Japanese one, so a changed one stands for both."""
    return Names(seen, seen) if told and seen and seen != names.ja else names


async def recollect_heads(tx: Transaction, hall: CityHall, heads: Heads, found: Sequence[FoundRoom]) -> int:
    """Make heads of the members who have a head's power in a space, and of nobody else; return how many there are."""
    picture, count = await hall.picture(tx), 0
    for room in found:
        slug = room.key.removeprefix(SPACE)
        record = picture.records.get(slug)
        if record is None or record.space.parent is None:
            continue  # no space, or the hall: there it is the secretariat that has power
        powerful = [user_id for user_id, power in room.powers.items() if power >= HEAD_POWER]
        wanted, have = set(await current_among(tx.connection, powerful)), set(picture.heads(slug))
        for user_id in sorted(have - wanted):
            await heads.end(tx, slug, user_id)
        for user_id in sorted(wanted - have):
            await heads.write(tx, slug, user_id, by=picture.bot)
        count += len(wanted)
    return count
