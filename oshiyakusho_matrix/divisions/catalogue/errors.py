"""What pydantic found, in words for the operator and with its place in the file.

Called by ``catalogue.files`` after a model refused a file; hands on one ``Mistake`` per error.
"""

import difflib
from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from oshiyakusho_matrix.core.text import Text, say, visible
from oshiyakusho_matrix.divisions.catalogue.yaml_lines import START, Block, Mistake, Place, Series

Loc = tuple[int | str, ...]


def mistakes_of(error: ValidationError, model: type[BaseModel], tree: object) -> list[Mistake]:
    """Return every error with its place in ``tree`` and in words."""
    found = error.errors(include_url=False)
    return [Mistake(place_of(tree, each["loc"], each["type"]), _explain(each, model)) for each in found]


def suggestion(word: str, known: list[str]) -> str | None:
    """Return the known word that ``word`` was probably meant to be, or None."""
    close = difflib.get_close_matches(word[:100], known, n=1)
    return close[0] if close else None


def place_of(tree: object, loc: Loc, kind: str) -> Place:
    """Return where ``loc`` stands, or, for what is missing, where the mapping begins that should hold it."""
    place = tree.place if isinstance(tree, (Block, Series)) else START
    node = tree
    for step in loc:
        if isinstance(node, Block) and step in node:
            at_key = kind == "extra_forbidden" or loc[-1] == "[key]"
            place = (node.keys_at if at_key else node.values_at)[str(step)]
            node = node[str(step)]
        elif isinstance(node, Series) and isinstance(step, int) and step < len(node):
            place = node.items_at[step]
            node = node[step]
        else:
            break
    return place


def _explain(error: ErrorDetails, model: type[BaseModel]) -> Text:
    kind, loc, value = error["type"], error["loc"], error["input"]
    context = error.get("ctx", {})
    text = context.get("text")
    if isinstance(text, Text):
        return text
    key = visible(next((step for step in reversed(loc) if isinstance(step, str) and step != "[key]"), ""), limit=60)
    if kind == "missing":
        return say('"{key}" is missing.', key=key)
    if kind == "extra_forbidden":
        return _unknown(key, _fields_at(model, loc[:-1]))
    if value is None:
        return say('"{key}" has no value.', key=key)
    if kind in ("enum", "literal_error"):
        return _not_one_of(key, value, str(context.get("expected", "")))
    if kind == "string_pattern_mismatch":
        shown = visible(str(value), limit=60)
        return say('"{value}" must be 2 to 40 characters out of a-z, 0-9 and hyphens inside, like zaisei.', value=shown)
    return _WORDS.get(kind, _other)(key, error["msg"])


def _unknown(key: str, known: list[str]) -> Text:
    guess = suggestion(key, known)
    if guess:
        return say('"{key}" is not known here. Did you mean "{guess}"?', key=key, guess=guess)
    return say('"{key}" is not known here. Known are: {known}.', key=key, known=", ".join(known))


def _not_one_of(key: str, value: object, expected: str) -> Text:
    if value == "world_readable":
        return say("world_readable is refused: what is said here is never for the whole world to read.")
    known = expected.replace(" or ", ", ").replace("'", "")
    if key == "room_version" and not isinstance(value, str):
        return say('"{key}" must be text: put the number in quotes. Known are: {known}.', key=key, known=known)
    return say(
        '"{value}" is not possible for "{key}". Known are: {known}.',
        value=visible(str(value), limit=60),
        key=key,
        known=known,
    )


def _fields_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """Return the keys that the model at ``loc`` knows."""
    here: Any = model
    for step in loc:
        fields = getattr(here, "model_fields", None)
        here = fields[step].annotation if fields and step in fields else _inner(here)
        while not _is_model(here) and _holds_model(here) and get_args(here)[-1] is type(None):
            here = get_args(here)[0]
    return list(here.model_fields) if _is_model(here) else []


def _inner(annotation: Any) -> Any:
    """``list[X]`` and ``dict[str, X]`` hold X."""
    arguments = get_args(annotation)
    return arguments[-1] if arguments else annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _holds_model(annotation: Any) -> bool:
    return any(_is_model(each) for each in get_args(annotation))


def _other(key: str, problem: str) -> Text:
    return say('"{key}": {problem}.', key=key, problem=problem)


def _text(key: str, _: str) -> Text:
    return say('"{key}" must be text. Numbers and the words yes, no, on, off need quotes.', key=key)


def _mapping(key: str, _: str) -> Text:
    if not key:
        return say('This file must be a mapping (lines of "key: value").')
    return say('"{key}" must be a mapping (indented lines of "key: value").', key=key)


_WORDS: dict[str, Callable[[str, str], Text]] = {
    "string_type": _text,
    "string_too_short": lambda key, _: say('"{key}" has no value.', key=key),
    "int_type": lambda key, _: say('"{key}" must be a whole number.', key=key),
    "bool_type": lambda key, _: say('"{key}" must be true or false.', key=key),
    "list_type": lambda key, _: say('"{key}" must be a list (indented lines that begin with "- ").', key=key),
    "dict_type": _mapping,
    "model_type": _mapping,
    "greater_than_equal": lambda key, _: say('"{key}" is too small.', key=key),
    "less_than_equal": lambda key, _: say('"{key}" is too large.', key=key),
}
