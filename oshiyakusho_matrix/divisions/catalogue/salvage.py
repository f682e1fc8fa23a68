"""Goes on with what is sound in a file, so that one run of ``rooms check`` finds the mistakes between files as well.

Called by ``catalogue.files``. Whatever pydantic refuses is taken out and the rest validated again, until it is
accepted or nothing is left: an unknown key goes alone, a group without a slug goes whole.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oshiyakusho_matrix.divisions.catalogue.errors import Loc, mistakes_of
from oshiyakusho_matrix.divisions.catalogue.schema import Located
from oshiyakusho_matrix.divisions.catalogue.yaml_lines import Block, Mistake, Series

M = TypeVar("M", bound=Located)


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[M]):
    """The model of what is sound, all mistakes, and where something is missing from the model because of them.

    Unknown keys are not among ``lost``: the model misses nothing without them.
    """

    model: M | None
    mistakes: list[Mistake]
    lost: frozenset[Loc]


def validate(model: type[M], tree: object) -> Salvaged[M]:
    """Validate, take out what is refused, and so on until the rest is accepted or nothing is left."""
    mistakes: list[Mistake] | None = None
    lost: set[Loc] = set()
    while True:
        try:
            return Salvaged(model.model_validate(tree), mistakes or [], frozenset(lost))
        except ValidationError as error:
            if mistakes is None:
                mistakes = mistakes_of(error, model, tree)
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            refused = {_refused(each) for each in errors}
            lost |= {_refused(each) for each in errors if each["type"] != "extra_forbidden"}
            pruned = None if () in refused else _without(tree, refused)
            if pruned is None or pruned == tree:
                return Salvaged(None, mistakes, frozenset(lost))
            tree = pruned


def _refused(error: ErrorDetails) -> Loc:
    """Return what has to go: the thing itself, or for what is missing (or a refused key) its holder."""
    loc = error["loc"]
    return loc[:-1] if error["type"] == "missing" or loc[-1:] == ("[key]",) else loc


def _without(node: object, refused: set[Loc]) -> object:
    """Return a copy of ``node`` without what stands at ``refused``; places are kept."""
    below: dict[int | str, set[Loc]] = {}
    for loc in refused:
        below.setdefault(loc[0], set()).add(loc[1:])
    if isinstance(node, Block):
        block = Block(node.place)
        block.keys_at, block.values_at = node.keys_at, node.values_at
        block.update({key: _rest(value, below.get(key)) for key, value in node.items() if () not in below.get(key, ())})
        return block
    if isinstance(node, Series):
        series = Series(node.place)
        for index, (item, place) in enumerate(zip(node, node.items_at, strict=True)):
            if () not in below.get(index, ()):
                series.append(_rest(item, below.get(index)))
                series.items_at.append(place)
        return series
    return node


def _rest(node: object, refused: set[Loc] | None) -> object:
    return _without(node, refused) if refused else node
