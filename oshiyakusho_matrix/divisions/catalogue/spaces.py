"""What is wrong between spaces: slugs, kinds, parents, aliases, and names once a kind's rooms are made of them.

Called by ``catalogue``. A mistake between two files is reported in the second and names the first. What may only
follow from a mistake that is reported already is not reported again.
"""

from collections.abc import Iterator, Mapping, Sequence

from oshiyakusho_matrix.appservice.registration import ALIAS_PREFIXES
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.divisions.catalogue.entries import Entry
from oshiyakusho_matrix.divisions.catalogue.errors import suggestion
from oshiyakusho_matrix.divisions.catalogue.fields import NAME_BYTES, TOPIC_BYTES
from oshiyakusho_matrix.divisions.catalogue.files import DIVISIONS, Finding
from oshiyakusho_matrix.divisions.catalogue.schema import Division, GroupModel
from oshiyakusho_matrix.divisions.desired import alias_localpart
from oshiyakusho_matrix.divisions.domain import HALL, Kind

#: An alias has 255 bytes at most, with # and : and the server's name, for which these are kept free.
SERVER_BYTES = 100
ALIAS_BYTES = 255 - SERVER_BYTES - len("#:")


def slug_findings(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield slugs that are taken or differ from the file's name, and heads named twice."""
    first: dict[str, Entry] = {}
    for entry in entries:
        space = entry.space
        twin = first.setdefault(space.slug, entry)
        if twin is not entry:
            yield entry.at("slug", say('The slug "{slug}" is taken: {where}.', slug=space.slug, where=twin.where))
        expected = f"{DIVISIONS}/{space.slug}.yaml"
        if isinstance(entry.model, Division) and entry.file != expected:
            yield entry.at(
                "slug", say("The slug and the name of the file differ; this would be {file}.", file=expected)
            )
        if len(set(space.heads)) < len(space.heads):
            yield entry.at("heads", say("A head is named twice."))


def name_findings(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield spaces called what another one is called, in either language, or by its slug: people see only names.

    A group and a division may share a name.
    """
    first: dict[tuple[bool, str], tuple[Entry, str]] = {}
    by_slug = {fold(entry.space.slug): entry for entry in reversed(entries)}
    slugs: set[str] = set()
    for entry in entries:
        space = entry.space
        if space.slug in slugs:
            continue  # reported already; most likely it is a copy
        slugs.add(space.slug)
        is_group = isinstance(entry.model, GroupModel)
        for language, name in (("ja", space.name.ja), ("en", space.name.en)):
            namesake = by_slug.get(fold(name), entry)
            if namesake.space.slug != space.slug:
                text = say('The name "{name}" is taken: {where}.', name=name, where=namesake.where)
                yield Finding(*entry.name_at(language), text)
            twin, called = first.setdefault((is_group, fold(name)), (entry, language))
            if twin is not entry:
                file, line, _ = twin.name_at(called)
                text = say('The name "{name}" is taken: {where}.', name=name, where=f"{file}:{line}")
                yield Finding(*entry.name_at(language), text)


def kind_name_findings(entries: Sequence[Entry], kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Yield spaces of a kind that is not there, and halls beside the hall."""
    for entry in entries:
        kind = entry.space.kind
        if kind not in kinds:
            if entry.space.parent is None and kind == HALL:
                continue  # reported in kinds.yaml
            yield entry.at("kind", _unknown_kind(kind, list(kinds)))
        elif entry.space.parent is None and kind != HALL:
            yield entry.at("kind", say('The root space must be of the kind "hall".'))
        elif entry.space.parent is not None and kind == HALL:
            yield entry.at("kind", say("There is one hall, in cityhall.yaml; this would be another."))


def parent_findings(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield spaces that lie in a group that is not there. Only groups lie in the hall itself: see ``cityhall.yaml``."""
    groups = [entry.space.slug for entry in entries if isinstance(entry.model, GroupModel)]
    halls = [entry.space.slug for entry in entries if entry.space.parent is None]
    for entry in entries:
        parent = entry.space.parent
        known = groups + halls if isinstance(entry.model, GroupModel) else groups
        if parent is not None and parent not in known:
            yield entry.at(entry.parent_key, _unknown_group(parent, groups))


def cycle_findings(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Yield each ring of groups that lie in one another, once."""
    groups = {entry.space.slug: entry for entry in entries if isinstance(entry.model, GroupModel)}
    seen: set[str] = set()
    for start in groups:
        path: list[str] = []
        here: str | None = start
        while here in groups and here not in seen:
            seen.add(here)
            path.append(here)
            here = groups[here].space.parent
        if here in path:
            ring = [*path[path.index(here) :], here]
            text = say("These groups lie in one another: {ring}.", ring=" → ".join(ring))
            yield groups[here].at("parent", text)


def alias_findings(entries: Sequence[Entry], kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Yield rooms that would have the same alias, one too long, or one that the registration does not reserve."""
    owners: dict[str, Entry] = {}
    distinct = {entry.space.slug: entry for entry in reversed(entries)}
    for entry in entries:
        kind = kinds.get(entry.space.kind)
        if (
            kind is None
            or distinct[entry.space.slug] is not entry
            or ("{slug}" not in kind.alias and entry.space.parent)
        ):
            continue
        aliases = [alias_localpart(kind, entry.space.slug, rule) for rule in (kind.space, *kind.rooms)]
        if not aliases[0].startswith(ALIAS_PREFIXES):
            text = say(
                "The alias {alias} must begin with one of: {known}.", alias=aliases[0], known=_list(ALIAS_PREFIXES)
            )
            yield entry.at("slug", text)
        longest = max(aliases, key=len)
        if len(longest) > ALIAS_BYTES:
            text = say(
                "The alias {alias} is too long: {limit} bytes are left for it.", alias=longest, limit=ALIAS_BYTES
            )
            yield entry.at("slug", text)
        for alias in dict.fromkeys(aliases):
            owner = owners.setdefault(alias, entry)
            if owner is not entry:
                text = say(
                    "A room would have the alias {alias}, which is taken: {where}.", alias=alias, where=owner.where
                )
                yield entry.at("slug", text)


def length_findings(entries: Sequence[Entry], kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Yield names and topics that grow too long when a kind's templates are filled in."""
    for entry in entries:
        kind = kinds.get(entry.space.kind)
        if kind is None:
            continue
        for rule in (kind.space, *kind.rooms):
            alias = alias_localpart(kind, entry.space.slug, rule)
            for language in ("ja", "en"):
                words = {key: getattr(getattr(entry.space, key), language) for key in ("name", "purpose")}
                name = len(getattr(rule.name, language).format(**words).encode())
                topic = len(getattr(rule.topic, language).format(**words).encode())
                if name > NAME_BYTES:
                    text = say(
                        "The name of {alias} would have {size} bytes; {limit} are allowed.",
                        alias=alias,
                        size=name,
                        limit=NAME_BYTES,
                    )
                    yield entry.at("name", text)
                if topic > TOPIC_BYTES:
                    text = say(
                        "The topic of {alias} would have {size} bytes; {limit} are allowed.",
                        alias=alias,
                        size=topic,
                        limit=TOPIC_BYTES,
                    )
                    yield entry.at("purpose", text)


def _unknown_kind(slug: str, known: list[str]) -> Text:
    guess = suggestion(slug, known)
    if guess:
        return say('There is no kind "{slug}". Did you mean "{guess}"?', slug=slug, guess=guess)
    return say('There is no kind "{slug}". Known are: {known}.', slug=slug, known=_list(known))


def _unknown_group(slug: str, known: list[str]) -> Text:
    guess = suggestion(slug, known)
    if guess:
        return say('There is no group "{slug}". Did you mean "{guess}"?', slug=slug, guess=guess)
    return say('There is no group "{slug}". Known are: {known}.', slug=slug, known=_list(known))


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) or "–"
