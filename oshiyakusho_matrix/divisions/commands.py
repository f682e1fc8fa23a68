"""``!division`` and ``!rooms``: the list for members, everything else for the secretariat."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, StringConstraints

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional
from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.errors import Misconfigured, Refused
from oshiyakusho_matrix.core.ids import Slug, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.catalogue.fields import why_not_plain
from oshiyakusho_matrix.divisions.domain import Declaration, Lifecycle, Names
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.listing import list_of_archived, list_of_divisions, sheet
from oshiyakusho_matrix.divisions.merge import merge
from oshiyakusho_matrix.divisions.picture import find_division
from oshiyakusho_matrix.divisions.plan_text import summary
from oshiyakusho_matrix.divisions.service import CityHall, refuse_if
from oshiyakusho_matrix.reconcile.interface import Priority, Work, WorkKey


def _plain(text: str) -> str:
    if (reason := why_not_plain(text)) is not None:
        raise Refused(reason)
    return text


#: Characters; how many bytes the names of its rooms may have is for the service to say, which knows their rules.
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_plain)]
Purpose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_plain)]

_DIVISION = Positional(ja="課", about=say("Its short name or its full name."), example="zaisei")
_GROUP = Option(ja="部", about=say("The group it belongs to, by short name."), example="zei")
_NAME_EN = Option(ja="英語名", about=say("Its name in English."), example="Parks")
_PURPOSE = Option(ja="目的", about=say("What it is for, in one sentence."), example="公園づくりの相談")


class Nothing(BaseModel):
    """A command without arguments."""


class Listing(BaseModel):
    """Arguments of ``!division list``."""

    archived: Annotated[bool, Option(ja="廃止", about=say("Lists the archived ones instead."))] = False


class One(BaseModel):
    """Arguments of commands about one division."""

    division: Annotated[str, _DIVISION]


class Create(BaseModel):
    """Arguments of ``!division create``."""

    slug: Annotated[Slug, Positional(ja="短縮名", about=say("Its short name, fixed for ever."), example="koen")]
    name: Annotated[Name, Positional(ja="名前", about=say("Its name in Japanese."), example="公園課")]
    group: Annotated[Slug, _GROUP]
    name_en: Annotated[Name | None, _NAME_EN] = None
    purpose: Annotated[Purpose | None, _PURPOSE] = None


class Edit(BaseModel):
    """Arguments of ``!division edit``."""

    division: Annotated[str, _DIVISION]
    name: Annotated[
        Name | None, Option(ja="名前", about=say("Its new name in Japanese."), example="公園課", shown=True)
    ] = None
    name_en: Annotated[Name | None, _NAME_EN] = None
    purpose: Annotated[Purpose | None, _PURPOSE] = None
    group: Annotated[Slug | None, _GROUP] = None


class Head(BaseModel):
    """Arguments of ``!division head``."""

    division: Annotated[str, _DIVISION]
    user: Annotated[UserId, Positional(ja="会員", about=say("Who becomes head."), example="@hanako:example.jp")]
    until: Annotated[
        date | None, Option(ja="まで", about=say("The last day of the mandate."), example="2027-03-31")
    ] = None
    end: Annotated[bool, Option(ja="解任", about=say("Ends the mandate instead."))] = False


def division_commands(hall: CityHall, heads: Heads) -> tuple[Command[Any], ...]:
    """Return the commands about divisions."""

    async def show_list(call: Call[Listing]) -> Answer:
        listed = list_of_archived if call.arguments.archived else list_of_divisions
        return Answer(listed(await hall.picture(call.tx), call.asker.language))

    async def show(call: Call[One]) -> Answer:
        picture = await hall.picture(call.tx)
        record = find_division(picture, call.arguments.division)
        return Answer(sheet(picture, record, call.asker.language), target=record.space.slug)

    async def create(call: Call[Create]) -> Answer:
        a = call.arguments
        name = Names(a.name, a.name_en or a.name)
        purpose = Names(a.purpose or a.name, a.purpose or name.en)
        keys = await hall.create(call.tx, slug=a.slug, group=a.group, name=name, purpose=purpose)
        alias = (await hall.picture(call.tx)).register_of(a.slug)[0].alias_localpart
        text = say("{name} is open: #{alias}", name=a.name, alias=f"{alias}:{hall.server_name}")
        return Answer(text, after=keys, target=a.slug)

    async def edit(call: Call[Edit]) -> Answer:
        a = call.arguments
        slug = find_division(await hall.picture(call.tx), a.division).space.slug
        keys = await hall.edit(
            call.tx,
            slug,
            name=Names(a.name or "", a.name_en or ""),
            purpose=Names(a.purpose or "", ""),
            group=a.group,
        )
        after = (await hall.picture(call.tx)).records[slug].space
        return Answer(say("{name} was changed.", name=after.name.ja), after=keys, target=slug)

    async def preview_archive(call: Call[One]) -> Text:
        picture = await hall.picture(call.tx)
        record = find_division(picture, call.arguments.division)
        refuse_if(record, Lifecycle.ARCHIVED)
        return say(
            "{name} will be archived (rooms: {count}). Members can still read there, but nobody writes there any more, "
            "and it is listed nowhere. `!division reopen {slug}` takes that back.",
            name=record.space.name.ja,
            count=len(picture.kinds[record.space.kind].rooms),
            slug=record.space.slug,
        )

    async def archive(call: Call[One]) -> Answer:
        record = find_division(await hall.picture(call.tx), call.arguments.division)
        keys = await hall.set_lifecycle(call.tx, record.space.slug, Lifecycle.ARCHIVED)
        return Answer(say("{name} is archived.", name=record.space.name.ja), after=keys, target=record.space.slug)

    async def reopen(call: Call[One]) -> Answer:
        record = find_division(await hall.picture(call.tx), call.arguments.division)
        keys = await hall.set_lifecycle(call.tx, record.space.slug, Lifecycle.ACTIVE)
        return Answer(say("{name} is open again.", name=record.space.name.ja), after=keys, target=record.space.slug)

    async def head(call: Call[Head]) -> Answer:
        a = call.arguments
        picture = await hall.picture_to_change(call.tx)
        record = find_division(picture, a.division)
        slug, name = record.space.slug, record.space.name.ja
        if a.end:
            keys = await heads.release(call.tx, picture, slug, a.user)
            text = say("{user} is head of {name} no more.", user=a.user, name=name)
        else:
            until = _end_of(a.until)
            keys = await heads.appoint(call.tx, picture, slug, a.user, by=call.asker.user_id, until=until)
            text = say("{user} is head of {name} now.", user=a.user, name=name)
        return Answer(text, after=keys, target=slug)

    return (
        Command(("division list", "課 一覧"), say("Lists the divisions."), Role.MEMBER, Listing, show_list),
        Command(("division show", "課 詳細"), say("Shows one division."), Role.MEMBER, One, show),
        Command(
            ("division create", "課 新設"), say("Makes a new division."), Role.SECRETARIAT, Create, create, audited=True
        ),
        Command(("division edit", "課 変更"), say("Changes a division."), Role.SECRETARIAT, Edit, edit, audited=True),
        Command(
            ("division archive", "課 廃止"),
            say("Archives a division: readable, but closed for writing."),
            Role.SECRETARIAT,
            One,
            archive,
            preview_archive,
            audited=True,
        ),
        Command(
            ("division reopen", "課 再開"),
            say("Opens an archived division."),
            Role.SECRETARIAT,
            One,
            reopen,
            audited=True,
        ),
        Command(
            ("division head", "課 課長"),
            say("Appoints a head of a division, or ends a mandate."),
            Role.SECRETARIAT,
            Head,
            head,
            audited=True,
        ),
    )


def room_commands(hall: CityHall, work: Work, load: Callable[[], Declaration]) -> tuple[Command[Any], ...]:
    """Return ``!rooms plan`` and ``!rooms apply``; ``load`` reads the files and raises ``Misconfigured``."""

    async def declared() -> Declaration:
        try:
            return await asyncio.to_thread(load)
        except Misconfigured as error:
            why = say("The files cannot be used: {reason}", reason=str(error))
            raise Refused(why, turn_to_others=True) from error

    async def plan(call: Call[Nothing]) -> Answer:
        key = WorkKey("plan", call.reference)
        await work.ask(call.tx, key, priority=Priority.ASKED)
        return Answer(say("The plan:"), after=[key])

    async def preview_apply(call: Call[Nothing]) -> Text:
        picture = await hall.picture(call.tx)
        merged = merge(await declared(), picture.kinds, picture.records)
        return say("{summary} `!rooms plan` shows every detail.", summary=summary(merged))

    async def apply(call: Call[Nothing]) -> Answer:
        merged, keys = await hall.apply(call.tx, await declared(), by=call.asker.user_id)
        return Answer(say("The city hall is as declared. {summary}", summary=summary(merged)), after=keys)

    return (
        Command(("rooms plan", "部屋 計画"), say("Shows what applying the files would change."), Role.SECRETARIAT,
                Nothing, plan),
        Command(
            ("rooms apply", "部屋 適用"),
            say("Makes the city hall as the files declare it."),
            Role.SECRETARIAT,
            Nothing,
            apply,
            preview_apply,
            audited=True,
        ),
    )  # fmt: skip


def _end_of(day: date | None) -> datetime | None:
    """Return the moment after the last day of a mandate, in Japan. Refused for a day in the past."""
    if day is None:
        return None
    end = datetime.combine(day + timedelta(days=1), time(), tzinfo=JST)
    if end <= now():
        raise Refused(say("{day} is over already. Give a day to come.", day=day.isoformat()))
    return end
