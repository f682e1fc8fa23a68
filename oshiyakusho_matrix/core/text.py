"""Text for people, before it is put into a language; and the cleaning of text from people.

A ``Text`` names a message of the catalogue (its English wording is the key, ``locales/`` holds the
Japanese) and carries the values for its ``{placeholders}``. Who reads it decides the language, so
services and controllers hand on a ``Text`` and only the outbox renders it.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

#: A placeholder's value: a string is somebody's words and is escaped; a Text is rendered in turn.
Value = Union[str, int, "Text"]

# Variation selectors and the invisible characters that reorder or hide text (Unicode TR 36, 2.5).
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Text:
    """A message of the catalogue with its values; ``parts`` are further texts on lines of their own."""

    msgid: str
    values: Mapping[str, Value] = field(default_factory=dict)
    parts: tuple["Text", ...] = ()


def say(msgid: str, /, *parts: Text, **values: Value) -> Text:
    """Write a ``Text`` the short way: ``say("{name} was made.", name="財政課")``."""
    return Text(msgid, values, parts)


def plain(value: Value) -> str:
    """Return the English wording, for logs and for whoever reads no message catalogue."""
    if not isinstance(value, Text):
        return str(value)
    words = value.msgid.format(**{name: plain(each) for name, each in value.values.items()})
    return "\n".join([words, *(plain(part) for part in value.parts)])


def to_json(text: Text) -> dict[str, Any]:
    """Write a ``Text`` as JSON values, for a row that keeps it until it is rendered."""
    values = {name: to_json(value) if isinstance(value, Text) else value for name, value in text.values.items()}
    return {"msgid": text.msgid, "values": values, "parts": [to_json(part) for part in text.parts]}


def from_json(data: Mapping[str, Any]) -> Text:
    """Read what ``to_json`` wrote."""
    values = {name: from_json(value) if isinstance(value, Mapping) else value for name, value in data["values"].items()}
    return Text(data["msgid"], values, tuple(from_json(part) for part in data["parts"]))


def fold(text: str) -> str:
    """Fold what people type to one form for comparing: NFKC, no variation selectors, casefold, trimmed.

    Full-width ``！課　一覧`` and half-width ``!課 一覧`` become the same. Never shown to anybody.
    """
    return _VARIATION_SELECTORS.sub("", unicodedata.normalize("NFKC", text)).casefold().strip()


def visible(text: str, *, limit: int = 500) -> str:
    """Make somebody's words safe to show on one line: no control or reordering characters, bounded length."""
    text = _BIDI.sub("", text)
    text = "".join(c if unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn") else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
