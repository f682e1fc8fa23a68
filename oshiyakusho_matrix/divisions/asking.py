"""Asks for the rooms of a space to be looked at, and for the space above it."""

from collections.abc import Collection

from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.reconcile.interface import Priority, Work, WorkKey
from oshiyakusho_matrix.roster.domain import ManagedRoom
from oshiyakusho_matrix.roster.service import room_key
from oshiyakusho_matrix.store.unit_of_work import Transaction


def priority_of(row: ManagedRoom, parents: Collection[str | None]) -> Priority:
    """Return when to make a room: the hall first, then rooms, then the spaces that link them, groups last.

    A space that is made after its rooms carries its links from birth, which saves a request a link. ``parents`` are the
    slugs of the spaces that have others below them.
    """
    if row.role == "hall":
        return Priority.GATE
    if row.key:
        return Priority.ROUTINE
    return Priority.SWEEP if row.owner.removeprefix("space:") in parents else Priority.PARENT


async def ask_everything(tx: Transaction, work: Work, picture: Picture) -> list[WorkKey]:
    """Ask for every room; while there is no hall, only for the hall, whose birth asks for the others."""
    rows = list(picture.rooms.values())
    unborn = [row for row in rows if row.role == "hall" and row.room_id is None]
    parents = {record.space.parent for record in picture.records.values()}
    keys = {room_key(row.alias_localpart): priority_of(row, parents) for row in unborn or rows}
    for priority in sorted(set(keys.values())):
        await work.ask(tx, *(key for key, its in keys.items() if its == priority), priority=priority)
    return list(keys)


async def ask_space(tx: Transaction, work: Work, picture: Picture, slug: str) -> list[WorkKey]:
    """Ask for a space with its rooms (before routine work: somebody waits), and for the space above it."""
    rows = picture.register_of(slug)
    above = picture.records[slug].space.parent
    if above is not None:
        rows += picture.register_of(above)[:1]
    keys = [room_key(row.alias_localpart) for row in rows]
    await work.ask(tx, *keys, priority=Priority.ASKED)
    return keys
