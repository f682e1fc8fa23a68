"""Finds the messages that the package says, by reading its source: literals given to ``say`` and ``Text``.

In the templates of pages these are the literals given to ``say`` and ``rich``.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, nodes

import oshiyakusho_matrix

PACKAGE = Path(oshiyakusho_matrix.__file__).parent
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the code. ``given`` are the names of its values, None where they are not all written out."""

    msgid: str
    where: str
    given: frozenset[str] | None


def placeholders(text: str) -> frozenset[str]:
    """Return the names in braces."""
    return frozenset(_PLACEHOLDER.findall(text))


def messages(source: str, where: str) -> Iterator[Message]:
    """Yield the messages of one module. AssertionError for a message that is put together, so no catalogue has it."""
    tree = ast.parse(source)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = {inner for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node.func) not in {"say", "Text"}:
            continue
        first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "msgid"), None)
        here = f"{where}:{node.lineno}"
        for literal in _literals(first, here):
            # A table of wordings at the top of a module gets its values where it is used.
            yield Message(literal, here, _given(node) if node in inside or node.keywords else None)


@cache
def all_messages() -> tuple[Message, ...]:
    """Return the messages of the whole package."""
    found: list[Message] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        found += messages(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
    for path in sorted((PACKAGE / "web" / "templates").rglob("*.html")):
        found += template_messages(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE)))
    return tuple(found)


def template_messages(source: str, where: str) -> Iterator[Message]:
    """Yield the messages of one template. What a variable holds is a ``Text`` that Python said."""
    for call in Environment(autoescape=True).parse(source).find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name) or call.node.name not in {"say", "rich"}:
            continue
        (first,) = call.args
        here = f"{where}:{call.lineno}"
        assert isinstance(first, nodes.Const | nodes.Name | nodes.Getattr), f"{here}: a message is put together"
        if isinstance(first, nodes.Const):
            yield Message(first.value, here, frozenset(keyword.key for keyword in call.kwargs))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literals(node: ast.expr | None, where: str) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _literals(body, where)
            yield from _literals(other, where)
        case ast.JoinedStr() | ast.BinOp():
            raise AssertionError(f"{where}: a message is put together; use a literal with {{placeholders}}")
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            raise AssertionError(f"{where}: a message is put together; use a literal with {{placeholders}}")


def _given(node: ast.Call) -> frozenset[str] | None:
    if _name(node.func) == "Text" or any(keyword.arg is None for keyword in node.keywords):
        return None
    return frozenset(keyword.arg for keyword in node.keywords if keyword.arg is not None)
