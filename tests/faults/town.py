"""The smallest city hall with one of everything: the hall with 事務局室, a group, a division with one room."""

from dataclasses import replace
from pathlib import Path

from oshiyakusho_matrix.divisions.catalogue import load_declaration
from oshiyakusho_matrix.divisions.domain import Declaration
from tests.divisions.small_hall import write_hall

_CITYHALL = """\
hall:
  slug: cityhall
  name: {ja: 市役所, en: City Hall}
  purpose: {ja: 学び合う, en: Learn}
groups:
  - slug: kikaku
    name: {ja: 企画, en: Planning}
    purpose: {ja: 計画, en: Plans}
"""


def tiny_town(directory: Path, prefix: str) -> Declaration:
    """Return the declared town; every alias of it begins with ``prefix``, as the installation's namespace wants it."""
    declared = load_declaration(write_hall(directory, {"cityhall.yaml": _CITYHALL}))
    kinds = {key: replace(kind, alias=prefix + kind.alias) for key, kind in declared.kinds.items()}
    return replace(declared, kinds=kinds)
