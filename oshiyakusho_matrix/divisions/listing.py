"""In the reader's language: the list of divisions, one division's sheet, and what somebody is head of."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.domain import DIVISION, GROUP, HALL, Lifecycle, Names, Space
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.divisions.tables import SpaceRecord, mandates, spaces, title
from oshiyakusho_matrix.store.unit_of_work import Transaction


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


async def some_of_each_group(connection: AsyncConnection, most: int) -> Sequence[Space]:
    """Return active divisions to suggest to somebody who knows none: the first of each group, then the second."""
    found = await spaces(connection)
    active = [r.space for r in found.values() if r.lifecycle is Lifecycle.ACTIVE and r.space.kind == DIVISION]
    groups = dict[str | None, list[Space]]()
    for one in sorted(active, key=lambda each: each.order):
        groups.setdefault(one.parent, []).append(one)

    def place(slug: str | None) -> int:
        return found[slug].space.order if slug in found else 0

    ranked = [(rank, place(slug), one) for slug, members in groups.items() for rank, one in enumerate(members)]
    return [one for _, _, one in sorted(ranked, key=lambda each: each[:2])][:most]


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


async def offices(tx: Transaction, user_id: UserId, language: str) -> list[Text]:
    """Return a line for each mandate in force: of which division, since when and until when."""
    held = await mandates(tx.connection, now(), user_id=user_id)
    records = await spaces(tx.connection) if held else {}
    lines = list[Text]()
    for one in held:
        name = records[one.slug].space.name
        line = say(
            "- Head of {name} (`{slug}`) since {since}",
            name=_in(name, language),
            slug=one.slug,
            since=f"{one.since.astimezone(JST):%Y-%m-%d}",
        )
        lines.append(
            line if one.until is None else say("{office}, until {until}", office=line, until=last_day(one.until))
        )
    return lines
