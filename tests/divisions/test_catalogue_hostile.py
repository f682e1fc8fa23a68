"""Whatever a file of ``rooms/`` holds, ``check`` answers with findings that can be printed; it never raises."""

import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.catalogue import check
from oshiyakusho_matrix.divisions.catalogue.schema import Located, Rules
from tests.divisions.small_hall import SOUND, write_hall

FILES = st.sampled_from([*SOUND, "kenjinkai.yaml", "divisions/x.yaml"])
FIELDS = {field for model in Located.__subclasses__() for field in model.model_fields}
KEYS = st.sampled_from(sorted(FIELDS | set(Rules.model_fields) | {"alias", "key", "group", "division"})) | st.text(
    max_size=8
)
WORDS = st.sampled_from(
    [
        "hall",
        "group",
        "zei",
        "kikaku",
        "zaisei",
        "cityhall",
        "ka-{slug}",
        "{name}",
        "public",
        "secretariat",
        "12",
        "@a:b",
    ]
)
LEAVES = WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=6), max_leaves=25
)


def _checked(file: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for finding in check(write_hall(Path(directory), {file: content})):
            line = f"{finding.file}:{finding.line}:{finding.column}: {plain(finding.message)}"
            assert not {unicodedata.category(character) for character in line} & {"Cc", "Cs", "Zl", "Zp"}
            assert finding.line >= 1
            assert finding.column >= 1


@given(file=FILES, content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes(file: str, content: bytes) -> None:
    _checked(file, content)


@given(file=FILES, text=st.text(alphabet="\\\"'-:{}[]&*!|>%@`#?, \n\tUux0fFab~<=.9", max_size=80))
@settings(max_examples=200, deadline=None)
def test_the_signs_that_yaml_is_made_of(file: str, text: str) -> None:
    _checked(file, text.encode())


@given(file=FILES, tree=TREES)
@settings(max_examples=200, deadline=None)
def test_any_tree_of_the_known_keys(file: str, tree: Any) -> None:
    _checked(file, yaml.safe_dump(tree, allow_unicode=True).encode(errors="replace"))


@given(old=st.sampled_from([line for text in SOUND.values() for line in text.splitlines()]), new=st.text(max_size=30))
@settings(max_examples=150, deadline=None)
def test_a_sound_hall_with_one_line_replaced(old: str, new: str) -> None:
    file = next(name for name, text in SOUND.items() if old in text.splitlines())
    _checked(file, SOUND[file].replace(old, new, 1).encode())
