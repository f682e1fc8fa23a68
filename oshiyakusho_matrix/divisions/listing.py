"""The list of divisions and one division's sheet, in the reader's language."""

from datetime import datetime, timedelta

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.domain import GROUP, HALL, Lifecycle, Names
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import SpaceRecord, title


def _in(names: Names, language: str) -> str:
    return names.ja if language == "ja" else names.en


def list_of_archived(picture: Picture, language: str) -> Text:
    """Return the archived divisions, each with its short name."""
    archived = [
        r.space
        for r in picture.records.values()
        if r.lifecycle is Lifecycle.ARCHIVED and r.space.kind not in (HALL, GROUP)
    ]
    if not archived:
        return say("No division is archived.")
    lines = [say("- {name} `{slug}`", name=_in(space.name, language), slug=space.slug) for space in archived]
    return say("The archived divisions:", *lines)


def list_of_divisions(picture: Picture, language: str) -> Text:
    """Return all active divisions by group, each with its short name."""
    lines: list[Text] = []
    active = [r for r in picture.records.values() if r.lifecycle is Lifecycle.ACTIVE]
    for group in (r for r in active if r.space.kind == GROUP):
        lines.append(say("**{group}**", group=_in(group.space.name, language)))
        lines += [
            say("- {name} `{slug}`", name=_in(record.space.name, language), slug=record.space.slug)
            for record in active
            if record.space.parent == group.space.slug and record.space.kind != GROUP
        ]
    return say("The divisions of the city hall:", *lines)


def sheet(picture: Picture, record: SpaceRecord, language: str) -> Text:
    """Return what a member may know about one division: purpose, rooms with addresses, heads."""
    one = record.space
    rows = picture.register_of(one.slug)
    names = {rule.key: title(record, rule) for rule in picture.rules(one.slug)}
    lines = [
        say("{purpose}", purpose=_in(one.purpose, language)),
        *(
            say("- {room}: #{alias}", room=names[row.key], alias=f"{row.alias_localpart}:{picture.server_name}")
            for row in rows
        ),
        *(_head(mandate.user_id, mandate.until)
          for mandate in picture.mandates.get(one.slug, ())),
    ]  # fmt: skip
    heading = say("**{name}** (`{slug}`)", name=_in(one.name, language), slug=one.slug)
    if record.lifecycle is Lifecycle.ARCHIVED:
        heading = say("{title}: archived", title=heading)
    return say("{title}", *lines, title=heading)


def _head(user: str, until: datetime | None) -> Text:
    if until is None:
        return say("- Head: {user}", user=user)
    return say("- Head: {user}, until {until}", user=user, until=last_day(until))


def last_day(until: datetime) -> str:
    """Return the last day of a mandate, which ends with that day in Japan."""
    return f"{(until - timedelta(seconds=1)).astimezone(JST):%Y-%m-%d}"
