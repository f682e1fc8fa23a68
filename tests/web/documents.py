"""Reads the documentation as tests need it: files, marked tables, calls of the product; and draws what it must show."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oshiyakusho_matrix.divisions.desired import alias_localpart
from oshiyakusho_matrix.divisions.domain import DIVISION, GROUP, Declaration, Names, Space

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "oshiyakusho_matrix" / "web" / "handbook"
LANGUAGES = ("ja", "en")
#: Every document for people.
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md"), *HANDBOOK.rglob("*.md")])

_CODE = re.compile(r"`([^`]+)`")
_BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PROGRAM = re.compile(r"(?:^|(?<=[\s/:]))oshiyakusho-matrix(?::local)?\s+(?=[a-z-])")


def handbook(language: str, name: str) -> str:
    """Return the source of a page."""
    return (HANDBOOK / language / f"{name}.md").read_text(encoding="utf-8")


def tables(text: str, kind: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield what a mark says (``<!-- KIND: … -->``) and the rows of the table below it, head included."""
    for mark, lines in re.findall(rf"^<!-- {kind}: (.+) -->\n((?:\|.*\n)+)", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines.splitlines()]
        yield mark, [rows[0], *rows[2:]]


def table(text: str, name: str) -> list[list[str]]:
    """Return the rows of the one table of this name, without its head."""
    (found,) = [rows for mark, rows in tables(text, "table") if mark == name]
    return found[1:]


def code(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return _CODE.findall(cell)


def journeys(text: str) -> list[list[str]]:
    """Return the numbered lists that are marked as an event's journey."""
    found = re.findall(r"^<!-- journey -->\n((?:\d+\. .+\n)+)", text, re.MULTILINE)
    return [re.findall(r"^\d+\. (.+)$", lines, re.MULTILINE) for lines in found]


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of the product. One from a running text may leave out what is required."""

    where: str
    words: tuple[str, ...]
    complete: bool


def invocations() -> Iterator[Invocation]:
    """Yield every call of ``oshiyakusho-matrix`` in the documents."""
    for document in DOCUMENTS:
        text, where = document.read_text(encoding="utf-8"), str(document.relative_to(ROOT))
        for language, block in _BLOCKS.findall(text):
            for line in block.splitlines() if language == "sh" else ():
                call = _PROGRAM.search(line)
                # Words before the name that install or copy it are about its file, not a call of it.
                if call and _runs(line[: call.start()]):
                    yield Invocation(where, tuple(shlex.split(line[call.end() :])), complete=True)
        for inline in code(_BLOCKS.sub("", text)):
            if inline.startswith("oshiyakusho-matrix "):
                yield Invocation(where, tuple(shlex.split(inline)[1:]), complete=" --" in inline)


def _runs(before: str) -> bool:
    words = before.split()
    by_path = len(words) == 1 and before.endswith("/bin/")
    others = {"build", "chown", "install", "systemctl", "useradd", "up"}
    return by_path or not words or (words[0] in ("sudo", "docker") and others.isdisjoint(words))


def tree(declared: Declaration, language: str) -> str:
    """Draw the city hall: the hall's rooms, one division with its rooms, and of each group the first few spaces."""

    def called(names: Names, space: Space | None = None) -> str:
        text = names.ja if language == "ja" else names.en
        own = (space.name.ja if language == "ja" else space.name.en) if space else ""
        return text.replace("{name}", own)

    def below(slug: str) -> list[Space]:
        return sorted((s for s in declared.spaces.values() if s.parent == slug), key=lambda s: s.order)

    def some(spaces: list[Space]) -> str:
        shown = [called(s.name) for s in spaces[:3]]
        more = len(spaces) - len(shown)
        if language == "ja":
            return "、".join(shown) + (f" ほか{more}" if more else "")
        return ", ".join(shown) + (f" and {more} more" if more else "")

    hall = declared.spaces[declared.hall]
    kind = declared.kinds[hall.kind]
    lines = [f"{called(hall.name)}  #{alias_localpart(kind, hall.slug, kind.space)}"]
    lines += [f"├─ {called(rule.name)}  #{alias_localpart(kind, hall.slug, rule)}" for rule in kind.rooms]
    groups = below(hall.slug)
    first_group = next(group for group in groups if group.kind == GROUP)
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        spaces, lead = below(group.slug), "   " if last else "│  "
        lines.append(f"{'└─' if last else '├─'} {called(group.name)}")
        if group.kind != GROUP:
            inside = [called(rule.name) for rule in declared.kinds[group.kind].rooms]
            lines.append(f"{lead}└─ {('、' if language == 'ja' else ', ').join(inside)}")
            continue
        if group is first_group:
            first, division = spaces.pop(0), declared.kinds[DIVISION]
            lines.append(f"{lead}├─ {called(first.name)}  #{alias_localpart(division, first.slug, division.space)}")
            for index, rule in enumerate(division.rooms):
                corner = "└─" if index == len(division.rooms) - 1 else "├─"
                alias = alias_localpart(division, first.slug, rule)
                lines.append(f"{lead}│  {corner} {called(rule.name, first)}  #{alias}")
        lines.append(f"{lead}└─ {some(spaces)}")
    return "\n".join(lines)
