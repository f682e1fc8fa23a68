"""Writes commands out as people would type them: the usage line, and an example. The opposite of ``parsing``."""

import re
from datetime import date
from enum import Enum
from typing import Any

from oshiyakusho_matrix.commands.interface import Command
from oshiyakusho_matrix.commands.reading.arguments import YES, Parameter, Place, parameters_of
from oshiyakusho_matrix.commands.reading.words import split
from oshiyakusho_matrix.core.ids import Slug, UserId
from oshiyakusho_matrix.core.text import Text, say

PREFIX = "!"
_NEEDS_QUOTES = re.compile(r"\s|matrix\.to/")
_QUOTES = (("「", "」"), ("『", "』"), ("“", "”"))


def name_of(command: Command[Any], language: str) -> str:
    """Return the name that help shows in a language."""
    return command.names[1] if language == "ja" and len(command.names) > 1 else command.names[0]


def usage(command: Command[Any], language: str) -> str:
    """Return the usage line: ``!課 新設 <識別名> --名称 … [--課長 …]``."""
    pieces = [PREFIX + name_of(command, language)]
    pieces += [_piece(p, language) for p in _ordered(command)]
    return " ".join(pieces)


def example(command: Command[Any], language: str) -> str:
    """Return an invocation that could be typed just so, with what is required and what ``shown`` marks, no more."""
    pieces = [PREFIX + name_of(command, language)]
    for p in _ordered(command):
        if p.required or p.marker.shown or (p.place is Place.POSITIONAL and p.marker.example):
            value = _sample(p)
            text = value if p.place is Place.REST else quoted(value)
            pieces.append(text if p.place is not Place.OPTION else f"--{p.label(language)} {text}")
    return " ".join(pieces)


def example_line(command: Command[Any], language: str) -> Text:
    """Return the line of help that shows the example; one of several lines as a block, whose line breaks are kept."""
    lines = example(command, language).split("\n")
    if len(lines) == 1:
        return say("Example: `{example}`", example=lines[0])
    names = [f"line{number}" for number in range(len(lines))]
    block = "\n".join(["```", *(f"{{{name}}}" for name in names), "```"])
    return say("Example:", Text(block, dict(zip(names, lines, strict=True))))


def plain(value: Any) -> str:
    """Return a value as the characters that are read back to it."""
    if isinstance(value, Enum):
        return str(value.value)
    return value.isoformat() if isinstance(value, date) else str(value)


def quoted(text: str) -> str:
    """Return one word for ``text``, in quotation marks if it would not be one by itself."""
    words = split(text)
    whole = len(words) == 1 and not words[0].quoted and words[0].closed and words[0].option is None
    if whole and not _NEEDS_QUOTES.search(text):
        return text
    for opening, closing in _QUOTES:
        if opening not in text and closing not in text:
            return f"{opening}{text}{closing}"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ordered(command: Command[Any]) -> tuple[Parameter, ...]:
    parameters = parameters_of(command.arguments)
    places = [p for p in parameters if p.place is Place.POSITIONAL]
    rest = [p for p in parameters if p.place is Place.REST]
    options = [p for p in parameters if p.place in (Place.OPTION, Place.FLAG)]
    return (*places, *options, *((YES,) if command.preview else ()), *rest)


def _piece(p: Parameter, language: str) -> str:
    label, more = p.label(language), "…" if p.many or p.place is Place.REST else ""
    if p.place in (Place.POSITIONAL, Place.REST):
        return f"<{label}{more}>" if p.required else f"[{label}{more}]"
    piece = f"--{label}" if p.place is Place.FLAG else f"--{label} …"
    return piece if p.required else f"[{piece}]"


def _sample(p: Parameter) -> str:
    if p.marker.example:
        return p.marker.example
    if p.type is Slug:
        return "zaisei"
    if p.type is UserId:
        return "@hanako:example.jp"
    if p.choices:
        return next(iter(p.choices.values()))
    return {int: "10", date: "2027-04-01"}.get(p.type, p.label("ja"))
