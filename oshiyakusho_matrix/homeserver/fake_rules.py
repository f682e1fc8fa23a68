"""What the fake homeserver refuses: the authorisation rules of Matrix, as far as this house meets them.

Used by ``fake_world``. Pure: each function returns why not, or None. Source: the authorization rules of
https://spec.matrix.org/v1.16/rooms/v11/ with the changes of https://spec.matrix.org/v1.16/rooms/v12/.
"""

from collections.abc import Mapping
from typing import Any

from oshiyakusho_matrix.homeserver.fake_room import FakeRoom
from oshiyakusho_matrix.homeserver.interface import Content

Rooms = Mapping[Any, FakeRoom]


def why_not(
    room: FakeRoom, rooms: Rooms, sender: str, event_type: str, state_key: str | None, content: Content
) -> str | None:
    """Return why this event may not be sent now, or None if it may. ``rooms`` are all rooms, for restricted joins."""
    if event_type == "m.room.member" and state_key is not None:
        return _why_no_membership(room, rooms, sender, state_key, content)
    if room.membership(sender) != "join":
        return "the sender is not in the room"
    if event_type == "m.room.create":
        return "a room is created once"
    if room.power(sender) < room.needed(event_type, is_state=state_key is not None):
        return f"the sender may not send {event_type}"
    if state_key is not None and state_key.startswith("@") and state_key != sender:
        return "this state key belongs to another user"
    if event_type == "m.room.power_levels":
        return _why_no_levels(room, sender, content)
    return None


def _why_no_membership(room: FakeRoom, rooms: Rooms, sender: str, target: str, content: Content) -> str | None:
    match content.get("membership"):
        case "join":
            return _why_no_join(room, rooms, sender, target)
        case "knock":
            return _why_no_knock(room, sender, target)
        case "invite":
            if room.membership(target) in ("join", "ban"):
                return "the target is in the room already, or banned"
            return _why_no_power(room, sender, "invite")
        case "leave" if sender == target:
            inside = room.membership(target) in ("join", "invite", "knock")
            return None if inside else "the sender is not in the room"
        case "leave":
            lifts_ban = room.membership(target) == "ban"
            return _why_no_power(room, sender, "ban" if lifts_ban else "kick", target)
        case "ban":
            return _why_no_power(room, sender, "ban", target)
    return "there is no such membership"


def _why_no_power(room: FakeRoom, sender: str, level: str, target: str | None = None) -> str | None:
    if room.membership(sender) != "join":
        return "the sender is not in the room"
    if room.power(sender) < room.level(level):
        return f"the sender may not {level}"
    if target is not None and room.power(target) >= room.power(sender):
        return "the target has as much power as the sender"
    return None


def _why_no_join(room: FakeRoom, rooms: Rooms, sender: str, target: str) -> str | None:
    if sender != target:
        return "nobody joins for another"
    if room.membership(target) == "ban":
        return "the target is banned"
    if room.membership(target) in ("join", "invite"):
        return None
    rules = room.content("m.room.join_rules") or {}
    match rules.get("join_rule", "invite"):
        case "public":
            return None
        case "restricted" | "knock_restricted":
            return None if _is_allowed(room, rooms, target, rules) else "the user is in none of the rooms that let in"
    return "an invite is needed"


def _is_allowed(room: FakeRoom, rooms: Rooms, target: str, rules: Content) -> bool:
    """Whether a restricted room lets somebody in: by another room, and a resident who has the power to invite."""
    authorises = any(room.power(user) >= room.level("invite") for user in room.joined())
    doors = (rooms.get(entry.get("room_id")) for entry in rules.get("allow", ()))
    return authorises and any(door is not None and door.membership(target) == "join" for door in doors)


def _why_no_knock(room: FakeRoom, sender: str, target: str) -> str | None:
    rule = (room.content("m.room.join_rules") or {}).get("join_rule")
    if sender != target or rule not in ("knock", "knock_restricted"):
        return "one cannot knock here"
    return None if room.membership(target) in ("leave", "knock") else "who is in, invited or banned cannot knock"


def _why_no_levels(room: FakeRoom, sender: str, content: Content) -> str | None:
    """Nobody changes what is above their own power, nor lifts anything above it."""
    own = room.power(sender)
    before, after = _flat(room.content("m.room.power_levels") or {}), _flat(content)
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if max(old or 0, new or 0) > own:
            return "a level above the sender's own would change"
        if name[0] == "users" and name[1] != sender and (old or 0) >= own:
            return "the level of somebody as powerful would change"
    return None


def _flat(levels: Content) -> dict[tuple[str, str], int]:
    flat: dict[tuple[str, str], int] = {}
    for name, value in levels.items():
        if isinstance(value, Mapping):
            flat |= {(name, key): level for key, level in value.items()}
        else:
            flat["", name] = value
    return flat
