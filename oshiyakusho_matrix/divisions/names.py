"""What spaces are called: no two alike, for people see nothing but names. Used by ``service`` before anything is saved.

``catalogue.spaces`` holds the files to the same; here it is the records, which files and commands both have made.
"""

from collections.abc import Iterator

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.divisions.domain import GROUP, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import title


def check_names(picture: Picture, slug: str) -> None:
    """Refuse a space that is called, in either language, what another one is called or is named by in commands.

    The hall's rooms count, too; a group and a division may share a name, for one is seen inside the other. An archived
    space may share its name, and is refused when it is to be opened again.
    """
    taken = dict(_taken(picture, slug))
    mine = picture.records[slug].space
    for name in (mine.name.ja, mine.name.en):
        if (other := taken.get(fold(name))) is not None:
            raise Refused(
                say("The name {name} belongs to {other} already. Choose another one.", name=name, other=other)
            )


def _taken(picture: Picture, slug: str) -> Iterator[tuple[str, str]]:
    """Yield what others are called, and which they are."""
    for other in picture.records.values():
        space = other.space
        if space.slug == slug or other.lifecycle is not Lifecycle.ACTIVE:
            continue
        if space.parent is not None and (space.kind == GROUP) != (picture.records[slug].space.kind == GROUP):
            continue
        for name in (space.name.ja, space.name.en, space.slug):
            yield fold(name), f"{space.name.ja} ({space.slug})"
        if space.parent is None:
            for rule in picture.rules(space.slug):
                yield fold(title(other, rule)), title(other, rule)


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
