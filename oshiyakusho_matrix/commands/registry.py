"""All commands, by every spelling of their names; built once, at the start, from an explicit tuple.

``dispatch`` finds a command by the words of a message, ``help`` lists them, ``confirmation`` finds one again by its
English name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from oshiyakusho_matrix.commands.interface import Command, Role
from oshiyakusho_matrix.commands.reading.arguments import YES, parameters_of
from oshiyakusho_matrix.commands.reading.nearest import nearest
from oshiyakusho_matrix.commands.reading.words import Word
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import fold


@dataclass(frozen=True, slots=True)
class Found:
    """The command that the first ``used`` words name."""

    command: Command[Any]
    used: int


@dataclass(frozen=True, slots=True)
class Group:
    """The first word names a group, and what follows none of its commands. ``verb`` is what follows, if anything."""

    name: str
    commands: tuple[Command[Any], ...]
    verb: str = ""


class Registry:
    """The commands that there are. ``Misconfigured`` if two of them answer to one name."""

    def __init__(self, commands: Sequence[Command[Any]]) -> None:
        self.commands = tuple(commands)
        self._by_name: dict[tuple[str, ...], Command[Any]] = {}
        self._groups: dict[str, list[Command[Any]]] = {}
        for command in self.commands:
            if command.preview and any(p.spellings & YES.spellings for p in parameters_of(command.arguments)):
                raise Misconfigured(f"{command.names[0]}: --yes is taken; a command with a preview has it by itself.")
            for name in _spellings(command):
                self._enter(name, command)
        for name in self._by_name:
            if len(name) == 1 and name[0] in self._groups:
                raise Misconfigured(f"{name[0]}: the name of a command and of a group.")

    def visible_to(self, role: Role) -> "Registry":
        """Return the registry as somebody sees it who must not learn of more."""
        return Registry(tuple(c for c in self.commands if c.role <= role))

    def find(self, words: Sequence[Word]) -> Found | Group | None:
        """Return what a message's first words name: a command, else a group, else nothing."""
        names = tuple(_name(word) for word in words[:2])
        for used in (2, 1):
            if len(names) >= used and (command := self._by_name.get(names[:used])):
                return Found(command, used)
        if names and names[0] in self._groups:
            return Group(names[0], tuple(self._groups[names[0]]), names[1] if len(names) > 1 else "")
        return None

    def named(self, name: str) -> Command[Any] | None:
        """Return the command of this name, in any of its spellings."""
        return self._by_name.get(tuple(fold(name).split()))

    def suggest(self, words: Sequence[Word]) -> tuple[str, ...]:
        """Return names that look like what was typed, in the language it was typed in."""
        names = sorted(" ".join(name) for name in self._by_name)
        typed = [_name(word) for word in words[:2]]
        found = (*nearest(" ".join(typed), names), *nearest(typed[0], names)) if typed else ()
        different: dict[str, str] = {}
        for name in found:
            command = self.named(name)
            different.setdefault(command.names[0] if command else name, name)
        return tuple(different.values())[:3]

    def _enter(self, name: tuple[str, ...], command: Command[Any]) -> None:
        if not name or len(name) > 2 or not all(name):
            raise Misconfigured(f"{command.names[0]}: a name has one word or two, not {' '.join(name)!r}.")
        if self._by_name.setdefault(name, command) is not command:
            other = self._by_name[name].names[0]
            raise Misconfigured(f"{command.names[0]} and {other} both answer to {' '.join(name)!r}.")
        if len(name) == 2:
            group = self._groups.setdefault(name[0], [])
            if command not in group:
                group.append(command)


def _name(word: Word) -> str:
    return "" if word.quoted else fold(word.text)


def _spellings(command: Command[Any]) -> Iterable[tuple[str, ...]]:
    """Return all names, folded: as declared, English and Japanese words mixed, and Japanese without the space."""
    names = [tuple(fold(name).split()) for name in command.names]
    yield from names
    pairs = [name for name in names if len(name) == 2]
    yield from product([group for group, _ in pairs], [verb for _, verb in pairs])
    yield from (("".join(name),) for name in pairs if not "".join(name).isascii())
