"""The one law of the gate: whoever is not a current member is in no gated room. Read from the homeserver itself."""

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.divisions.domain import Audience
from oshiyakusho_matrix.roster.tables import managed_rooms, members
from tests.e2e.city import City
from tests.e2e.talk import refused
from tests.e2e.waiting import eventually
from tests.support.users import MatrixUser

#: Whoever knocks at the entrance waits outside of it; everywhere else a knock has no business either.
INSIDE = ("join", "invite")
#: The hall with all four of its rooms, three groups, three divisions and two circles with theirs.
GATED_AT_LEAST = 5 + 3 + 3 * 4 + 2 * 2


async def assert_law_of_the_gate(city: City) -> None:
    """Read the members of every managed room; nobody outside the records is joined or invited (or knocks within)."""
    await city.idle()
    async with city.app.store.reading() as connection:
        rooms = [room for room in await managed_rooms(connection) if room.gated and room.room_id is not None]
        everybody = await members(connection)
    hall = {member.user_id for member in everybody}
    office = {member.user_id for member in everybody if member.secretariat}
    assert len(rooms) >= GATED_AT_LEAST, "the hall has lost rooms"
    for room in rooms:
        assert room.room_id is not None
        own = {Audience.SECRETARIAT: office, Audience.NOBODY: set[UserId]()}.get(Audience(room.audience), hall)
        allowed = own | {city.bot}
        watched = INSIDE if room.role == "porch" else (*INSIDE, "knock")
        inside = {
            event.state_key
            for event in await city.app.homeserver.room_state(room.room_id)
            if event.type == "m.room.member" and event.content.get("membership") in watched
        }
        assert city.bot in inside, f"the bot is not in {room.alias_localpart}"
        assert inside <= allowed, f"in {room.alias_localpart}, against the law of the gate: {inside - allowed}"


async def assert_outside(city: City, *people: MatrixUser) -> None:
    """Expect each to be in no gated room, by the hub and by their own server, and to be refused when they try.

    At the entrance they may wait.
    """
    await city.idle()
    rooms = await city.gated_rooms()
    for person in people:
        for localpart, room_id in rooms.items():
            outside = (None, "leave", "knock") if localpart == "cityhall-genkan" else (None, "leave")
            assert await city.membership(room_id, person.user_id) in outside, f"{person.user_id} in {localpart}"

        async def out(person: MatrixUser = person) -> bool | None:
            return None if set(rooms.values()) & await person.joined_rooms() else True

        await eventually(out, person, what="their own server saying that they are out of every room")
        for localpart in ("cityhall", "ka-zaisei", "ka-zaisei-soudan", "kenjinkai-13-danwa"):
            await refused(person.join(city.alias(localpart), via=city.via))
