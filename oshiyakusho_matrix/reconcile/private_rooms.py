"""Rooms that stand by themselves, in no space and on no shelf of the register: direct chats, backstage rooms."""

from oshiyakusho_matrix.core.ids import RoomAlias
from oshiyakusho_matrix.homeserver.creation import DEFAULT_VERSION
from oshiyakusho_matrix.homeserver.interface import StateEvent
from oshiyakusho_matrix.reconcile.room_plan import DesiredRoom


def private_room(alias_localpart: str, *, server_name: str, locator: str, name: str) -> DesiredRoom:
    """Return an unencrypted room whom only the bot invites into, and in which only it could turn on encryption."""
    return DesiredRoom(
        alias=RoomAlias(f"#{alias_localpart}:{server_name}"),
        locator=locator,
        version=DEFAULT_VERSION,
        power_levels={
            "users": {},
            "users_default": 0,
            "events_default": 0,
            "state_default": 100,
            "events": {},
            "invite": 100,
            "kick": 100,
            "ban": 100,
            "redact": 50,
            "notifications": {"room": 50},
        },
        state=(
            StateEvent("m.room.name", "", {"name": name}),
            StateEvent("m.room.join_rules", "", {"join_rule": "invite"}),
            StateEvent("m.room.history_visibility", "", {"history_visibility": "shared"}),
            StateEvent("m.room.guest_access", "", {"guest_access": "forbidden"}),
        ),
    )
