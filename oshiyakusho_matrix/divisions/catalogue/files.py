"""Reads the files of ``rooms/`` one by one into models, and collects what is wrong in each.

Called by ``catalogue``. A file with mistakes still hands on what is sound in it, so that one run of ``rooms check``
finds the mistakes between files too; ``complete`` says whether anything that others may name was lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from oshiyakusho_matrix.core.text import Text, say, visible
from oshiyakusho_matrix.divisions.catalogue.errors import Loc, suggestion
from oshiyakusho_matrix.divisions.catalogue.salvage import validate
from oshiyakusho_matrix.divisions.catalogue.schema import CityHall, Division, Kenjinkai, Kinds, Located
from oshiyakusho_matrix.divisions.catalogue.yaml_lines import START, Place, read_yaml

#: A file of ``rooms/`` has a few kilobytes; more than this is a mistake.
MAX_BYTES = 1024 * 1024
CITYHALL, KINDS, KENJINKAI, DIVISIONS = "cityhall.yaml", "kinds.yaml", "kenjinkai.yaml", "divisions"

M = TypeVar("M", bound=Located)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. ``file`` is relative to the directory checked; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    message: Text


@dataclass(slots=True)
class Loaded(Generic[M]):
    """One file: its model as far as it is sound."""

    file: str
    model: M | None = None
    #: What pydantic refused and the model therefore lacks; None if there is no model at all.
    lost: frozenset[Loc] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Tell whether every entry that other files may name (a group, a circle, a kind) is in the model."""
        return self.model is not None and self.lost is not None and all(len(loc) > 2 for loc in self.lost)

    def add(self, place: Place, message: Text) -> None:
        """Note a mistake of this file."""
        self.findings.append(Finding(self.file, *place, message))


@dataclass(frozen=True, slots=True)
class Files:
    """All that was read. ``stray`` are mistakes that belong to no model."""

    cityhall: Loaded[CityHall]
    kinds: Loaded[Kinds]
    kenjinkai: Loaded[Kenjinkai] | None
    divisions: list[Loaded[Division]]
    stray: list[Finding]

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong within single files."""
        yield from self.stray
        for each in (self.cityhall, self.kinds, self.kenjinkai, *self.divisions):
            if each:
                yield from each.findings


def read_files(directory: Path) -> Files:
    """Read the directory; raises nothing. Hidden files, other endings and deeper directories are passed over."""
    stray: list[Finding] = []
    here = _yaml_names(directory, "", stray)
    below = _yaml_names(directory, DIVISIONS, stray)
    known = [CITYHALL, KINDS, KENJINKAI]
    stray.extend(_unknown_file(name, known) for name in here if name not in known)
    return Files(
        cityhall=_load(directory, CITYHALL, CityHall),
        kinds=_load(directory, KINDS, Kinds),
        kenjinkai=_load(directory, KENJINKAI, Kenjinkai) if KENJINKAI in here else None,
        divisions=[_load(directory, name, Division) for name in below],
        stray=stray,
    )


def _yaml_names(directory: Path, below: str, stray: list[Finding]) -> list[str]:
    """List the YAML files. Links are followed (Kubernetes mounts files so); a broken one is kept, to be reported."""
    folder = directory / below
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        stray.append(Finding(below or ".", *START, _cannot_read(error)))
        return []
    names = []
    for entry in entries:
        file = f"{below}/{visible(entry.name)}" if below else visible(entry.name)
        regular = entry.is_file() or (entry.is_symlink() and not entry.exists())
        if entry.name.startswith(".") or entry.suffix.lower() not in (".yaml", ".yml") or not regular:
            continue
        if visible(entry.name) != entry.name:
            stray.append(Finding(file, *START, say("The name of this file holds characters that cannot be shown.")))
        elif entry.suffix != ".yaml":
            stray.append(Finding(file, *START, say("Files end in .yaml here; this one would be passed over.")))
        else:
            names.append(file)
    return names


def _unknown_file(name: str, known: list[str]) -> Finding:
    guess = suggestion(Path(name).stem, [Path(each).stem for each in known])
    if guess:
        file = f"{guess}.yaml"
        return Finding(name, *START, say("No such file is read here. Did you mean {guess}?", guess=file))
    return Finding(name, *START, say("No such file is read here; divisions belong into divisions/."))


def _load(directory: Path, file: str, model: type[M]) -> Loaded[M]:
    loaded: Loaded[M] = Loaded(file)
    text = _read(directory / file, loaded)
    if text is None:
        return loaded
    tree, mistakes = read_yaml(text)
    for mistake in mistakes:
        loaded.add(mistake.place, mistake.message)
    if mistakes and tree is None:
        return loaded
    salvaged = validate(model, tree)
    loaded.model, loaded.lost = salvaged.model, salvaged.lost if not mistakes else None
    for mistake in salvaged.mistakes:
        loaded.add(mistake.place, mistake.message)
    return loaded


def _read(path: Path, loaded: Loaded[M]) -> str | None:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        loaded.add(START, say("This file is missing."))
        return None
    except OSError as error:
        loaded.add(START, _cannot_read(error))
        return None
    if len(content) > MAX_BYTES:
        loaded.add(START, say("This file is larger than {limit} bytes; it is not read.", limit=MAX_BYTES))
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = Place(before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1)
        loaded.add(place, say("This file is not UTF-8 from here on; save it as UTF-8."))
        return None


def _cannot_read(error: OSError) -> Text:
    return say("This cannot be read: {problem}.", problem=error.strerror or type(error).__name__)
