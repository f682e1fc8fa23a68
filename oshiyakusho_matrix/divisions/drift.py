"""Says in words what somebody changed in a managed room and what was put back."""

from oshiyakusho_matrix.core.text import Text, say

#: What each type of state is called.
CHANGED: dict[str, Text] = {
    "m.room.name": say("the name"),
    "m.room.topic": say("the topic"),
    "m.room.power_levels": say("the power levels"),
    "m.room.join_rules": say("who may come in"),
    "m.room.history_visibility": say("who may read the history"),
    "m.room.guest_access": say("the access of guests"),
    "m.room.canonical_alias": say("the address"),
    "m.space.child": say("the list of rooms"),
    "m.room.avatar": say("the picture"),
    "m.room.tombstone": say("the note that it is closed"),
    "m.room.server_acl": say("which servers may take part"),
    "jp.oshiyakusho.locator": say("the city hall's own label"),
}


def describe(event_type: str, state_key: str, *, who: Text, room: str) -> Text:
    """Return one sentence for 事務局室: who changed what, and that it is back as it was."""
    if event_type == "m.room.member":
        return say(
            "{user} was in {room} without being registered for it (brought by {who}). They were taken out again.",
            user=state_key,
            room=room,
            who=who,
        )
    what = CHANGED.get(event_type, say("a setting"))
    return say("{who} changed {what} of {room}. It was put back.", who=who, what=what, room=room)
