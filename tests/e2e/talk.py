"""What tests say to the bot and hear of it, and how they wait for what a room is to become."""

import re
from collections.abc import Awaitable

import pytest

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.render import Renderer
from tests.e2e.city import City
from tests.e2e.waiting import SOON
from tests.support.users import Event, MatrixError, MatrixUser

_HIRAGANA = re.compile("[ぁ-ん]")


async def ask(person: MatrixUser, room_id: str, command: str, outcome: str = "") -> Event:
    """Say a command and return the answer that holds ``outcome``: "I am working on it" may come before it."""
    return await outcome_of(person, room_id, await person.say(room_id, command), outcome)


async def outcome_of(person: MatrixUser, room_id: str, event_id: str, outcome: str = "") -> Event:
    """Wait for an answer to an event that holds ``outcome``."""

    def look() -> Event | None:
        return next((e for e in answers_to(person, room_id, event_id) if outcome in str(e["content"]["body"])), None)

    return await person.until(look, timeout=SOON, what=f"an answer with “{outcome}”")


def answers_to(person: MatrixUser, room_id: str, event_id: str) -> list[Event]:
    """Return the answers to an event that have been seen."""
    relations = [(e, e["content"].get("m.relates_to") or {}) for e in person.timeline.get(room_id, ())]
    return [
        e
        for e, relation in relations
        if e["type"] == "m.room.message" and relation.get("m.in_reply_to", {}).get("event_id") == event_id
    ]


def body(event: Event) -> str:
    """Return what a message says."""
    return str(event["content"]["body"])


def is_japanese(text: str) -> bool:
    """Tell whether a text has words of Japanese, not only names in it."""
    return _HIRAGANA.search(text) is not None


def in_japanese(text: Text) -> str:
    """Return what the service says for a text to somebody who reads Japanese."""
    return Renderer().render(text, "ja").body


async def refused(doing: Awaitable[object]) -> MatrixError:
    """Expect the homeserver to refuse, and return how."""
    with pytest.raises(MatrixError) as caught:
        await doing
    assert caught.value.errcode == "M_FORBIDDEN", caught.value
    return caught.value


async def enter(city: City, person: MatrixUser, *localparts: str) -> list[str]:
    """Join rooms by their links, one step each; returns their ids."""
    return [await person.join(city.alias(localpart), via=city.via) for localpart in localparts]
