"""From records to desired rooms: what the state of each room of a space must say. Pure.

Apart from ``domain`` because it speaks of Matrix state, which ``domain`` does not know.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.divisions.domain import Allow, JoinRule, Kind, Lifecycle, Posting, RoomRule, Space
from oshiyakusho_matrix.homeserver.creation import CREATOR_POWER, creator_is_listed
from oshiyakusho_matrix.homeserver.interface import Content, StateEvent
from oshiyakusho_matrix.reconcile.room_plan import DesiredRoom

HEAD_POWER = 50
#: Speakers write, and no more: they pin nothing and call nobody.
SPEAKER_POWER = 25
STATE_POWER = CREATOR_POWER


_TO_WRITE: Final[Mapping[Posting, int]] = {
    Posting.ALL: 0,
    Posting.SPEAKERS: SPEAKER_POWER,
    Posting.HEADS: HEAD_POWER,
    Posting.BOT: STATE_POWER,
}


class NotYet(CityHallError):
    """A room cannot be wanted yet: what it is restricted to is not made."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a room's desired state needs to know beyond its own record. Ids are None while not made."""

    server_name: str
    bot: UserId
    hall_id: RoomId | None
    space_id: RoomId | None


def alias_localpart(kind: Kind, slug: str, rule: RoomRule) -> str:
    """Return the reserved name of a room, without # and server; fixed for good."""
    base = kind.alias.format(slug=slug)
    return f"{base}-{rule.key}" if rule.key else base


def locator_key(slug: str, rule: RoomRule) -> str:
    """Return what the locator event of a room says: ``space:zaisei`` or ``space:zaisei/soudan``."""
    return f"space:{slug}/{rule.key}" if rule.key else f"space:{slug}"


def power_levels(rule: RoomRule, *, staff: Iterable[UserId], bot: UserId, lifecycle: Lifecycle) -> Content:
    """Return the whole of ``m.room.power_levels``: only staff are listed, nobody but the bot changes state."""
    rank = SPEAKER_POWER if rule.posting is Posting.SPEAKERS else HEAD_POWER
    users: dict[str, int] = dict.fromkeys(sorted(staff), rank)
    if creator_is_listed(rule.room_version):
        users[bot] = CREATOR_POWER
    posting = _TO_WRITE[rule.posting]
    if lifecycle is Lifecycle.ARCHIVED:
        posting = STATE_POWER
    events = {
        "m.reaction": 0,
        # One's own reaction is taken back by a redaction.
        "m.room.redaction": 0,
        "m.room.pinned_events": HEAD_POWER,
        **rule.powers,
    }
    if lifecycle is Lifecycle.ARCHIVED:
        # Nobody, not even heads: no reactions, pins, polls or whatever else a kind lets people do.
        events = dict.fromkeys(events, STATE_POWER)
    return {
        "users": users,
        "users_default": 0,
        "events_default": posting,
        "state_default": STATE_POWER,
        "events": events,
        "invite": STATE_POWER,
        "kick": STATE_POWER,
        "ban": STATE_POWER,
        "redact": HEAD_POWER,
        "notifications": {"room": HEAD_POWER},
    }


def child_link(space: Space, rule: RoomRule, server_name: str, position: int) -> Content:
    """Return the content of ``m.space.child`` by which a parent links a space or a room."""
    content: dict[str, Any] = {"via": [server_name], "order": f"{position:05d}"}
    if rule.suggested:
        content["suggested"] = True
    return content


def desired_room(
    space: Space,
    kind: Kind,
    rule: RoomRule,
    around: Surroundings,
    *,
    staff: Sequence[UserId],
    lifecycle: Lifecycle,
    children: Mapping[RoomId, Content],
) -> DesiredRoom:
    """Return a room as the records want it. ``NotYet`` if it is restricted to something that is not made yet."""
    is_space = not rule.key
    names = {"name": space.name.ja, "purpose": space.purpose.ja}
    state = (
        StateEvent("m.room.name", "", {"name": rule.name.ja.format(**names)}),
        StateEvent("m.room.topic", "", {"topic": rule.topic.ja.format(**names)}),
        StateEvent("m.room.join_rules", "", _join_rules(rule, around)),
        StateEvent("m.room.history_visibility", "", {"history_visibility": rule.history_visibility}),
        StateEvent("m.room.guest_access", "", {"guest_access": "forbidden"}),
    )
    creation: dict[str, Any] = {}
    if is_space:
        creation["type"] = "m.space"
    if not rule.federate:
        creation["m.federate"] = False
    return DesiredRoom(
        alias=RoomAlias(f"#{alias_localpart(kind, space.slug, rule)}:{around.server_name}"),
        locator=locator_key(space.slug, rule),
        version=rule.room_version,
        creation=creation,
        power_levels=power_levels(rule, staff=staff, bot=around.bot, lifecycle=lifecycle),
        state=state,
        children=children if is_space else None,
        archived=lifecycle is Lifecycle.ARCHIVED,
    )


def _join_rules(rule: RoomRule, around: Surroundings) -> Content:
    if rule.join_rule is not JoinRule.RESTRICTED:
        return {"join_rule": rule.join_rule.value}
    gate = around.hall_id if rule.allow is Allow.HALL else around.space_id
    if gate is None:
        raise NotYet("the space whose members it lets in does not exist yet")
    return {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": gate}]}
