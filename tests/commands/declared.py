"""What every declared command must fulfil: ``assert_declared_well``, for the tests of each capability."""

import inspect
import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from oshiyakusho_matrix.commands.interface import Command
from oshiyakusho_matrix.commands.reading.arguments import YES, Parameter, Place, parameters_of
from oshiyakusho_matrix.commands.reading.parsing import Parsed, parse
from oshiyakusho_matrix.commands.reading.usage import PREFIX, example, name_of, plain, quoted, usage
from oshiyakusho_matrix.commands.reading.words import split
from oshiyakusho_matrix.commands.registry import Found, Registry
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import SLUG_PATTERN, Slug, UserId

#: What people write, and what they should not: every quotation mark, dash, space and direction.
WORDS = st.text(
    st.one_of(
        st.characters(codec="utf-8", exclude_characters="\x00"),
        st.sampled_from("「」『』“”\"'\\-—ー=　 @!"),
    )
)
USERS = st.from_regex(r"@[a-z0-9._=/+-]{1,20}:[a-z0-9-]{1,10}\.example(:8448)?", fullmatch=True).map(UserId)


def assert_declared_well(commands: Sequence[Command[Any]], catalogue: Mapping[str, str] | None = None) -> None:
    """Assert that commands can be found, explained and typed in both languages, and survive being stored.

    ``catalogue`` are the Japanese messages (``locales.load("ja")``): with it, what help shows must be translated.
    """
    registry = Registry(commands)
    for command in commands:
        _assert_named(command)
        _assert_explained(command, catalogue)
        assert inspect.iscoroutinefunction(command.run), f"{command.names[0]}: run is no coroutine function"
        for name in command.names:
            assert registry.find(split(name)) == Found(command, len(name.split()))
        for language in ("ja", "en"):
            assert usage(command, language).startswith(PREFIX)
            typed(registry, example(command, language), language)
        _assert_reads_back(registry, command)


def typed(registry: Registry, text: str, language: str) -> Parsed:
    """Read an invocation as ``dispatch`` does, from its prefix on."""
    words = split(text, len(PREFIX))
    found = registry.find(words)
    assert isinstance(found, Found), text
    return parse(found.command, words[found.used :], text, language=language)


def _assert_named(command: Command[Any]) -> None:
    assert len(command.names) >= 2, f"{command.names}: an English and a Japanese name"
    english, japanese = command.names[:2]
    assert english.isascii(), f"{english}: the first name is the English one"
    assert not japanese.replace(" ", "").isascii(), f"{japanese}: the second name is the Japanese one"
    assert len(english.split()) == len(japanese.split()), f"{english}, {japanese}: a group in one language only"


def _assert_explained(command: Command[Any], catalogue: Mapping[str, str] | None) -> None:
    assert command.summary.msgid.endswith("."), f"{command.names[0]}: the summary is a sentence"
    texts = [command.summary]
    for parameter in parameters_of(command.arguments):
        where = f"{command.names[0]}: {parameter.field}"
        assert parameter.marker.ja, f"{where}: no Japanese name"
        assert parameter.marker.about is not None, f"{where}: no explanation"
        texts.append(parameter.marker.about)
    missing = [text.msgid for text in texts if catalogue is not None and text.msgid not in catalogue]
    assert not missing, f"not in Japanese: {missing}"


def _assert_reads_back(registry: Registry, command: Command[Any]) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(arguments_of(command.arguments), st.booleans(), st.sampled_from(["ja", "en"]))
    def reads_back(arguments: BaseModel, yes: bool, language: str) -> None:
        yes = yes and command.preview is not None
        text = written(command, arguments, language, yes=yes)
        assert typed(registry, text, language) == Parsed(arguments, yes), text
        stored = json.loads(json.dumps(arguments.model_dump(mode="json")))
        assert command.arguments.model_validate(stored) == arguments

    reads_back()


def written(command: Command[Any], arguments: BaseModel, language: str, *, yes: bool = False) -> str:
    """Return the invocation that gives just these arguments: what ``parse`` must read back."""
    pieces = [PREFIX + name_of(command, language)]
    if yes:
        pieces.append(f"--{YES.label(language)}")
    parameters = parameters_of(command.arguments)
    for p in parameters:
        if p.place in (Place.OPTION, Place.FLAG):
            pieces += _option(p, getattr(arguments, p.field), language)
    places = [p for p in parameters if p.place in (Place.POSITIONAL, Place.REST)]
    while places and not places[-1].required and getattr(arguments, places[-1].field) == places[-1].default:
        places.pop()
    for p in places:
        value = getattr(arguments, p.field)
        texts = [plain(each) for each in (value if p.many else (value,))]
        pieces += [_rest(text) if p.place is Place.REST else quoted(text) for text in texts]
    return " ".join(pieces)


def _option(p: Parameter, value: Any, language: str) -> list[str]:
    lead = f"--{p.label(language)}"
    if p.place is Place.FLAG:
        return [lead] if value else []
    if value is None or (not p.required and value == p.default):
        return []
    return [piece for each in (value if p.many else (value,)) for piece in (lead, quoted(plain(each)))]


def _rest(text: str) -> str:
    words = split(text)
    harmless = bool(words) and text == text.strip() and all(w.option is None and not w.quoted for w in words)
    return text if harmless else quoted(text)


@st.composite
def arguments_of(draw: st.DrawFn, model: type[BaseModel]) -> BaseModel:
    """Draw arguments that a model accepts; what its limits and validators refuse is drawn again."""
    fields = {p.field: _values(p, model.model_fields[p.field].metadata) for p in parameters_of(model)}
    values = {name: value for name, value in draw(st.fixed_dictionaries(fields)).items() if value is not ...}
    try:
        return model.model_validate(values)
    except (ValidationError, Refused):
        return reject()


def _values(p: Parameter, metadata: Sequence[object]) -> st.SearchStrategy[Any]:
    one = _one(p, metadata)
    if p.many:
        least = next((m.min_length for m in metadata if isinstance(m, MinLen)), 1 if p.required else 0)
        one = st.lists(one, min_size=least, max_size=3).map(tuple)
    return one if p.required else st.one_of(st.just(...), one)


def _one(p: Parameter, metadata: Sequence[object]) -> st.SearchStrategy[Any]:
    if p.type is Slug:
        return st.from_regex(SLUG_PATTERN.replace("$", r"\Z"), fullmatch=True)
    if p.type is UserId:
        return USERS
    if p.type is bool:
        return st.booleans()
    if p.type is int:
        least = [m.ge for m in metadata if isinstance(m, Ge)] + [m.gt for m in metadata if isinstance(m, Gt)]
        most = [m.le for m in metadata if isinstance(m, Le)] + [m.lt for m in metadata if isinstance(m, Lt)]
        return st.integers(*(int(str(b[0])) if b else None for b in (least, most)))
    if p.type is date:
        return st.dates()
    if isinstance(p.type, type) and issubclass(p.type, Enum):
        return st.sampled_from(p.type)
    if p.type is str:
        # A validator may take hardly any word; the example it does.
        return st.one_of(WORDS, st.just(p.marker.example)) if p.marker.example else WORDS
    return st.sampled_from(get_args(p.type))
