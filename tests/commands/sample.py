"""Commands that exist for these tests alone: every kind of argument, and a note board that they change."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.language import Language
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import Slug, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.store.unit_of_work import Store

board = Table("test_board", MetaData(), Column("id", Integer, primary_key=True), Column("note", String, nullable=False))


class Nothing(BaseModel):
    """No arguments."""


class Make(BaseModel):
    """Of every kind one."""

    slug: Annotated[Slug, Positional(ja="識別名", about=say("The short name."), example="zaisei")]
    count: Annotated[int, Positional(ja="数", about=say("How many."), example="3"), Field(ge=1, le=99)] = 1
    name: Annotated[str, Option(ja="名称", about=say("The name."), example="財政課"), Field(min_length=1)]
    head: Annotated[tuple[UserId, ...], Option(ja="課長", about=say("The heads."))] = ()
    day: Annotated[date | None, Option(ja="日付", about=say("When."))] = None
    language: Annotated[Language, Option(ja="言語", about=say("Which."), spellings={"英語": "en"})] = Language.JAPANESE
    size: Annotated[Literal["small", "large"] | None, Option(ja="大きさ", about=say("How large."))] = None
    quiet: Annotated[bool, Option(ja="静かに", about=say("Tell nobody."), also=("silent",))] = False

    @field_validator("name")
    @classmethod
    def not_forbidden(cls, name: str) -> str:
        """Refuse one name with a reason of its own, and another one without."""
        if name == "禁止":
            raise Refused(say("That name is kept for the fire brigade."))
        if name == "fail":
            raise ValueError(name)
        return name


class Remove(BaseModel):
    """A person, and why."""

    user: Annotated[UserId, Positional(ja="利用者", about=say("Who."))]
    reason: Annotated[str, Rest(ja="理由", about=say("Why."), private=True)] = ""


class Page(BaseModel):
    """A person."""

    user: Annotated[UserId, Positional(ja="利用者", about=say("Who."))]


class Invite(BaseModel):
    """Several people."""

    users: Annotated[tuple[UserId, ...], Positional(ja="利用者", about=say("Who."))]


class Say(BaseModel):
    """A free text."""

    text: Annotated[str, Rest(ja="本文", about=say("What."), example="こんにちは")]
    loud: Annotated[bool, Option(ja="大声", about=say("With a megaphone."))] = False


async def pin(call: Call[Any], note: str) -> None:
    """Put a note on the board, in the transaction of the call."""
    await call.tx.connection.execute(insert(board).values(note=note))


async def notes(store: Store) -> list[str]:
    """Return what hangs on the board."""
    async with store.reading() as connection:
        return list((await connection.execute(select(board.c.note).order_by(board.c.id))).scalars())


async def _list(call: Call[Nothing]) -> Answer:
    return Answer(say("Here is the list."))


async def _make(call: Call[Make]) -> Answer:
    await pin(call, f"made {call.arguments.slug}")
    if call.arguments.slug == "taken":
        raise Refused(say("That one exists already."))
    return Answer(
        say("{name} was made.", name=call.arguments.name),
        after=(WorkKey("division", call.arguments.slug),),
        target=call.arguments.slug,
    )


async def _preview_removal(call: Call[Remove]) -> Text:
    await pin(call, "a preview that writes")
    if call.arguments.user.startswith("@nobody"):
        raise Refused(say("They are not here."))
    return say("{user} leaves 12 rooms.", user=call.arguments.user)


async def _remove(call: Call[Remove]) -> Answer:
    await pin(call, f"removed {call.arguments.user}: {call.arguments.reason}")
    return Answer(say("Done."))


async def _invite(call: Call[Invite]) -> Answer:
    await pin(call, f"invited {' '.join(call.arguments.users)}")
    return Answer(say("Done."))


looked_for: list[UserId] = []


async def _look_for(arguments: Page) -> None:
    looked_for.append(arguments.user)
    if arguments.user.startswith("@nobody"):
        raise Refused(say("There is nobody of that name."))


async def _page(call: Call[Page]) -> Answer:
    await pin(call, f"paged {call.arguments.user}")
    return Answer(say("Done."))


async def _say(call: Call[Say]) -> Answer:
    await pin(call, f"said {call.arguments.text}")
    return Answer(say("Done."))


async def _break(call: Call[Nothing]) -> Answer:
    await pin(call, "broken")
    raise ZeroDivisionError


LIST: Command[Nothing] = Command(("division list", "課 一覧"), say("Lists."), Role.MEMBER, Nothing, _list)
MAKE: Command[Make] = Command(
    ("division create", "課 新設", "部署 作成"), say("Makes."), Role.SECRETARIAT, Make, _make, audited=True
)
REMOVE: Command[Remove] = Command(
    ("member remove", "会員 除名"), say("Removes."), Role.SECRETARIAT, Remove, _remove, _preview_removal, audited=True
)
INVITE: Command[Invite] = Command(("member invite", "会員 招待"), say("Invites."), Role.SECRETARIAT, Invite, _invite)
PAGE: Command[Page] = Command(
    ("member page", "会員 呼出"), say("Pages."), Role.SECRETARIAT, Page, _page, audited=True, look=_look_for
)
SAY: Command[Say] = Command(("say", "発言"), say("Says."), Role.ANYONE, Say, _say)
BREAK: Command[Nothing] = Command(("break", "故障"), say("Breaks."), Role.ANYONE, Nothing, _break)

COMMANDS: tuple[Command[Any], ...] = (LIST, MAKE, REMOVE, INVITE, PAGE, SAY, BREAK)
