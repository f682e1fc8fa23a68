"""A community of any size, on record and on the homeserver in memory, filled in bulk: for ``community_run``.

Its shape does not change with its size: about a hundred people a room, ten rooms a division, five rooms a person. Only
the hall, in which everybody is, and the register grow.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.catalogue import load_declaration
from oshiyakusho_matrix.divisions.merge import merge
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import Mandate, kind_to_json, mandate, space, space_kind, space_to_row
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.fake_room import FakeRoom
from oshiyakusho_matrix.reconcile.rooms import new_room
from oshiyakusho_matrix.roster.domain import HallState, ManagedRoom, Standing
from oshiyakusho_matrix.roster.tables import managed_room, member
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.divisions.small_hall import write_hall
from tests.support.fake_city import SECRETARY, SERVER

ROOMS_EACH = 5
_IN_A_DIVISION = 10
_GROUP = "- slug: {slug}\n    name: {{ja: {slug}, en: {slug}}}\n    purpose: {{ja: 企画, en: Planning}}"
_HALL = """\
hall:
  slug: cityhall
  name: {{ja: 市役所, en: City Hall}}
  purpose: {{ja: 学び合う, en: Learn}}
groups:
  {groups}
"""
_KINDS = """\
kinds:
  hall:
    alias: cityhall
    space: {{join_rule: invite}}
    rooms:
      - key: jimukyoku
        name: {{ja: 事務局室, en: Office}}
        topic: {{ja: 事務局, en: Secretariat}}
        join_rule: invite
        audience: secretariat
      - key: genkan
        name: {{ja: 玄関, en: Entrance}}
        topic: {{ja: 入り方, en: How to come in}}
        join_rule: knock
        audience: nobody
  group:
    alias: cityhall-{{slug}}
  division:
    alias: ka-{{slug}}
    rooms:
      {rooms}
"""
_ROOM = """\
- key: heya{n}
        name: {{ja: "{{name}} {n}", en: "{{name}} {n}"}}
        topic: {{ja: 話, en: Talk}}"""
_DIVISION = "slug: {slug}\nname: {{ja: {slug}課, en: {slug}}}\npurpose: {{ja: 財政, en: Finance}}\ngroup: {group}\n"


@dataclass(frozen=True, slots=True)
class Size:
    """How many people, and about how many rooms."""

    members: int
    rooms: int

    def person(self, number: int) -> UserId:
        """Return one of the members."""
        return UserId(f"@shokuin{number}:{SERVER}")


def write_files(directory: Path, size: Size) -> Path:
    """Declare divisions enough, in groups of 25."""
    divisions = [f"ka{number}" for number in range(size.rooms // _IN_A_DIVISION)]
    groups = [f"bu{number}" for number in range(len(divisions) // 25 + 1)]
    rooms = "\n      ".join(_ROOM.format(n=n) for n in range(1, _IN_A_DIVISION))
    files = {
        "cityhall.yaml": _HALL.format(groups="\n  ".join(_GROUP.format(slug=slug) for slug in groups)),
        "kinds.yaml": _KINDS.format(rooms=rooms),
        "divisions/zaisei.yaml": None,
    }
    for number, slug in enumerate(divisions):
        files[f"divisions/{slug}.yaml"] = _DIVISION.format(slug=slug, group=groups[number // 25])
    return write_hall(directory, files)  # type: ignore[arg-type]


async def fill(store: Store, hs: FakeHomeserver, rooms: Path, size: Size) -> Sequence[RoomId]:
    """Write the records, and make the rooms with everybody in theirs; return the rooms below the hall.

    Each division has a head whose mandate ends, so that its rooms are on the clock, too.
    """
    declaration = load_declaration(rooms)
    records = merge(declaration, {}, {}).records
    until = now() + timedelta(days=90)
    held = {
        slug: [Mandate(slug, size.person(number), "head", now(), until)]
        for number, slug in enumerate(s for s, r in records.items() if r.space.kind == "division")
    }
    picture = Picture(SERVER, hs.bot, declaration.kinds, records, {}, held, [SECRETARY], {})
    register = {room.alias_localpart: room for slug in records for room in picture.register_of(slug)}
    made = _make_rooms(hs, replace(picture, rooms=register))
    _gather(hs, made, size)
    hs.world.outgoing.clear()
    async with store.transaction() as tx:
        kinds = [{"key": key, "content": kind_to_json(kind)} for key, kind in declaration.kinds.items()]
        await tx.connection.execute(insert(space_kind), kinds)
        await tx.connection.execute(insert(space), [space_to_row(each, now()) for each in records.values()])
        await tx.connection.execute(insert(managed_room), [_as_row(room) for room in made.rooms.values()])
        granted = {"office": "head", "since": now(), "until": until, "granted_by": SECRETARY}
        heads = [{"slug": slug, "user_id": mandates[0].user_id, **granted} for slug, mandates in held.items()]
        await tx.connection.execute(insert(mandate), heads)
        await tx.connection.execute(insert(member), list(_member_rows(size)))
    return [room.room_id for room in made.rooms.values() if not room.role and room.room_id is not None]


def _make_rooms(hs: FakeHomeserver, picture: Picture) -> Picture:
    """Make every room, complete: the hall first, then rooms, then the spaces that link them."""
    hall = next(slug for slug, record in picture.records.items() if record.space.parent is None)

    def order(room: ManagedRoom) -> int:
        if room.role == "hall":
            return 0
        return 1 if room.key else 2 if picture.records[room.owner[6:]].space.kind == "division" else 3

    rooms = dict(picture.rooms)
    for room in sorted(picture.rooms.values(), key=order):
        found = picture.find(room.alias_localpart)
        assert found is not None
        desired = replace(picture, rooms=rooms).desired(*found)
        room_id = hs.world.create(new_room(desired), hs.bot)
        rooms[room.alias_localpart] = replace(room, room_id=room_id)
    made = replace(picture, rooms=rooms)
    hall_id = made.room_id(hall)
    assert hall_id is not None
    for child, content in made.children(hall).items():
        hs.world.impose(hs.world.rooms[hall_id], hs.bot, "m.space.child", child, content)
    return made


def _gather(hs: FakeHomeserver, picture: Picture, size: Size) -> None:
    """Put everybody into the hall and into five rooms, and the secretary into the office."""
    chance = random.Random(1)  # noqa: S311 - the same community each time, not a secret
    by_role = {room.role: hs.world.rooms[room.room_id] for room in picture.rooms.values() if room.role and room.room_id}
    others = [hs.world.rooms[r.room_id] for r in picture.rooms.values() if not r.role and r.room_id is not None]
    for number in range(size.members):
        for room in (by_role["hall"], *chance.sample(others, ROOMS_EACH)):
            _enter(room, size.person(number), f"${number}-{room.room_id}")
    for room in by_role.values():
        _enter(room, SECRETARY, f"$secretary-{room.room_id}")


_JOINED: dict[str, Any] = {"membership": "join"}
_UNSIGNED: dict[str, Any] = {}


def _enter(room: FakeRoom, user_id: UserId, event_id: str) -> None:
    """Add a join without asking anybody; what can be shared is, to keep the homeserver's own memory small."""
    event = {"event_id": event_id, "room_id": room.room_id, "sender": user_id, "type": "m.room.member"}
    event |= {"origin_server_ts": 0, "content": _JOINED, "unsigned": _UNSIGNED, "state_key": user_id}  # type: ignore[dict-item]
    room.add(event)


def _as_row(room: ManagedRoom) -> dict[str, Any]:
    names = ("alias_localpart", "owner", "key", "audience", "role", "room_id")
    return {name: getattr(room, name) for name in names}


def _member_rows(size: Size) -> Iterator[dict[str, Any]]:
    at = now() - timedelta(days=30)
    common = {"standing": Standing.ADMITTED, "hall": HallState.JOINED, "changed_at": at, "changed_by": SECRETARY}
    yield common | {"user_id": SECRETARY, "secretariat": True, "office": HallState.JOINED}
    for number in range(size.members):
        yield common | {"user_id": size.person(number), "secretariat": False, "office": HallState.LEFT}
