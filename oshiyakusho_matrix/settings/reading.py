"""Reads what an operator wrote (YAML, the registration, token files) and words every mistake as one sentence.

``settings`` calls it with a path; it hands back plain values with their line numbers, or raises ``Misconfigured``.
No sentence repeats a value, so no secret and nothing hostile gets into logs; keys are shown cleaned and cut.
"""

import difflib
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import visible

#: Far more than any configuration needs; bounds what a wrong path (a log, a database) can cost.
MOST_BYTES = 1024 * 1024

_PROBLEMS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": "must be text (put it in quotes)",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "too_short": "must name somebody or something",
    "tuple_type": "must be a list",
    "model_type": "must be a group of keys",
    "path_type": "must be the path of a file or directory",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A YAML file's mapping, and the line (1-based) of every key, by its path from the top."""

    values: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)


def read_text(path: Path, what: str) -> str:
    """Return a small UTF-8 file's text; ``what`` names it in the sentence of ``Misconfigured``."""
    try:
        if not path.is_file() and path.exists():
            raise Misconfigured(f"{at(path)}: {what} is not a file.")
        if path.stat().st_size > MOST_BYTES:
            raise Misconfigured(f"{at(path)}: {what} is larger than 1 MiB, so it is probably another file.")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Misconfigured(
            f"{at(path)}: {what} is missing; run `oshiyakusho-matrix init` or correct the path."
        ) from None
    except (OSError, ValueError) as error:
        why = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "cannot be read by this user"
        raise Misconfigured(f"{at(path)}: {what} {why}.") from None


def read_yaml(path: Path, what: str) -> Written:
    """Return a YAML file's mapping with line numbers; anchors, aliases and tags are refused (nothing needs them)."""
    text = read_text(path, what)
    try:
        _refuse_cleverness(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Written({})
        if not isinstance(root, yaml.MappingNode):
            raise Misconfigured(f"{at(path)}: {what} must consist of `key: value` lines.")
        lines: dict[tuple[str, ...], int] = {}
        _note_lines(path, root, (), lines)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise Misconfigured(
            f"{at(path)}{line}: {what} is not valid YAML; look at indentation and quotes there."
        ) from None
    except (yaml.YAMLError, ValueError):
        # ValueError: an unquoted value that looks like a date or a number and is none.
        raise Misconfigured(
            f"{at(path)}: {what} holds a character or an unquoted value that YAML cannot read."
        ) from None
    except RecursionError:
        raise Misconfigured(f"{at(path)}: {what} is nested too deeply.") from None
    return Written(_without_empty(values), lines)


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop keys that stand there without a value: they mean "not set", as a commented file invites to write."""
    return {
        key: _without_empty(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _refuse_cleverness(path: Path, text: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tagged = isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or tagged:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise Misconfigured(
                f"{at(path)}, line {line}: anchors (&), aliases (*) and tags (!) of YAML are not used here."
            )


def _note_lines(path: Path, node: yaml.MappingNode, above: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> None:
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
            raise Misconfigured(f"{at(path)}, line {line}: a key must be a plain word.")
        key = (*above, key_node.value)
        if key in lines:
            raise Misconfigured(f"{at(path)}, line {line}: the key {shown(key)} stands there a second time.")
        lines[key] = line
        if isinstance(value_node, yaml.MappingNode):
            _note_lines(path, value_node, key, lines)


def read_token(path: Path, what: str) -> str:
    """Return the token that a file holds (white space around it is dropped)."""
    token = read_text(path, what).strip()
    if not is_token(token):
        raise Misconfigured(f"{at(path)}: {what} must hold one token on one line, and nothing else.")
    return token


def is_token(text: object) -> bool:
    """Tell whether this can travel in an Authorization header: printable ASCII without spaces."""
    return isinstance(text, str) and bool(text) and all("!" <= c <= "~" for c in text)


def open_to_others(path: Path) -> bool:
    """Tell whether every account of the machine may read a file (a group may: Synapse's account reads it too)."""
    return bool(stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH)


def at(path: Path) -> str:
    """Write a path for people."""
    return visible(str(path), limit=300)


def shown(key: Iterable[object]) -> str:
    """Write a key's path for people: ``homeserver.url``."""
    return visible(".".join(str(part) for part in key), limit=80)


def known_keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield every key that may be set, groups spelled out: ``homeserver.url``, ``listen``, …"""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from known_keys(info.annotation, f"{above}{name}.")
        else:
            yield above + name


def variable(prefix: str, key: Iterable[str]) -> str:
    """Return the environment variable of a key's path."""
    return prefix + "__".join(key).upper()


def refuse_unknown_keys(path: Path, written: Written, model: type[BaseModel]) -> None:
    """Raise ``Misconfigured`` for the first key that there is not, before pydantic misses the one that was meant."""
    known = {tuple(key.split(".")) for key in known_keys(model)}
    groups = {key[:1] for key in known if len(key) > 1}
    for key, line in written.lines.items():
        if key in known or key in groups or key[:-1] in known:  # the last: a group where a value belongs
            continue
        near = _did_you_mean(".".join(key), map(".".join, known | groups))
        raise Misconfigured(f"{at(path)}, line {line}: there is no key {shown(key)}; {near}")


def refuse_unknown_variables(
    environment: Iterable[str], model: type[BaseModel], prefix: str, others: tuple[str, ...]
) -> None:
    """Raise ``Misconfigured`` for the first variable with our prefix that sets nothing."""
    known = {variable(prefix, key.split(".")) for key in known_keys(model)}
    for name in sorted(environment):
        if name.upper().startswith(prefix) and name.upper() not in known and not name.upper().startswith(others):
            near = _did_you_mean(name.upper(), known)
            raise Misconfigured(f"the environment: no setting belongs to the variable {shown([name])}; {near}")


def where(path: Path, key: tuple[str, ...], written: Written, prefix: str, environment: Iterable[str]) -> str:
    """Say where a key was set: in which variable, or on which line of the file (of its group, if it is missing)."""
    name = variable(prefix, (part for part in key if not part.isdigit()))
    if name in {one.upper() for one in environment}:
        return f"the environment variable {name}"
    for length in range(len(key), 0, -1):
        if key[:length] in written.lines:
            return f"{at(path)}, line {written.lines[key[:length]]}"
    return at(path)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:80], sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else "the file that `init` writes lists those that there are."


def sentence(error: ValidationError, model: type[BaseModel]) -> tuple[tuple[str, ...], str]:
    """Return the first mistake's key and what is wrong with it, without any value and without pydantic's words."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = tuple(str(part) for part in first["loc"])
    context = first.get("ctx", {})
    match first["type"]:
        case "value_error":
            problem = str(context["error"])
        case "greater_than_equal":
            problem = f"must be at least {context['ge']}"
        case "less_than_equal":
            problem = f"must be at most {context['le']}"
        case "literal_error":
            problem = f"must be {context['expected']}"
        case kind:
            problem = _PROBLEMS.get(kind, "cannot be understood")
    example = _example(key, model)
    return key, f"{shown(key)} {problem}{f'; it looks like this: {example}' if example else ''}."


def _example(key: tuple[str, ...], model: type[BaseModel]) -> str | None:
    """Find the example in the Field that a key belongs to (``secretariat.0`` belongs to ``secretariat``)."""
    found: str | None = None
    current: Any = model
    for part in key:
        info = current.model_fields.get(part) if isinstance(current, type) and issubclass(current, BaseModel) else None
        if info is None:
            break
        found = str(info.examples[0]) if info.examples else found
        current = info.annotation
    return found
