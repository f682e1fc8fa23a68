"""The declared city hall: reads ``rooms/``, finds every mistake in it, and hands on a ``Declaration``.

Called by ``rooms check|plan|apply``, ``init`` and ``doctor``. The files' shape is in ``catalogue.schema``, the rules
are in ``catalogue.fields`` (one value), ``catalogue.kinds`` (one kind) and ``catalogue.spaces`` (between files).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import plain, say
from oshiyakusho_matrix.divisions.catalogue import spaces
from oshiyakusho_matrix.divisions.catalogue.entries import Entry, entries_of
from oshiyakusho_matrix.divisions.catalogue.files import Files, Finding, read_files
from oshiyakusho_matrix.divisions.catalogue.kinds import kind_findings, kind_of
from oshiyakusho_matrix.divisions.domain import Declaration, Kind


def load_declaration(directory: Path) -> Declaration:
    """Read the declared city hall. Misconfigured names the first mistake and says how many more there are."""
    files, found = _read(directory)
    if files is None or found:
        raise _misconfigured(directory, found)
    return _declare(files)


def load_what_is_sound(directory: Path) -> Declaration:
    """Read the declared city hall without those divisions in whose files there is a mistake.

    For the first start alone: applied to a city hall that stands, it would close them. ``Misconfigured`` if a mistake
    is anywhere else.
    """
    files, found = _read(directory)
    if files is None:
        raise _misconfigured(directory, found)
    mistaken = {finding.file for finding in found}
    if not mistaken <= {division.file for division in files.divisions}:
        raise _misconfigured(directory, found)
    return _declare(replace(files, divisions=[each for each in files.divisions if each.file not in mistaken]))


def _misconfigured(directory: Path, found: Sequence[Finding]) -> Misconfigured:
    first = found[0]
    more = f" ({len(found) - 1} more; `rooms check` lists them)" if len(found) > 1 else ""
    place = directory / first.file
    return Misconfigured(f"{place}:{first.line}:{first.column}: {plain(first.message)}{more}")


def _declare(files: Files) -> Declaration:
    entries = entries_of(files)
    return Declaration(
        hall=entries[0].space.slug,
        kinds=_kinds(files),
        spaces={entry.space.slug: entry.space for entry in entries},
    )


def check(directory: Path) -> list[Finding]:
    """Return every mistake, sorted by file and line; empty if there is none. Raises nothing for what files may hold."""
    return _read(directory)[1]


def shipped_directory() -> Path:
    """Return the city hall that comes with the product: in an installed wheel a part of it, else the checkout's."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "shipped_rooms"
    return installed if installed.is_dir() else package.parent / "rooms"


def _all_findings(files: Files) -> Iterator[Finding]:
    yield from files.findings()
    yield from kind_findings(files.kinds)
    entries: list[Entry] = entries_of(files)
    kinds = _kinds(files)
    yield from spaces.slug_findings(entries)
    yield from spaces.name_findings(entries)
    if files.kinds.complete:
        yield from spaces.kind_name_findings(entries, kinds)
    if files.cityhall.complete:
        yield from spaces.parent_findings(entries)
    yield from spaces.cycle_findings(entries)
    yield from spaces.alias_findings(entries, kinds)
    yield from spaces.length_findings(entries, kinds)


def _kinds(files: Files) -> dict[str, Kind]:
    model = files.kinds.model
    return {key: kind_of(key, kind) for key, kind in model.kinds.items()} if model else {}


def _read(directory: Path) -> tuple[Files | None, list[Finding]]:
    """Read the files, if there are any, and find every mistake."""
    if not directory.is_dir():
        return None, [Finding(".", 1, 1, say("There is no such directory."))]
    files = read_files(directory)
    found = _sorted(_all_findings(files))
    if not (directory / "divisions").is_dir():
        # Left out by a copy that failed, it would close every division.
        found.append(Finding("divisions", 1, 1, say("There is no such directory. Without divisions, leave it empty.")))
    return files, found


def _sorted(findings: Iterator[Finding]) -> list[Finding]:
    # Two rooms of one space, or all circles of one file, may fall over the same mistake: it is said once.
    distinct = {(f.file, f.line, f.column, plain(f.message)): f for f in findings}
    return [distinct[key] for key in sorted(distinct)]


def load_from(directory: Path) -> Callable[[], Declaration]:
    """Return how to read ``rooms/`` anew each time."""
    return lambda: load_declaration(directory)
