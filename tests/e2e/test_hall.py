"""The declared hall is there, as members and outsiders of either server see it."""

import json
from typing import Any

import pytest

from tests.e2e.city import DIVISIONS, City
from tests.e2e.conftest import Person
from tests.e2e.talk import refused
from tests.e2e.waiting import eventually
from tests.support.users import MatrixError, MatrixUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

GROUPS = ("cityhall-housou", "cityhall-kikaku", "cityhall-zei", "cityhall-kenjinkai")
HALL_ROOMS = ("cityhall-dayori", "cityhall-annai", "cityhall-genkan")
DIVISION_ROOMS = ("oshirase", "soudan", "danwa")
#: What an outsider must never read: names of divisions, circles, their rooms.
SECRETS = (
    *(name for ja, en, _ in DIVISIONS.values() for name in (ja, en)),
    "東京都人会",
    "大阪府人会",
    "談話室",
    "ka-",
)


async def test_the_root_takes_in_whom_it_invites_and_everything_else_is_restricted_to_it(city: City) -> None:
    hall = await city.room("cityhall")
    state = await State.of(city, "cityhall")
    assert state["m.room.create"] == {**state["m.room.create"], "type": "m.space", "room_version": "12"}
    assert state["m.room.join_rules"] == {"join_rule": "invite"}
    gated = [*GROUPS, "cityhall-dayori", "cityhall-annai", "kenjinkai-13", "kenjinkai-13-danwa"]
    gated += [f"ka-{slug}{room}" for slug in DIVISIONS for room in ("", *(f"-{key}" for key in DIVISION_ROOMS))]
    for localpart in gated:
        rules = (await State.of(city, localpart))["m.room.join_rules"]
        allow = [{"type": "m.room_membership", "room_id": hall}]
        assert rules == {"join_rule": "restricted", "allow": allow}, localpart
    assert (await State.of(city, "cityhall-genkan"))["m.room.join_rules"] == {"join_rule": "knock"}


async def test_each_room_has_name_topic_alias_history_and_powers_as_declared(city: City) -> None:
    for slug, (name, _, _) in DIVISIONS.items():
        titles = {"": name, "-oshirase": f"{name} お知らせ", "-soudan": f"{name} 相談室", "-danwa": f"{name} 談話室"}
        for room, title in titles.items():
            state = await State.of(city, f"ka-{slug}{room}")
            assert state["m.room.name"] == {"name": title}
            assert state["m.room.topic"]["topic"]
            assert state["m.room.canonical_alias"] == {"alias": city.alias(f"ka-{slug}{room}")}
            assert state["m.room.history_visibility"] == {"history_visibility": "shared"}
            assert state["m.room.guest_access"] == {"guest_access": "forbidden"}
            assert "m.room.encryption" not in state
            powers = state["m.room.power_levels"]
            assert powers["events_default"] == {"": 100, "-oshirase": 50}.get(room, 0)
            assert (powers["events"]["m.reaction"], powers["events"]["m.room.pinned_events"]) == (0, 50)
            assert {powers[key] for key in ("state_default", "invite", "kick", "ban")} == {100}
            assert powers["users_default"] == 0


async def test_the_secretariats_room_is_never_federated_and_by_invitation_only(city: City) -> None:
    state = await State.of(city, "cityhall-jimukyoku")
    assert state["m.room.create"]["m.federate"] is False
    assert state["m.room.join_rules"] == {"join_rule": "invite"}
    assert (await State.of(city, "cityhall-dayori"))["m.room.create"].get("m.federate", True) is True


async def test_each_space_links_its_rooms_and_spaces_with_a_way_to_them(city: City) -> None:
    links = {
        "cityhall": [*HALL_ROOMS, "cityhall-jimukyoku", *GROUPS],
        "cityhall-housou": [f"cityhall-housou-{key}" for key in ("studio", "kanran", "studio2", "kanran2")],
        "cityhall-kenjinkai": ["kenjinkai-13", "kenjinkai-27"],
        "kenjinkai-27": ["kenjinkai-27-danwa"],
        "ka-shiminzei": [f"ka-shiminzei-{key}" for key in DIVISION_ROOMS],
    }
    for space, rooms in links.items():
        events = await raw_state(city, space)
        children = {e["state_key"]: e["content"] for e in events if e["type"] == "m.space.child" and e["content"]}
        assert set(children) == {await city.room(room) for room in rooms}, space
        assert all(content["via"] == [city.hub.server_name] and content["order"] for content in children.values())
    taxes = {e["state_key"] for e in await raw_state(city, "cityhall-zei") if e["type"] == "m.space.child"}
    assert await city.room("ka-shiminzei") in taxes


@pytest.mark.parametrize("server", ["hub", "neighbour"])
async def test_a_members_lobby_shows_groups_divisions_and_rooms(city: City, person: Person, server: str) -> None:
    member = await person("lobby", on=getattr(city, server))
    await city.admit(member)
    hall = await city.room("cityhall")
    wanted = {name for name, _, _ in DIVISIONS.values()} | {
        "企画・行政運営",
        "東京都人会",
        "広報課 談話室",
        "市役所だより",
    }

    async def look() -> set[str] | None:
        names = {room.get("name", "") for room in await member.hierarchy(hall)}
        return names if wanted <= names else None

    names = await eventually(look, member, what=f"all of {wanted} in the lobby")
    assert "事務局室" not in names


@pytest.mark.parametrize("server", ["hub", "neighbour"])
async def test_an_outsiders_lobby_and_directory_show_no_division(city: City, person: Person, server: str) -> None:
    outsider = await person("looker", on=getattr(city, server))
    hall = await city.room("cityhall")
    seen = [await what_is_seen(outsider, "GET", f"/_matrix/client/v1/rooms/{hall}/hierarchy", via=city.via)]
    for localpart in ("cityhall", "ka-zaisei", "kenjinkai-13-danwa", "cityhall-kikaku"):
        room_id = await city.room(localpart)
        for version in ("v1/room_summary", "unstable/im.nheko.summary/rooms"):
            path = f"/_matrix/client/{version}/{room_id}" + ("/summary" if "nheko" in version else "")
            seen.append(await what_is_seen(outsider, "GET", path, via=city.via))
    seen.append(await what_is_seen(outsider, "POST", "/_matrix/client/v3/publicRooms", {}))
    seen.append(await what_is_seen(outsider, "POST", "/_matrix/client/v3/publicRooms", {}, server=city.hub.server_name))
    for text in seen:
        assert not [secret for secret in SECRETS if secret in text], text


async def test_an_outsider_of_the_hub_sees_the_entrance_alone_and_there_how_to_come_in(
    city: City, person: Person
) -> None:
    outsider = await person("newcomer")
    (entrance,) = await outsider.hierarchy(await city.room("cityhall-genkan"))
    assert (entrance["name"], entrance["join_rule"]) == ("玄関", "knock")
    assert "ノック" in entrance["topic"]
    await refused(outsider.join(city.alias("cityhall-genkan")))
    await refused(outsider.hierarchy(await city.room("cityhall")))


class State(dict[str, Any]):
    """The state of a room without state keys, by type, as the bot reads it from the homeserver."""

    @classmethod
    async def of(cls, city: City, localpart: str) -> "State":
        events = await raw_state(city, localpart)
        return cls({event["type"]: event["content"] for event in events if event["state_key"] == ""})


async def raw_state(city: City, localpart: str) -> list[dict[str, Any]]:
    events = await city.app.homeserver.room_state(await city.room(localpart))
    return [{"type": e.type, "state_key": e.state_key, "content": dict(e.content)} for e in events]


async def what_is_seen(person: MatrixUser, method: str, path: str, content: Any = None, **query: Any) -> str:
    """Return everything that an answer holds; nothing if it is refused."""
    try:
        return json.dumps(await person.call(method, path, content, **query), ensure_ascii=False)
    except MatrixError as error:
        return str(error)
