"""``!talk``: the list for members; everything else for the secretariat, hosts, and the host of the talk."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from oshiyakusho_matrix.broadcasts.domain import PLANNED, PUBLIC, Step, Talk
from oshiyakusho_matrix.broadcasts.service import Plan, Programme
from oshiyakusho_matrix.broadcasts.tables import coming_to, talks_in
from oshiyakusho_matrix.broadcasts.words import announcement, done, list_of, sheet
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import Slug, UserId
from oshiyakusho_matrix.core.spoken_times import Span, read_span
from oshiyakusho_matrix.core.text import Text, say, visible

#: Minutes before the end at which questions begin, unless said otherwise.
QUESTIONS: Final = 15


def _fixed(spoken: tuple[str, ...]) -> tuple[str, ...]:
    """Fix a spoken time to the day it means now: 明日 is another day by the time of the ✅."""
    if not spoken:
        return spoken
    span = read_span(" ".join(spoken), present=now())
    start = span.start.astimezone(JST).isoformat()
    return (start,) if span.end is None else (start, "-", span.end.astimezone(JST).isoformat())


def _bare_number(word: object) -> object:
    """Read 第12回 as 12: so it stands in the announcement."""
    return word.removeprefix("第").removesuffix("回") if isinstance(word, str) else word


def _one_line(text: str) -> str:
    return visible(text, limit=120)


Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_one_line)
]
Minutes = Annotated[int, Field(ge=0, le=120)]
_NUMBER = Annotated[
    int, BeforeValidator(_bare_number), Positional(ja="番号", about=say("The number of the talk."), example="12")
]
_WHEN = Positional(
    ja="日時", about=say("When it is, in any usual form; with the end, or an hour long."), example="12/1 19:00-20:00"
)
_HOST = Option(ja="司会", about=say("Who leads it; yourself, if you name nobody."), example="@hanako:example.jp")
_GUEST = Option(ja="ゲスト", about=say("The name of a guest; may be given several times."), example="試験花子")
_STAGE = Option(ja="舞台", about=say("The stage, by its short name; the first one, if you name none."), example="daini")
_URL = Option(ja="配信", about=say("A link for listening, shown to members when the doors open."))
_DIVISION = Option(ja="課", about=say("A division where it is announced, too, by short name."), example="zaisei")
_QA = Option(ja="質問", about=say("How many minutes before the end questions begin; 0: none."), example="15")


class Nothing(BaseModel):
    """No arguments."""


class One(BaseModel):
    """Arguments of commands about one talk."""

    number: _NUMBER


class Planned(BaseModel):
    """Arguments of ``!talk plan``."""

    title: Annotated[Title, Positional(ja="題名", about=say("What it is called."), example="やめる勇気")]
    when: Annotated[tuple[str, ...], AfterValidator(_fixed), _WHEN]
    host: Annotated[UserId | None, _HOST] = None
    guest: Annotated[tuple[Title, ...], _GUEST] = ()
    stage: Annotated[str | None, _STAGE] = None
    url: Annotated[str | None, _URL] = None
    division: Annotated[tuple[Slug, ...], _DIVISION] = ()
    qa: Annotated[Minutes, _QA] = QUESTIONS
    draft: Annotated[bool, Option(ja="下書き", about=say("Announces it not yet."))] = False


class Changed(BaseModel):
    """Arguments of ``!talk change``."""

    number: _NUMBER
    when: Annotated[tuple[str, ...], AfterValidator(_fixed), _WHEN] = ()
    end: Annotated[str | None, Option(ja="終了", about=say("A new end alone."), example="21:30")] = None
    title: Annotated[Title | None, Option(ja="題名", about=say("Its new name."), example="やめる勇気")] = None
    host: Annotated[UserId | None, _HOST] = None
    guest: Annotated[tuple[Title, ...], _GUEST] = ()
    stage: Annotated[str | None, _STAGE] = None
    url: Annotated[str | None, _URL] = None
    qa: Annotated[Minutes | None, _QA] = None


class Cancelled(BaseModel):
    """Arguments of ``!talk cancel``."""

    number: _NUMBER
    reason: Annotated[
        str, Rest(ja="理由", about=say("Why; everybody who was told of it reads it."), example="ゲストの都合のため")
    ]


def talk_commands(programme: Programme) -> tuple[Command[Any], ...]:
    """Return the commands about talks."""

    async def show_list(call: Call[Nothing]) -> Answer:
        states = PLANNED if call.asker.role >= Role.SECRETARIAT else PUBLIC
        return Answer(list_of(await talks_in(call.tx.connection, states), await programme.house(call.tx.connection)))

    async def show(call: Call[One]) -> Answer:
        one = await programme.take_up(call.tx, call.arguments.number)
        coming = len(await coming_to(call.tx.connection, one.number))
        return Answer(sheet(one, await programme.house(call.tx.connection), coming=coming))

    async def write(call: Call[Planned]) -> tuple[Talk, Answer]:
        a = call.arguments
        span = _span(a.when)
        plan = Plan(
            title=a.title,
            starts_at=span.start,
            ends_at=span.end,
            host=a.host or call.asker.user_id,
            guests=a.guest,
            stage=a.stage,
            questions=timedelta(minutes=a.qa),
            live_url=a.url,
            divisions=a.division,
        )
        one = await programme.plan(call.tx, plan, by=call.asker)
        if a.draft:
            return one, Answer(say("Talk {number} is a draft. `!talk announce {number}` announces it.",
                                   number=one.number), target=str(one.number))  # fmt: skip
        one, keys = await programme.go(call.tx, one.number, Step.ANNOUNCE, by=call.asker)
        return one, Answer(done(one), after=keys, target=str(one.number))

    async def preview_plan(call: Call[Planned]) -> Text:
        one, _ = await write(call)
        return say("This will be announced:", announcement(one, await programme.house(call.tx.connection)))

    async def plan(call: Call[Planned]) -> Answer:
        return (await write(call))[1]

    async def change(call: Call[Changed]) -> Answer:
        a = call.arguments
        values: dict[str, Any] = {"title": a.title, "host": a.host, "live_url": a.url, "stage": a.stage}
        values = {name: value for name, value in values.items() if value is not None}
        if a.guest:
            values["guests"] = list(a.guest)
        if a.qa is not None:
            values["questions_minutes"] = a.qa
        if a.when:
            span = _span(a.when)
            values |= {"starts_at": span.start} | ({} if span.end is None else {"ends_at": span.end})
        elif a.end is not None:
            before = await programme.take_up(call.tx, a.number)
            start = before.starts_at.astimezone(JST)
            span = read_span(f"{start:%Y-%m-%d %H:%M}-{a.end}", present=start - timedelta(seconds=1))
            values["ends_at"] = span.end
        if not values:
            raise Refused(say("Say what is to be changed: the time, --title, --host, --guest, --stage, --url or --qa."))
        one, keys = await programme.change(call.tx, a.number, by=call.asker, **values)
        return Answer(say("Talk {number} was changed.", number=one.number), after=keys, target=str(one.number))

    async def cancel(call: Call[Cancelled]) -> Answer:
        a = call.arguments
        one, keys = await programme.cancel(call.tx, a.number, reason=visible(a.reason), by=call.asker)
        return Answer(done(one), after=keys, target=str(one.number))

    async def preview_cancel(call: Call[Cancelled]) -> Text:
        one, _ = await programme.cancel(call.tx, call.arguments.number, reason="", by=call.asker)
        coming = len(await coming_to(call.tx.connection, one.number))
        return say(
            "Talk {number} “{title}” will be cancelled. Everybody who was told of it will be told so, among them "
            "{coming} who put their hand up.",
            number=one.number,
            title=one.title,
            coming=coming,
        )

    def moving(names: tuple[str, ...], summary: Text, step: Step) -> Command[One]:
        async def run(call: Call[One]) -> Answer:
            one, keys = await programme.go(call.tx, call.arguments.number, step, by=call.asker)
            return Answer(done(one), after=keys, target=str(one.number))

        return Command(names, summary, Role.MEMBER, One, run, audited=True)

    return (
        Command(("talk list", "放送 一覧"), say("Lists the talks to come."), Role.MEMBER, Nothing, show_list),
        Command(("talk show", "放送 詳細"), say("Shows one talk."), Role.MEMBER, One, show),
        Command(
            ("talk plan", "放送 企画"), say("Plans a talk and announces it."), Role.MEMBER, Planned, plan, preview_plan,
            audited=True,
        ),
        moving(("talk announce", "放送 告知"), say("Announces a draft."), Step.ANNOUNCE),
        Command(("talk change", "放送 変更"), say("Changes a talk."), Role.MEMBER, Changed, change, audited=True),
        Command(
            ("talk cancel", "放送 中止"), say("Cancels a talk."), Role.MEMBER, Cancelled, cancel, preview_cancel,
            audited=True,
        ),
        moving(("talk open", "放送 開場"), say("Opens the doors before their time."), Step.OPEN),
        moving(("talk start", "放送 開始"), say("Starts a talk now."), Step.START),
        moving(("talk qa", "放送 質問"), say("Goes over to questions now."), Step.TAKE_QUESTIONS),
        moving(("talk end", "放送 終了"), say("Ends a talk now."), Step.END),
        moving(("talk archive", "放送 保存"), say("Puts a talk that is over into the archive."), Step.ARCHIVE),
    )  # fmt: skip


def _span(fixed: tuple[str, ...]) -> Span:
    return read_span(" ".join(fixed), present=now())
