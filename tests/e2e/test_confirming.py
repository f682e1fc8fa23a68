"""What destroys something waits for ✅ from whoever asked, and from nobody else."""

import pytest

from tests.e2e.city import City, new_slug
from tests.e2e.conftest import Person
from tests.e2e.talk import ask, body, enter, is_japanese, outcome_of
from tests.support.users import MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFFICE = "cityhall-jimukyoku"


async def test_a_removal_waits_for_the_asker_and_for_nobody_else(city: City, person: Person) -> None:
    office, member = await city.room(OFFICE), await person("waits")
    await city.admit(member)
    room = (await enter(city, member, "ka-koho-danwa"))[0]
    asked = await city.clerk.say(office, f"!member remove {member.user_id}")
    preview = await outcome_of(city.clerk, office, asked, "Nothing has been done yet.")
    assert member.user_id in body(preview)

    await city.secretary.react(office, preview["event_id"], "✅")
    await city.clerk.react(office, preview["event_id"], "👍")
    await outlive(city, office)
    assert await city.membership(room, member.user_id) == "join"

    # As Element and Cinny send it: with a variation selector.
    await city.clerk.react(office, preview["event_id"], "✅️")
    await outcome_of(city.clerk, office, asked, f"{member.user_id} is no member any more.")
    assert await city.membership(room, member.user_id) == "leave"


async def test_a_declined_command_does_nothing_even_if_confirmed_afterwards(city: City) -> None:
    office, slug = await city.room(OFFICE), new_slug()
    await ask(city.clerk, office, f"!division create {slug} 検査課 --group kikaku", "is open")
    asked = await city.clerk.say(office, f"!division archive {slug}")
    preview = await outcome_of(city.clerk, office, asked, "検査課 will be archived")
    await city.clerk.react(office, preview["event_id"], "❌")
    await outcome_of(city.clerk, office, asked, "I leave it as it is; nothing was done.")
    await city.clerk.react(office, preview["event_id"], "✅")
    await outlive(city, office)
    assert "archived" not in body(await ask(city.clerk, office, f"!division show {slug}"))


async def test_the_preview_is_in_the_askers_language(city: City, person: Person) -> None:
    office, member = await city.room(OFFICE), await person("previewed")
    await city.admit(member)
    preview = body(await ask(city.secretary, office, f"！会員　除名　{member.user_id}", "✅"))
    assert is_japanese(preview)
    assert member.user_id in preview


async def test_yes_goes_ahead_at_once_in_either_language(city: City, person: Person) -> None:
    office = await city.room(OFFICE)
    for secretary, command in ((city.clerk, "!member remove {} --yes"), (city.secretary, "！会員　除名　{}　－－はい")):
        member = await person(f"gone-{secretary.user_id[1]}")
        await city.admit(member)
        await ask(secretary, office, command.format(member.user_id), member.user_id)
        await outlive(city, office, secretary)
        assert await city.membership(await city.room("cityhall"), member.user_id) == "leave"


async def test_a_secretary_who_has_left_confirms_nothing_any_more(city: City, person: Person) -> None:
    office, hasty, member = await city.room(OFFICE), await person("hasty"), await person("stays")
    await city.admit(hasty, secretariat=True)
    await city.admit(member)
    desk = (await enter(city, hasty, "cityhall-annai"))[0]
    await ask(hasty, desk, "!language en")
    asked = await hasty.say(desk, f"!member remove {member.user_id}")
    preview = await outcome_of(hasty, desk, asked, "Nothing has been done yet.")
    await hasty.leave(office)
    await hasty.react(desk, preview["event_id"], "✅")
    await outcome_of(hasty, desk, asked, "Only the secretariat")
    assert await city.membership(await city.room("cityhall"), member.user_id) == "join"


async def outlive(city: City, room_id: str, person: MatrixUser | None = None) -> None:
    """Wait until everything said in a room so far has been handled: its events are handled in order."""
    await ask(person or city.clerk, room_id, "!status")
    await city.idle()
