"""Use cases of the city hall: apply the files; make, change, archive a division.

Each changes records and asks for the rooms concerned; controllers do the rest.
"""

from dataclasses import replace

from sqlalchemy import delete, insert, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.asking import ask_everything, ask_space
from oshiyakusho_matrix.divisions.catalogue.fields import NAME_BYTES
from oshiyakusho_matrix.divisions.domain import DIVISION, GROUP, Declaration, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.merge import HeadChange, Merged, merge
from oshiyakusho_matrix.divisions.names import check_names, edited
from oshiyakusho_matrix.divisions.picture import Picture, find_division, take_picture
from oshiyakusho_matrix.divisions.tables import (
    SpaceRecord,
    any_space,
    kind_to_json,
    space,
    space_kind,
    space_to_row,
    title,
    unreadable_spaces,
)
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.reconcile.reports import describe_plainly
from oshiyakusho_matrix.roster.events import Happened, MemberEntered, MemberLeft, MemberRemoved
from oshiyakusho_matrix.roster.service import register_rooms
from oshiyakusho_matrix.roster.tables import room_in_role
from oshiyakusho_matrix.store.statements import one_at_a_time, upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: What an address may have in all, with # and the server's name (Matrix specification, "Room aliases").
ALIAS_BYTES = 255


class CityHall:
    """The declared and the living city hall."""

    def __init__(self, *, work: Work, heads: Heads, server_name: str, bot: UserId) -> None:
        self._work = work
        self._heads = heads
        self.server_name = server_name
        self._bot = bot

    async def picture(self, tx: Transaction, *, around: str | None = None, slug: str | None = None) -> Picture:
        """Return the records as this transaction sees them.

        All, or what one room (``around``, an alias localpart) or one space (``slug``) depends on.
        """
        return await take_picture(tx.connection, server_name=self.server_name, bot=self._bot, around=around, slug=slug)

    async def is_empty(self, tx: Transaction) -> bool:
        """Tell whether nothing that can be read was ever applied."""
        return not await any_space(tx.connection)

    async def picture_to_change(self, tx: Transaction) -> Picture:
        """Return the records as they stay until this transaction ends: they are written anew from what is read."""
        await one_at_a_time(tx.connection, 4)
        return await self.picture(tx)

    async def apply(self, tx: Transaction, declaration: Declaration, *, by: UserId) -> tuple[Merged, list[WorkKey]]:
        """Merge the files into the records and ask for every room. Refused if a head named in the files is no member.

        Returns what changed on record, and the keys that were asked for.
        """
        before = await self.picture_to_change(tx)
        merged = merge(declaration, before.kinds, before.records)
        await self._heads.check(tx, [change.user_id for change in merged.heads if change.appointed])
        for key in merged.kinds_changed:
            await tx.connection.execute(delete(space_kind).where(space_kind.c.key == key))
            content = kind_to_json(merged.kinds[key])
            await tx.connection.execute(insert(space_kind).values(key=key, content=content))
        for changed in merged.changes:
            await self._save(tx, changed.after, new=changed.before is None)
        for change in merged.heads:
            await self._change_head(tx, change, by=by)
        picture = await self.picture(tx)
        active = [c.after.space.slug for c in merged.changes if c.after.lifecycle is Lifecycle.ACTIVE]
        check_names(picture, active)
        _keep_addresses(picture)
        await register_rooms(tx, [room for slug in picture.records for room in picture.register_of(slug)])
        return merged, await ask_everything(tx, self._work, await self.picture(tx))

    async def look_at_everything(self, tx: Transaction) -> None:
        """Ask for every room, once a day and at each start."""
        await ask_everything(tx, self._work, await self.picture(tx))

    async def create(self, tx: Transaction, *, slug: str, group: str, name: Names, purpose: Names) -> list[WorkKey]:
        """Make a division. Refused if the slug was ever used, its addresses are taken, or there is no such group."""
        picture = await self.picture_to_change(tx)
        if slug in picture.records or await unreadable_spaces(tx.connection, [slug]):
            taken = picture.records[slug].space.name.ja if slug in picture.records else slug
            raise Refused(
                say("The short name {slug} belongs to {name} already. Choose another one.", slug=slug, name=taken)
            )
        _check_group(picture, group)
        if DIVISION not in picture.kinds:
            why = say("The files declare no kind of space called {kind}.", kind=DIVISION)
            raise Refused(why, turn_to_others=True)
        last = max((r.space.order for r in picture.records.values() if r.space.parent == group), default=0)
        record = SpaceRecord(
            Space(slug=slug, kind=DIVISION, parent=group, name=name, purpose=purpose, order=last + 1),
            Lifecycle.ACTIVE,
            None,
        )
        after = replace(picture, records={**picture.records, slug: record})
        check_names(after, [slug])
        _check_sizes(after, slug)
        rooms = after.register_of(slug)
        clash = next((r.alias_localpart for r in rooms if r.alias_localpart in picture.rooms), None)
        if clash is not None:
            raise Refused(say("The address #{alias} is taken by another room. Choose another short name.", alias=clash))
        await self._save(tx, record, new=True)
        await register_rooms(tx, rooms)
        return await ask_space(tx, self._work, await self.picture(tx), slug)

    async def edit(
        self, tx: Transaction, slug: str, *, name: Names, purpose: Names, group: str | None
    ) -> list[WorkKey]:
        """Change what is given (an empty name or purpose keeps the old one). Refused if nothing would change."""
        picture = await self.picture_to_change(tx)
        record = find_division(picture, slug)
        before = record.space
        if group is not None:
            _check_group(picture, group)
        names, purposes = edited(before, name, purpose)
        after = replace(before, name=names, purpose=purposes, parent=group or before.parent)
        if after == before:
            raise Refused(say("Nothing would change. Say what: `--name`, `--name-en`, `--purpose` or `--group`."))
        changed = replace(record, space=after)
        then = replace(picture, records={**picture.records, slug: changed})
        if names != before.name:
            check_names(then, [slug])
        _check_sizes(then, slug)
        await self._save(tx, changed, new=False)
        # Asked for before and after: if it moved, the old group drops its link too.
        keys = await ask_space(tx, self._work, picture, slug)
        return sorted({*keys, *await ask_space(tx, self._work, await self.picture(tx), slug)})

    async def set_lifecycle(self, tx: Transaction, slug: str, lifecycle: Lifecycle) -> list[WorkKey]:
        """Archive a division, or open an archived one again. Refused if it is in that state."""
        picture = await self.picture_to_change(tx)
        record = find_division(picture, slug)
        refuse_if(record, lifecycle)
        if lifecycle is Lifecycle.ACTIVE:
            check_names(picture, [slug])
        await self._save(tx, replace(record, lifecycle=lifecycle), new=False)
        return await ask_space(tx, self._work, await self.picture(tx), slug)

    async def describe(self, tx: Transaction, key: WorkKey) -> Text:
        """Name what work is about by what people call it: rooms by their titles, the rest plainly."""
        if key.kind == "room":
            found = (await self.picture(tx, around=key.name)).find(key.name)
            if found is not None:
                return say("the room {name}", name=title(*found))
        return await describe_plainly(tx, key)

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """End the mandates of whoever is removed; keep the power levels of the hall true to the secretariat.

        Reads no more than the spaces concerned: what somebody's coming and going costs does not grow with the hall.
        """
        removed = isinstance(happened, MemberRemoved)
        if isinstance(happened, MemberEntered | MemberLeft) or not (removed or happened.secretariat):
            return
        await one_at_a_time(tx.connection, 4)
        if removed:
            for slug in await self._heads.end_all(tx, happened.user_id):
                await self._ask_if_known(tx, slug)
        hall = await room_in_role(tx.connection, "hall")
        if happened.secretariat and hall is not None:
            await self._ask_if_known(tx, hall.owner.removeprefix("space:"))

    async def _ask_if_known(self, tx: Transaction, slug: str) -> None:
        picture = await self.picture(tx, slug=slug)
        if slug in picture.records:
            await ask_space(tx, self._work, picture, slug)

    async def _change_head(self, tx: Transaction, change: HeadChange, *, by: UserId) -> None:
        user_id = UserId(change.user_id)
        if change.appointed:
            await self._heads.write(tx, change.slug, user_id, by=by)
        else:
            await self._heads.end(tx, change.slug, user_id)

    async def _save(self, tx: Transaction, record: SpaceRecord, *, new: bool) -> None:
        values = space_to_row(record, now())
        if new:
            # Written over what is there: a record that cannot be read is mended by applying the files.
            written = upsert(tx.connection, space).values(values)
            await tx.connection.execute(written.on_conflict_do_update(index_elements=[space.c.slug], set_=values))
        else:
            await tx.connection.execute(update(space).where(space.c.slug == record.space.slug).values(values))


def refuse_if(record: SpaceRecord, lifecycle: Lifecycle) -> None:
    """Refuse to bring a division to where it is already."""
    if record.lifecycle is lifecycle:
        state = say("archived") if lifecycle is Lifecycle.ARCHIVED else say("active")
        raise Refused(say("{name} is {state} already.", name=record.space.name.ja, state=state))


def _keep_addresses(picture: Picture) -> None:
    """Refuse files that would move the hall, 事務局室 or 玄関: gate, secretariat and links hang on these."""
    have = {room.role: room.alias_localpart for room in picture.rooms.values() if room.role}
    for room in (room for slug in picture.records for room in picture.register_of(slug)):
        if room.role in have and have[room.role] != room.alias_localpart:
            raise Refused(
                say(
                    "The address #{old} would become #{new}. The hall, the secretariat's room and the entrance keep "
                    "theirs for life: put slug, alias and key back as they were in the files.",
                    old=have[room.role],
                    new=room.alias_localpart,
                ),
                turn_to_others=True,
            )


def _check_group(picture: Picture, group: str) -> None:
    groups = [s for s, r in picture.records.items() if r.space.kind == GROUP and r.lifecycle is Lifecycle.ACTIVE]
    if group not in groups:
        raise Refused(say("There is no group {group}. The groups are: {groups}", group=group, groups="、".join(groups)))


def _check_sizes(picture: Picture, slug: str) -> None:
    """Refuse names and addresses that Matrix, or clients by convention, would not take from its rooms."""
    for rule in picture.rules(slug):
        name = title(picture.records[slug], rule)
        size = len(name.encode())
        if size > NAME_BYTES:
            raise Refused(
                say(
                    "The name of the room “{name}” would have {size} bytes; {limit} are allowed. "
                    "Choose a shorter name.",
                    name=name,
                    size=size,
                    limit=NAME_BYTES,
                )
            )
        alias = f"{picture.localpart(slug, rule)}:{picture.server_name}"
        size = len(f"#{alias}".encode())
        if size > ALIAS_BYTES:
            raise Refused(
                say(
                    "The address #{alias} would have {size} bytes; {limit} are allowed. Choose a shorter short name.",
                    alias=alias,
                    size=size,
                    limit=ALIAS_BYTES,
                )
            )
