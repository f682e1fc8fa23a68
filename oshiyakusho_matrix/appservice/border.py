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
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, field_validator

from oshiyakusho_matrix.core.text import Text, plain, say, visible

# Matrix bounds ids and types at 255 bytes (specification, "Size limits"); nothing we act on nests deeper than ten.
_Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_DEEPEST = 64
_LAST_MILLISECOND = 253_402_300_799_999  # the end of the year 9999, the last that Python can tell
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Possessive, and a string without an end goes to the end: neither memory nor time grows faster than the text.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{]++|[\]}]++', re.DOTALL)
#: So many of the events that do not fit are told by name: names may be long, and many.
NAMED = 10

_NO_JSON = say("the body is no JSON")
_NO_END = say("the body ends too early")
_NO_EVENTS = say("a transaction is an object with a list of events")
#: Why a body may be unreadable, by the English wording.
REASONS = {plain(why): why for why in (_NO_JSON, _NO_END, _NO_EVENTS)}


class Unreadable(ValueError):
    """The body is no transaction; ``why`` is for people."""

    def __init__(self, why: Text) -> None:
        super().__init__(plain(why))
        self.why = why


class NotJson(Unreadable):
    """The body is no JSON at all."""


class BadTransaction(Unreadable):
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


@dataclass(frozen=True)
class Arrived:
    """A transaction whose JSON was parsed: ``text`` is its body, ``listed`` what it calls events, of any kind."""

    text: str
    listed: Sequence[Any]

    @property
    def events(self) -> Sequence[ClientEvent]:
        """The events that fit, as far as they can be stored."""
        return self._read[0]

    @property
    def misfits(self) -> int:
        """How many events did not fit."""
        return len(self.listed) - len(self.events)

    @property
    def named(self) -> Sequence[str]:
        """The first ``NAMED`` events that did not fit, by their names as far as they have any."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[list[ClientEvent], list[str]]:
        events, named = list[ClientEvent](), list[str]()
        # NUL and lone surrogates are no UTF-8 JSON: they can only come as escapes.
        escaped = "\\u" in self.text
        for each in self.listed:
            if _resembles(each):
                sound = each if not escaped and _storable(each, _DEEPEST) else clean(each)
                try:
                    events.append(ClientEvent.model_validate(sound))
                    continue
                except ValidationError:
                    pass  # named below, with the others
            if len(named) < NAMED:
                named.append(_name_of(each))
        return events, named


def read_transaction(body: bytes | bytearray | str) -> Arrived:
    """Read the body of a transaction. Raises ``NotJson`` or ``BadTransaction``; a bad event is no error."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    data = _load(text)
    listed = data.get("events") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise BadTransaction(_NO_EVENTS)
    return Arrived(text, listed)


def _resembles(each: Any) -> bool:
    """Tell whether something may be an event. Much quicker than finding all that is wrong with it."""
    return (
        isinstance(each, dict)
        and isinstance(each.get("content"), dict)
        and isinstance(each.get("event_id"), str)
        and isinstance(each.get("room_id"), str)
        and isinstance(each.get("sender"), str)
        and isinstance(each.get("type"), str)
    )


def _name_of(each: Any) -> str:
    name = each.get("event_id") if isinstance(each, dict) else None
    return visible(name[:255], limit=100) if isinstance(name, str) else "an event without an id"


def _storable(value: Any, depth: int) -> bool:
    """Tell whether JSON without odd text may stay as it is. Most does, and this is quicker than making it anew."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(item, dict | list):
            if depth == 0 or not _storable(item, depth - 1):
                return False
        elif isinstance(item, float) and not math.isfinite(item):
            return False
    return True


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
        return json.loads(text)
    except RecursionError:
        text = _flattened(text)
    except ValueError:
        pass  # no JSON, or a number without end, which Python refuses to read
    try:
        return json.loads(text, parse_int=_parse_int, parse_constant=_nothing)
    except ValueError as error:
        raise NotJson(_NO_JSON) from error


def _parse_int(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


def _nothing(_constant: str) -> None:
    return None


def _flattened(text: str) -> str:
    """Put null in place of whatever is nested too deeply for the parser."""
    kept, depth, start = list[str](), 0, 0
    for token in _STRUCTURE.finditer(text):
        first, last = token.span()
        before = depth
        if text[first] in "[{":
            depth += last - first
            if before < _DEEPEST <= depth:
                kept.append(text[start : first + _DEEPEST - 1 - before] + "null")
        elif text[first] in "]}":
            depth -= last - first
            if before >= _DEEPEST > depth:
                start = first + before - _DEEPEST + 1
    if depth >= _DEEPEST:
        raise NotJson(_NO_END)
    return "".join(kept) + text[start:]
