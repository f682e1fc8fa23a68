"""The README and the changelog show the product as it is: its city hall, its folders, the journey of an event."""

import re
from pathlib import Path

import oshiyakusho_matrix
from oshiyakusho_matrix.divisions.catalogue import load_declaration, shipped_directory
from tests.web.documents import LANGUAGES, ROOT, code, handbook, journeys, tables, tree

PACKAGE = Path(oshiyakusho_matrix.__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_journey_is_that_of_the_package() -> None:
    lines = re.findall(r"^\d\. (.+)$", oshiyakusho_matrix.__doc__ or "", re.MULTILINE)
    assert len(lines) == 8
    english = [line.replace("``", "`") for line in lines]
    japanese = journeys(handbook("ja", "how-it-works"))[0]
    assert len(japanese) == 8
    assert journeys(handbook("en", "how-it-works")) == [english]
    assert journeys(README) == [japanese, english]


def test_the_readme_draws_the_shipped_city_hall() -> None:
    declared = load_declaration(shipped_directory())
    drawn = re.findall(r"^```text\n(.*?)\n```$", README, re.DOTALL | re.MULTILINE)
    assert drawn == [tree(declared, language) for language in LANGUAGES]


def test_the_readme_lists_every_folder() -> None:
    packages = {f"oshiyakusho_matrix/{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    both = [rows[1:] for mark, rows in tables(README, "table") if mark == "folders"]
    assert len(both) == len(LANGUAGES)
    for rows in both:
        assert {code(cells[0])[0] for cells in rows} == packages | {
            "oshiyakusho_matrix/",
            "rooms/",
            "deploy/",
            "tests/",
        }


def test_the_readme_speaks_japanese_first_and_names_the_two_commands() -> None:
    japanese, english = README.split("\n# English\n")
    for half in (japanese, english):
        assert "\nmake demo\nmake test\n" in half


def test_the_changelog_knows_this_version() -> None:
    assert oshiyakusho_matrix.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
