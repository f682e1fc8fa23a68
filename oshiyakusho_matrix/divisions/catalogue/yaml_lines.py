"""YAML that remembers where each key and value stood, so that a mistake is reported with its line.

Called by ``catalogue.files`` with the text of one file; hands on plain mappings, lists and scalars whose subclasses
``Block`` and ``Series`` carry places. Only the plain part of YAML is read: no anchors and aliases (a few lines of them
can grow without bound), no tags, no second document; dates stay text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from oshiyakusho_matrix.core.text import Text, say, visible

#: Deeper nesting than this is no city hall but an attempt to exhaust the stack.
MAX_DEPTH = 20
_TYPED = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


class Place(NamedTuple):
    """A position in a file; lines and columns count from 1."""

    line: int
    column: int


START = Place(1, 1)


class Block(dict[str, object]):
    """A mapping, with the places of its keys and values."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.keys_at: dict[str, Place] = {}
        self.values_at: dict[str, Place] = {}


class Series(list[object]):
    """A list, with the places of its items."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.items_at: list[Place] = []


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in one file, and where."""

    place: Place
    message: Text


def read_yaml(text: str) -> tuple[object, list[Mistake]]:
    """Return the one document of ``text`` and what is wrong with it as YAML; raises nothing."""
    try:
        loader = _PlainLoader(text)
    except yaml.reader.ReaderError as error:
        return None, [_unreadable(text, error)]
    try:
        node = loader.get_single_node()
        if node is None:
            return None, [Mistake(START, say("This file is empty."))]
        mistakes: list[Mistake] = []
        return _value(loader, node, mistakes), mistakes
    except _RefusedError as refused:
        return None, [refused.mistake]
    except yaml.reader.ReaderError as error:
        return None, [_unreadable(text, error)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or loader.get_mark()
        problem = visible(error.problem or error.context or "", limit=200)
        return None, [Mistake(_place(mark), say("This is not valid YAML: {problem}.", problem=problem))]
    except (ValueError, OverflowError):
        # PyYAML lets these through for escapes and version numbers out of range.
        return None, [Mistake(_place(loader.get_mark()), say("This value is out of the range that YAML allows."))]
    finally:
        loader.dispose()


class _RefusedError(Exception):
    """Valid YAML of a sort that is not read here."""

    def __init__(self, mark: yaml.Mark, message: Text) -> None:
        super().__init__(message.msgid)
        self.mistake = Mistake(_place(mark), message)


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes as PyYAML does, but refuses what could run away before it is composed."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _RefusedError(event.start_mark, say("Anchors (&) and aliases (*) are not read here; write it out."))
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(event.start_mark, say("Tags (!) are not read here; leave the tag out."))
        if self.depth >= MAX_DEPTH:
            raise _RefusedError(event.start_mark, say("This is nested too deeply."))
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _value(loader: _PlainLoader, node: Node, mistakes: list[Mistake]) -> object:
    if isinstance(node, MappingNode):
        return _block(loader, node, mistakes)
    if isinstance(node, SequenceNode):
        series = Series(_place(node.start_mark))
        for item in node.value:
            series.append(_value(loader, item, mistakes))
            series.items_at.append(_place(item.start_mark))
        return series
    return _scalar(loader, node, mistakes)


def _block(loader: _PlainLoader, node: MappingNode, mistakes: list[Mistake]) -> Block:
    block = Block(_place(node.start_mark))
    for key, place, value in _pairs(loader, node, mistakes):
        if key in block:
            line = block.keys_at[key].line
            text = say('"{key}" stands twice in one mapping; first in line {line}.', key=visible(key), line=line)
            mistakes.append(Mistake(place, text))
            continue
        block[key] = _value(loader, value, mistakes)
        block.keys_at[key] = place
        # An empty value has no place of its own: PyYAML gives it that of the next key.
        empty = isinstance(value, ScalarNode) and value.start_mark.index == value.end_mark.index
        block.values_at[key] = place if empty else _place(value.start_mark)
    return block


def _pairs(loader: _PlainLoader, node: MappingNode, mistakes: list[Mistake]) -> Iterator[tuple[str, Place, Node]]:
    for key_node, value_node in node.value:
        key = _scalar(loader, key_node, mistakes) if isinstance(key_node, ScalarNode) else None
        if isinstance(key, str):
            yield key, _place(key_node.start_mark), value_node
        else:
            mistakes.append(Mistake(_place(key_node.start_mark), say("A key must be text.")))


def _scalar(loader: _PlainLoader, node: Node, mistakes: list[Mistake]) -> object:
    if node.tag in _TYPED:
        try:
            return loader.construct_object(node)
        except ValueError:
            raise _RefusedError(node.start_mark, say("This number is too long.")) from None
    text = str(node.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        mistakes.append(Mistake(_place(node.start_mark), say("This text holds half a character (a lone surrogate).")))
        return text.encode(errors="replace").decode()
    return text


def _unreadable(text: str, error: yaml.reader.ReaderError) -> Mistake:
    before = text[: error.position]
    place = Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    code = f"U+{ord(error.character):04X}" if isinstance(error.character, str) else f"U+{error.character:04X}"
    return Mistake(place, say("The character {code} is not allowed in YAML.", code=code))


def _place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)
