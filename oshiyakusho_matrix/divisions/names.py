"""What spaces are called: no two alike, for people see nothing but names. Used by ``service`` before anything is saved.

``catalogue.spaces`` holds the files to the same; here it is the records, which files and commands both have made.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.divisions.domain import GROUP, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import title


def check_names(picture: Picture, slugs: Iterable[str]) -> None:
    """Refuse spaces that are called, in either language, what another one is called or is named by in commands.

    The hall's rooms count, too; a group and a division may share a name, for one is seen inside the other. An archived
    space may share its name, and is refused when it is to be opened again.
    """
    taken = defaultdict[str, list[_Owner]](list)
    for owner in _owners(picture):
        for name in owner.names:
            taken[fold(name)].append(owner)
    for slug in slugs:
        mine = picture.records[slug].space
        for name in (mine.name.ja, mine.name.en):
            for owner in taken[fold(name)]:
                if owner.slug != slug and owner.is_group in (None, mine.kind == GROUP):
                    raise Refused(_belongs_to(owner, name))


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who has names: a space, or a room of the hall. ``is_group`` is None for the hall and its rooms: all see them."""

    slug: str
    called: str
    names: Sequence[str]
    is_group: bool | None


def _belongs_to(owner: _Owner, name: str) -> Text:
    return say("The name {name} belongs to {other} already. Choose another one.", name=name, other=owner.called)


def _owners(picture: Picture) -> Iterator[_Owner]:
    for record in picture.records.values():
        space = record.space
        if record.lifecycle is not Lifecycle.ACTIVE:
            continue
        names = (space.name.ja, space.name.en, space.slug)
        is_group = None if space.parent is None else space.kind == GROUP
        yield _Owner(space.slug, f"{space.name.ja} ({space.slug})", names, is_group)
        if space.parent is None:
            for rule in picture.rules(space.slug):
                yield _Owner(space.slug, title(record, rule), (title(record, rule),), None)


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
