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


#: The files edited: one division has another name and purpose, and there is one more.
_EDITED: dict[str, str | bytes | None] = {
    "divisions/zaisei.yaml": """\
slug: zaisei
name: {ja: 財政の課, en: The Finance Division}
purpose: {ja: 財政と予算, en: Finance and budgets}
group: kikaku
""",
    "divisions/koho.yaml": """\
slug: koho
name: {ja: 広報課, en: Public Relations}
purpose: {ja: 広報, en: Public relations}
group: kikaku
""",
}


def tiny_town(directory: Path, prefix: str, *, edited: bool = False) -> Declaration:
    """Return the declared town; every alias of it begins with ``prefix``, as the installation's namespace wants it."""
    files = {"cityhall.yaml": _CITYHALL} | (_EDITED if edited else {})
    declared = load_declaration(write_hall(directory, files))
    kinds = {key: replace(kind, alias=prefix + kind.alias) for key, kind in declared.kinds.items()}
    return replace(declared, kinds=kinds)
