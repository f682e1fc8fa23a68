"""The whole city hall, read from the records in one go: which rooms there should be, and what each should say.

``Picture`` is immutable and answers for any room of it; the controller reads one for its room, ``rooms plan`` one for
all, and one that is merged with the files but not saved.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.divisions.desired import Surroundings, alias_localpart, child_link, desired_room
from oshiyakusho_matrix.divisions.domain import GROUP, HALL, Audience, Kind, Lifecycle, Posting, RoomRule
from oshiyakusho_matrix.divisions.tables import Mandate, SpaceRecord, kinds, mandates, spaces
from oshiyakusho_matrix.homeserver.interface import Content
from oshiyakusho_matrix.reconcile.room_plan import DesiredRoom
from oshiyakusho_matrix.roster.domain import ManagedRoom
from oshiyakusho_matrix.roster.stages import speakers
from oshiyakusho_matrix.roster.tables import current_among, find_managed_room, managed_rooms, members


@dataclass(frozen=True, slots=True)
class Picture:
    """The records of the city hall at one moment. ``rooms`` is the register, by alias localpart."""

    server_name: str
    bot: UserId
    kinds: Mapping[str, Kind]
    records: Mapping[str, SpaceRecord]
    rooms: Mapping[str, ManagedRoom]
    mandates: Mapping[str, Sequence[Mandate]]
    secretariat: Sequence[UserId]
    speakers: Mapping[str, Collection[UserId]]

    @property
    def hall(self) -> SpaceRecord | None:
        """Return the root space; None before anything was applied."""
        return next((r for r in self.records.values() if r.space.parent is None), None)

    def heads(self, slug: str) -> list[UserId]:
        """Return who is head of a space now."""
        return list(dict.fromkeys(held.user_id for held in self.mandates.get(slug, ())))

    def next_change(self, slug: str) -> datetime | None:
        """Return when the next mandate of a space lapses: its rooms are due again then."""
        return min((held.until for held in self.mandates.get(slug, ()) if held.until is not None), default=None)

    def rules(self, slug: str) -> Iterator[RoomRule]:
        """Yield the rules of a space's rooms, its own first; none if its kind cannot be read."""
        kind = self.kinds.get(self.records[slug].space.kind)
        if kind is None:
            return
        yield kind.space
        yield from kind.rooms

    def localpart(self, slug: str, rule: RoomRule) -> str:
        """Return the alias localpart of a room."""
        return alias_localpart(self.kinds[self.records[slug].space.kind], slug, rule)

    def register_of(self, slug: str) -> list[ManagedRoom]:
        """Return what the register must list for a space."""
        is_hall = self.records[slug].space.parent is None
        return [
            ManagedRoom(
                alias_localpart=self.localpart(slug, rule),
                owner=f"space:{slug}",
                key=rule.key,
                audience=rule.audience,
                role=_role(rule, is_hall=is_hall),
            )
            for rule in self.rules(slug)
        ]

    def room_id(self, slug: str, key: str = "") -> RoomId | None:
        """Return the id of a room, if it is on record."""
        for rule in self.rules(slug):
            if rule.key == key and (row := self.rooms.get(self.localpart(slug, rule))):
                return row.room_id
        return None

    def find(self, localpart: str) -> tuple[SpaceRecord, RoomRule] | None:
        """Return the space and the rule of a room of the register; None for one that no kind wants any more."""
        row = self.rooms.get(localpart)
        if row is None:
            return None
        slug = row.owner.removeprefix("space:")
        record = self.records.get(slug)
        if record is None or record.space.kind not in self.kinds:
            return None
        # A kind whose alias pattern changed wants a room of another name, not this one under it.
        named = ((rule, self.localpart(slug, rule)) for rule in self.rules(slug))
        return next(((record, rule) for rule, name in named if name == localpart), None)

    def children(self, slug: str) -> dict[RoomId, Content]:
        """Return the child links of a space: its rooms, then the active spaces below it."""
        links: dict[RoomId, Content] = {}
        record = self.records[slug]
        kind = self.kinds[record.space.kind]
        for position, rule in enumerate(kind.rooms):
            if (room_id := self.room_id(slug, rule.key)) is not None:
                links[room_id] = child_link(record.space, rule, self.server_name, position)
        for child in self.records.values():
            active = child.lifecycle is Lifecycle.ACTIVE and child.space.kind in self.kinds
            if child.space.parent == slug and active and (room_id := self.room_id(child.space.slug)) is not None:
                rule = self.kinds[child.space.kind].space
                links[room_id] = child_link(child.space, rule, self.server_name, 1000 + child.space.order)
        return links

    def desired(self, record: SpaceRecord, rule: RoomRule) -> DesiredRoom:
        """Return a room as it should be. ``NotYet`` while what it is restricted to does not exist."""
        slug = record.space.slug
        hall = self.hall
        around = Surroundings(
            server_name=self.server_name,
            bot=self.bot,
            hall_id=self.room_id(hall.space.slug) if hall else None,
            space_id=self.room_id(slug),
        )
        staff = self.secretariat if record.space.parent is None else self.heads(slug)
        if rule.posting is Posting.SPEAKERS:
            staff = sorted(self.speakers.get(self.localpart(slug, rule), ()))
        if rule.audience is Audience.NOBODY:
            staff = []  # who is no member may read its state, and none of them is inside
        return desired_room(
            record.space,
            self.kinds[record.space.kind],
            rule,
            around,
            staff=staff,
            lifecycle=record.lifecycle,
            children={} if rule.key else self.children(slug),
        )


def _role(rule: RoomRule, *, is_hall: bool) -> str:
    if is_hall and not rule.key:
        return "hall"
    return {Audience.SECRETARIAT: "office", Audience.NOBODY: "porch"}.get(rule.audience, "")


async def take_picture(
    connection: AsyncConnection, *, server_name: str, bot: UserId, around: str | None = None, slug: str | None = None
) -> Picture:
    """Read the records: all, or as much as the room ``around`` (an alias localpart), or the space ``slug``, depends on.

    A look at every room would otherwise read everything as often as there are rooms.
    """
    if around is not None:
        row = await find_managed_room(connection, alias_localpart=around)
        slug = row.owner.removeprefix("space:") if row else ""
    records = await spaces(connection, around=slug)
    owners = None if slug is None else {f"space:{each}" for each in (slug, *records)}
    by_space: dict[str, list[Mandate]] = {}
    held_now = await mandates(connection, now(), slug=slug)
    current = await current_among(connection, {held.user_id for held in held_now})
    for held in held_now:
        if held.user_id in current:
            by_space.setdefault(held.slug, []).append(held)
    return Picture(
        server_name=server_name,
        bot=bot,
        kinds=await kinds(connection),
        records=records,
        rooms={r.alias_localpart: r for r in await managed_rooms(connection, owners=owners)},
        mandates=by_space,
        secretariat=[m.user_id for m in await members(connection, secretariat=True)],
        speakers=await speakers(connection),
    )


def find_division(picture: Picture, slug: str) -> SpaceRecord:
    """Return a division or a circle by its short name, or by its full one if no other has it; else Refused."""
    divisions = {s: r for s, r in picture.records.items() if r.space.kind not in (HALL, GROUP)}
    wanted = fold(slug)
    if wanted.startswith("#"):
        # The address, as `!division show` tells it.
        row = picture.rooms.get(wanted[1:].partition(":")[0])
        wanted = row.owner.removeprefix("space:") if row is not None else wanted
    if wanted in divisions:
        return divisions[wanted]
    found = [r for r in divisions.values() if wanted in (fold(r.space.name.ja), fold(r.space.name.en))]
    if not found:
        raise Refused(say("There is no division {slug}. `!division list` shows them all.", slug=slug))
    if len(found) > 1:
        slugs = "、".join(r.space.slug for r in found)
        raise Refused(
            say(
                "Several divisions are called {name}: {slugs}. Give the short name of the one you mean.",
                name=slug,
                slugs=slugs,
            )
        )
    return found[0]
