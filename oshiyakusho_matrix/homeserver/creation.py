"""How a ``NewRoom`` is written as one ``createRoom`` request, so that the room gets exactly what was asked for.

Used by ``client``. Which preset, and how the power levels travel, was measured on Synapse 1.163 (see the comments).
"""

from typing import Any, Final

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.interface import NewRoom, StateEvent

#: The power of a creator where it has to be listed.
CREATOR_POWER = 100
#: What rooms are made of unless something else is said: the specification's default since v1.16.
DEFAULT_VERSION: Final = "12"
#: Versions whose creator has unlimited power and may not stand in ``users`` are all but these.
#: https://spec.matrix.org/v1.16/rooms/v12/
_CREATOR_IS_LISTED = frozenset(str(version) for version in range(1, 12))


def creator_is_listed(version: str) -> bool:
    """Whether rooms of this version list their creator among the users with power."""
    return version in _CREATOR_IS_LISTED


def creation_body(room: NewRoom, bot: UserId) -> dict[str, Any]:
    """Write the request. ``join_rules`` are always explicit (invite if none are asked for)."""
    body: dict[str, Any] = {
        "room_version": room.version,
        "visibility": "private",
        # The only preset that adds no event of its own (the others let guests in), and the only one that a Synapse with
        # encryption_enabled_by_default_for_room_type: invite leaves unencrypted. Its public join rule never comes
        # to be on Synapse, which sends the initial state in its place; private_chat is no faster (measured).
        "preset": "public_chat",
        "initial_state": [
            {"type": event.type, "state_key": event.state_key, "content": dict(event.content)}
            for event in _whole_state(room, bot)
        ],
    }
    if room.alias_localpart is not None:
        body["room_alias_name"] = room.alias_localpart
    if room.creation:
        body["creation_content"] = dict(room.creation)
    return body


def _whole_state(room: NewRoom, bot: UserId) -> list[StateEvent]:
    """Put power levels and join rules among the state.

    ``power_level_content_override`` only adds to what the homeserver would set (Synapse leaves its ``historical`` in),
    whereas power levels in the initial state are taken as they are, and first.
    """
    state = list(room.state)
    if not any(event.type == "m.room.join_rules" for event in state):
        state.insert(0, StateEvent("m.room.join_rules", "", {"join_rule": "invite"}))
    if room.power_levels is not None:
        levels = dict(room.power_levels)
        users = dict(levels.get("users", {}))
        if creator_is_listed(room.version):
            users.setdefault(bot, 100)
        else:
            users.pop(bot, None)
        if users or "users" in levels:
            levels["users"] = users
        state.insert(0, StateEvent("m.room.power_levels", "", levels))
    return state
