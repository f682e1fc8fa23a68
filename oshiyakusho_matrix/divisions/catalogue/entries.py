"""Spaces with the places where they are declared: from the files' models to the domain.

Built for ``catalogue``, which makes the declaration of them, and for ``catalogue.spaces``, which compares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.divisions.catalogue.files import Files, Finding
from oshiyakusho_matrix.divisions.catalogue.schema import (
    Circle,
    CityHall,
    Division,
    Kenjinkai,
    Located,
    NameWords,
    SpaceModel,
)
from oshiyakusho_matrix.divisions.domain import Names, Space


@dataclass(frozen=True, slots=True)
class Entry:
    """One space and where it is declared. ``owner`` says its kind and parent: itself, or for a circle the file."""

    space: Space
    file: str
    model: SpaceModel | Circle
    owner: Located
    parent_key: str

    def at(self, key: str, text: Text) -> Finding:
        """Return a mistake in one of its values."""
        source = self.owner if key in ("kind", self.parent_key) else self.model
        return Finding(self.file, *source.place(key), text)

    def name_at(self, language: str) -> tuple[str, int, int]:
        """Return file, line and column of its name in one language."""
        return self.file, *self.model.name.place(language)

    @property
    def where(self) -> str:
        """Return file and line, for mistakes elsewhere that speak of it."""
        return f"{self.file}:{self.model.place('slug').line}"


def entries_of(files: Files) -> list[Entry]:
    """Return all spaces in the order of the lobby, the hall first."""
    entries: list[Entry] = []
    if files.cityhall.model:
        entries.extend(_of_cityhall(files.cityhall.file, files.cityhall.model))
    entries.extend(_of_division(loaded.file, loaded.model) for loaded in files.divisions if loaded.model)
    if files.kenjinkai and files.kenjinkai.model:
        model = files.kenjinkai.model
        file = files.kenjinkai.file
        entries.extend(_of_circle(file, model, order, circle) for order, circle in enumerate(model.circles))
    return entries


def _of_cityhall(file: str, model: CityHall) -> Iterator[Entry]:
    hall = model.hall
    purpose = Names(hall.purpose.ja, hall.purpose.en)
    yield Entry(Space(hall.slug, hall.kind, None, _names(hall.name), purpose, 0), file, hall, hall, "parent")
    for order, group in enumerate(model.groups):
        purpose = Names(group.purpose.ja, group.purpose.en)
        space = Space(group.slug, group.kind, group.parent or hall.slug, _names(group.name), purpose, order)
        yield Entry(space, file, group, group, "parent")


def _of_division(file: str, model: Division) -> Entry:
    purpose = Names(model.purpose.ja, model.purpose.en)
    heads = tuple(model.heads)
    space = Space(model.slug, model.kind, model.group, _names(model.name), purpose, model.order, heads)
    return Entry(space, file, model, model, "group")


def _of_circle(file: str, model: Kenjinkai, order: int, circle: Circle) -> Entry:
    name = _names(circle.name)
    if circle.purpose:
        purpose = Names(circle.purpose.ja, circle.purpose.en)
    else:
        shared = model.purpose
        purpose = Names(shared.ja.replace("{name}", name.ja), shared.en.replace("{name}", name.en))
    space = Space(circle.slug, model.kind, model.group, name, purpose, order, tuple(circle.heads))
    return Entry(space, file, circle, model, "group")


def _names(words: NameWords) -> Names:
    return Names(words.ja, words.en)
