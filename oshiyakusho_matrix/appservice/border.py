"""The border of what comes in: bytes of a transaction become events that both databases can keep.

A homeserver repeats a transaction until it gets a 200, so one event that does not fit must never hold up the rest:
it is left out and named, and text that PostgreSQL refuses (NUL, lone surrogates) or JSON without an end is mended.
Format: https://spec.matrix.org/v1.16/application-service-api/#pushing-events
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from oshiyakusho_matrix.core.text import visible

# Matrix bounds ids and types at 255 bytes (specification, "Size limits"); nothing we act on nests deeper than ten.
_Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_DEEPEST = 64
_LAST_MILLISECOND = 253_402_300_799_999  # the end of the year 9999, the last that Python can tell
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class NotJson(ValueError):
    """The body is no JSON at all."""


class BadTransaction(ValueError):
    """The body is JSON, but has no list of events."""


class ClientEvent(BaseModel):
    """An event in the client format, with the types that everything behind the border relies on."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    event_id: _Identifier
    room_id: _Identifier
    sender: _Identifier
    type: _Identifier
    state_key: Annotated[str, StringConstraints(max_length=255)] | None = None
    content: dict[str, Any]
    unsigned: dict[str, Any] = {}
    origin_server_ts: int = 0
    #: Beside the content only in rooms before version 11.
    redacts: str | None = None

    @field_validator("redacts", mode="before")
    @classmethod
    def _any_target(cls, value: object) -> object:
        return value if isinstance(value, str) else None

    @field_validator("unsigned", mode="before")
    @classmethod
    def _any_unsigned(cls, value: object) -> object:
        return value if isinstance(value, dict) else {}

    @field_validator("origin_server_ts", mode="before")
    @classmethod
    def _any_time(cls, value: object) -> int:
        # The sender's server writes what it likes here: a membership must not be lost for a wrong clock.
        return min(max(value, 0), _LAST_MILLISECOND) if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A transaction that was read. ``misfits`` names the events that did not fit, as far as they have names."""

    events: Sequence[ClientEvent]
    misfits: Sequence[str]


def read_transaction(body: bytes) -> Arrived:
    """Read the body of a transaction. Raises ``NotJson`` or ``BadTransaction``; a bad event is no error."""
    data = _load(body.decode("utf-8", "replace"))
    listed = data.get("events") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise BadTransaction("a transaction is an object with a list of events")
    events, misfits = list[ClientEvent](), list[str]()
    for each in listed:
        try:
            events.append(ClientEvent.model_validate(clean(each)))
        except ValidationError:
            name = each.get("event_id") if isinstance(each, dict) else None
            misfits.append(visible(name, limit=100) if isinstance(name, str) else "an event without an id")
    return Arrived(events, misfits)


def clean(value: Any, depth: int = _DEEPEST) -> Any:
    """Return JSON that any database keeps: no NUL, no lone surrogates, finite numbers, an end to the nesting."""
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case float():
            return value if math.isfinite(value) else None
        case dict() | list() if depth == 0:
            return None
        case dict():
            return {clean(key): clean(item, depth - 1) for key, item in value.items()}
        case list():
            return [clean(item, depth - 1) for item in value]
    return value


def _load(text: str) -> Any:
    try:
        return _parse(text)
    except RecursionError:
        return _parse(_flattened(text))
    except ValueError as error:
        raise NotJson("the body is no JSON") from error


def _parse(text: str) -> Any:
    # Python reads numbers without end, and NaN, which is no JSON; both would be refused further in.
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 20 else None, parse_constant=_nothing)


def _nothing(_constant: str) -> None:
    return None


def _flattened(text: str) -> str:
    """Put null in place of whatever is nested too deeply for the parser."""
    kept, depth, start = list[str](), 0, 0
    for token in _STRUCTURE.finditer(text):
        if token.group() in "[{":
            depth += 1
            if depth == _DEEPEST:
                kept.append(text[start : token.start()] + "null")
        elif token.group() in "]}":
            depth -= 1
            if depth == _DEEPEST - 1:
                start = token.end()
    if depth >= _DEEPEST:
        raise NotJson("the body ends too early")
    return "".join(kept) + text[start:]
