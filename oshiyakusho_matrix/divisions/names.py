"""What spaces are called: no two alike, for people see nothing but names. Used by ``service`` before anything is saved.

``catalogue.spaces`` holds the files to the same; here it is the records, which files and commands both have made.
"""

from collections.abc import Mapping

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.divisions.domain import GROUP, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.tables import SpaceRecord


def check_names(records: Mapping[str, SpaceRecord], slug: str) -> None:
    """Refuse a space whose name another one has: a division that of a division, circle or the hall, a group a group's.

    An archived one may share its name, and is refused when it is to be opened again.
    """
    mine = records[slug].space
    for other in records.values():
        theirs = other.space
        if theirs.slug == slug or other.lifecycle is not Lifecycle.ACTIVE:
            continue
        if theirs.parent is not None and (theirs.kind == GROUP) != (mine.kind == GROUP):
            continue
        for name, taken in ((mine.name.ja, theirs.name.ja), (mine.name.en, theirs.name.en)):
            if fold(name) == fold(taken):
                raise Refused(
                    say(
                        "The name {name} belongs to {other} already. Choose another one.",
                        name=name,
                        other=f"{theirs.name.ja} ({theirs.slug})",
                    )
                )


def edited(before: Space, name: Names, purpose: Names) -> tuple[Names, Names]:
    """Return name and purpose with what is given in the place of what was there; an empty text keeps the old one.

    Whoever gave a division one name only has it in the place of the others: those follow when it changes.
    """
    old, meant = before.name, before.purpose
    ja = name.ja or old.ja
    en = name.en or (ja if old.en == old.ja else old.en)
    purpose_ja = purpose.ja or (ja if meant.ja == old.ja else meant.ja)
    followed = {old.ja: ja, old.en: en, meant.ja: purpose_ja}
    purpose_en = purpose.en or (purpose.ja if purpose.ja and meant.en in followed else followed.get(meant.en, meant.en))
    return Names(ja, en), Names(purpose_ja, purpose_en)
