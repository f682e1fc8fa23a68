"""The rooms of the city hall that the demo speaks of, found in the records: it works with any declared city hall."""

from collections.abc import Iterator
from dataclasses import dataclass

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId
from oshiyakusho_matrix.divisions.domain import DIVISION, GROUP, HALL, Audience, Lifecycle, Posting, RoomRule
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import SpaceRecord, title

#: Shown first, if the city hall has it.
FAVOURITE = "zaisei"


@dataclass(frozen=True, slots=True)
class Place:
    """One room or space. ``room_id`` is None until it is made."""

    alias: RoomAlias
    name: str
    room_id: RoomId | None
    posting: Posting
    audience: Audience

    @property
    def id(self) -> RoomId:
        """Its room id; ``Misconfigured`` while there is none."""
        if self.room_id is None:
            raise Misconfigured(f"{self.alias} has not been made yet.")
        return self.room_id


@dataclass(frozen=True, slots=True)
class Division:
    """A division with its rooms."""

    slug: str
    name: str
    space: Place
    rooms: tuple[Place, ...]

    @property
    def talk(self) -> Place:
        """The first room in which everybody writes."""
        return _first(self.rooms, Posting.ALL, self.slug)

    @property
    def news(self) -> Place | None:
        """The room in which heads write, if there is one."""
        return next((room for room in self.rooms if room.posting is Posting.HEADS), None)


@dataclass(frozen=True, slots=True)
class Places:
    """What the demo needs to know. ``porch`` is where people knock, ``gated`` are all rooms with a gate."""

    hall: Place
    porch: Place
    lobby: tuple[Place, ...]
    office: Place
    groups: tuple[str, ...]
    divisions: tuple[Division, ...]
    gated: frozenset[RoomId]

    @property
    def favourite(self) -> Division:
        """The division that the demo shows first."""
        return self.divisions[0]


def places_of(picture: Picture) -> Places:
    """Find the places. ``Misconfigured`` if the city hall has no division in which members write."""
    hall = picture.hall
    if hall is None:
        raise Misconfigured("There is no city hall on record.")
    rooms = tuple(_rooms(picture, hall))
    office = next((room for room in rooms if room.audience is Audience.SECRETARIAT), None)
    porch = next((room for room in rooms if room.audience is Audience.NOBODY), None)
    active = [r for r in picture.records.values() if r.lifecycle is Lifecycle.ACTIVE]
    # Stable: within these, they stay as declared. Circles are declared beside divisions, and come after them here.
    active.sort(key=lambda r: (r.space.slug != FAVOURITE, r.space.kind != DIVISION))
    divisions = [_division(picture, r) for r in active if r.space.kind not in (HALL, GROUP)]
    if office is None or porch is None or not divisions:
        raise Misconfigured("The demo needs a city hall with a secretariat's room, an entrance and a division.")
    return Places(
        hall=_place(picture, hall, picture.kinds[hall.space.kind].space),
        porch=porch,
        lobby=tuple(room for room in rooms if room.audience is Audience.MEMBERS),
        office=office,
        groups=tuple(r.space.name.ja for r in active if r.space.kind == GROUP),
        divisions=tuple(divisions),
        gated=frozenset(row.room_id for row in picture.rooms.values() if row.gated and row.room_id is not None),
    )


async def look_around(app: CityHallApp) -> Places:
    """Find the places as the records are now."""
    async with app.store.transaction() as tx:
        return places_of(await app.hall.picture(tx))


def _division(picture: Picture, record: SpaceRecord) -> Division:
    space = _place(picture, record, picture.kinds[record.space.kind].space)
    return Division(record.space.slug, record.space.name.ja, space, tuple(_rooms(picture, record)))


def _rooms(picture: Picture, record: SpaceRecord) -> Iterator[Place]:
    for rule in picture.kinds[record.space.kind].rooms:
        yield _place(picture, record, rule)


def _place(picture: Picture, record: SpaceRecord, rule: RoomRule) -> Place:
    localpart = picture.localpart(record.space.slug, rule)
    row = picture.rooms.get(localpart)
    return Place(
        alias=RoomAlias(f"#{localpart}:{picture.server_name}"),
        name=title(record, rule),
        room_id=row.room_id if row else None,
        posting=rule.posting,
        audience=rule.audience,
    )


def _first(rooms: tuple[Place, ...], posting: Posting, slug: str) -> Place:
    for room in rooms:
        if room.posting is posting:
            return room
    raise Misconfigured(f"The division {slug} has no room in which everybody writes.")
