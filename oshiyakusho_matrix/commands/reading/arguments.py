"""What a command's arguments are: markers on the fields of a pydantic model, and the parameters that are read off them.

Capabilities write the markers; ``parsing``, ``usage`` and ``help`` read the parameters::

    class Create(BaseModel):
        slug: Annotated[Slug, Positional(ja="識別名", about=say("The short name, for ever."))]
        head: Annotated[UserId | None, Option(ja="課長", about=say("Who leads it."))] = None
        quiet: Annotated[bool, Option(ja="静かに", about=say("Tell nobody."))] = False

Kinds of values: ``Slug``, ``UserId``, ``int``, ``bool`` (a flag, false unless given), enumerations and ``Literal``,
``str`` (exact characters), a ``tuple[X, ...]`` of those (several words, or an option given several times), and whatever
else pydantic reads from a string (``date``). A validator may raise ``Refused`` to say more than "it does not fit".
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import Text, fold, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a field's type does not say. ``ja`` is its Japanese name, ``about`` one sentence for the help.

    ``spellings`` leads from further spellings of a value to the value (``{"日本語": "ja"}``), ``also`` names further
    spellings of an option. What is ``private`` (a free text about a person) never gets into the audit table. What is
    ``shown`` is part of the example although it may be left out.
    """

    ja: str = ""
    about: Text | None = None
    example: str = ""
    spellings: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    private: bool = False
    shown: bool = False


class Positional(Marker):
    """An argument known by its place: the fields' order is the order of the words."""

    __slots__ = ()


class Option(Marker):
    """``--name value``, ``--name=value``, or a flag; what a field without a marker is, too."""

    __slots__ = ()


class Rest(Marker):
    """All that follows, character by character; only the last positional field, and only ``str``."""

    __slots__ = ()


class Place(StrEnum):
    """How a parameter is given."""

    POSITIONAL = "positional"
    REST = "rest"
    OPTION = "option"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a command as parsing and help see it. ``type`` is that of one value, also where ``many``."""

    field: str
    place: Place
    type: Any
    marker: Marker
    many: bool = False
    required: bool = False
    default: Any = None

    def label(self, language: str) -> str:
        """Return its name for people."""
        return self.marker.ja if language == "ja" and self.marker.ja else self.field.replace("_", "-")

    @property
    def spellings(self) -> frozenset[str]:
        """Return how an option may be written, folded, without its dashes."""
        names = (self.field.replace("_", "-"), self.marker.ja, *self.marker.also)
        return frozenset(fold(name) for name in names if name)

    @property
    def choices(self) -> dict[str, str]:
        """Return the values it is limited to, by folded spelling; empty when it is not."""
        if isinstance(self.type, type) and issubclass(self.type, Enum):
            values = [str(member.value) for member in self.type]
        elif get_origin(self.type) is Literal:
            values = [str(value) for value in get_args(self.type)]
        else:
            return {}
        return {fold(v): v for v in values} | {fold(k): v for k, v in self.marker.spellings.items()}


#: What a command with a preview takes besides its own arguments.
YES = Parameter(
    "yes", Place.FLAG, bool, Option(ja="はい", about=say("Goes ahead at once, without asking for ✅ first."))
)


def parameters_of(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Read the parameters off a model of arguments; ``Misconfigured`` if nobody could give them in this order."""
    return _parameters_of(model)


@cache
def _parameters_of(model: type[BaseModel]) -> tuple[Parameter, ...]:
    found = tuple(_parameter(model, name, info) for name, info in model.model_fields.items())
    places = [p for p in found if p.place in (Place.POSITIONAL, Place.REST)]
    for earlier, later in pairwise(places):
        if earlier.place is Place.REST or earlier.many:
            raise Misconfigured(f"{model.__name__}.{later.field}: nothing can follow {earlier.field}, which takes all.")
        if later.required and not earlier.required:
            raise Misconfigured(f"{model.__name__}.{later.field}: required, but follows {earlier.field}, which is not.")
    options = [s for p in found if p.place in (Place.OPTION, Place.FLAG) for s in p.spellings]
    if len(options) != len(set(options)):
        raise Misconfigured(f"{model.__name__}: two options have one name.")
    return found


def _parameter(model: type[BaseModel], name: str, info: FieldInfo) -> Parameter:
    where = f"{model.__name__}.{name}"
    marker = next((m for m in info.metadata if isinstance(m, Marker)), Option())
    kind, many = _item(info.annotation)
    positional, rest = isinstance(marker, Positional), isinstance(marker, Rest)
    if rest and (many or kind is not str):
        raise Misconfigured(f"{where}: the rest of a line can only be a str.")
    if kind is bool and (many or positional or info.is_required() or info.default is not False):
        raise Misconfigured(f"{where}: a flag is an option that is False unless it is given.")
    place = Place.REST if rest else Place.POSITIONAL if positional else Place.FLAG if kind is bool else Place.OPTION
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True, validated_data={})
    return Parameter(name, place, kind, marker, many=many, required=required, default=default)


def _item(annotation: Any) -> tuple[Any, bool]:
    """Take ``Annotated``, ``| None`` and ``tuple[..., ...]`` off a type; tell whether it was a tuple."""
    if get_origin(annotation) is Annotated:
        return _item(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in get_args(annotation) if a is not type(None)]
        return _item(rest[0]) if len(rest) == 1 else (annotation, False)
    if get_origin(annotation) is tuple:
        return _item(get_args(annotation)[0])[0], True
    return annotation, False
