"""``!application``: how the secretariat decides who may come in."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.registration.cards import list_of, sheet
from oshiyakusho_matrix.registration.decisions import LOGIN_LASTS, Decisions
from oshiyakusho_matrix.registration.domain import OPEN, State
from oshiyakusho_matrix.registration.tables import in_states, open_particulars

_REFERENCE = Annotated[
    str,
    AfterValidator(lambda text: fold(text).upper()),
    Positional(ja="受付番号", about=say("The reference number of the application."), example="K7M2PQ4X"),
]


class Nothing(BaseModel):
    """No arguments."""


class One(BaseModel):
    """Arguments of commands about one application."""

    reference: _REFERENCE


class Reasoned(BaseModel):
    """Arguments of ``!application reject``."""

    reference: _REFERENCE
    words: Annotated[
        str,
        Rest(ja="理由", about=say("Why; the applicant reads it."), example="在籍が確認できませんでした", private=True),
    ]
    # A reply to the question under a card never has it: a tap is not enough to undo what somebody decided.
    take_back: Annotated[
        bool, Option(ja="承認取消", about=say("Takes an approval back by which nobody was let in yet."))
    ] = False


class Question(BaseModel):
    """Arguments of ``!application ask``."""

    reference: _REFERENCE
    words: Annotated[
        str,
        Rest(
            ja="質問", about=say("What the applicant is asked."), example="部署の代表番号を教えてください", private=True
        ),
    ]


class Assignment(BaseModel):
    """Arguments of ``!application assign``."""

    reference: _REFERENCE
    user: Annotated[
        UserId | None,
        Positional(
            ja="担当者", about=say("Who takes it in hand; yourself, if you name nobody."), example="@hanako:example.jp"
        ),
    ] = None


def application_commands(decisions: Decisions, *, sealer: Sealer, review_url: str) -> tuple[Command[Any], ...]:
    """Return the commands about applications. ``review_url`` is where the review page is."""

    async def list_open(call: Call[Nothing]) -> Answer:
        found = await in_states(call.tx.connection, sorted(OPEN | {State.APPROVED}))
        return Answer(list_of(found, present=now()))

    async def show(call: Call[One]) -> Answer:
        reference = call.arguments.reference
        application, row = await decisions.look(call.tx, reference)
        login = await decisions.hand_out_login(call.tx, reference, to=call.asker.user_id)
        text = say(
            "{sheet}",
            say(
                "Name and address are on the [review page]({url}), with the login {login} (once, within {minutes} "
                "minutes).",
                url=f"{review_url}?reference={reference}",
                login=login,
                minutes=int(LOGIN_LASTS.total_seconds() // 60),
            ),
            sheet=sheet(application, open_particulars(sealer, row), details=await decisions.details(call.tx, row)),
        )
        return Answer(text, target=reference)

    async def approve(call: Call[One]) -> Answer:
        reference = call.arguments.reference
        application, keys = await decisions.approve(call.tx, reference, by=call.asker.user_id)
        if application.account is None:
            text = say("Application {reference} is approved. The applicant makes an account next.", reference=reference)
        else:
            text = say("Application {reference} is approved.", reference=reference)
        return Answer(text, after=keys, target=reference)

    async def reject(call: Call[Reasoned]) -> Answer:
        reference = call.arguments.reference
        if call.arguments.take_back:
            return await take_back(call)
        await decisions.reject(call.tx, reference, by=call.asker.user_id, reason=call.arguments.words)
        return Answer(
            say("Application {reference} is rejected; the applicant reads why.", reference=reference), target=reference
        )

    async def take_back(call: Call[Reasoned]) -> Answer:
        reference = call.arguments.reference
        application, remembered = await decisions.take_back(
            call.tx, reference, by=call.asker.user_id, reason=call.arguments.words
        )
        left = []
        if remembered is not None:
            left.append(
                say(
                    "{domain} still counts as that of {organisation}, for everybody. `!domain remove {domain}` changes "
                    "that.",
                    domain=remembered,
                    organisation=application.organisation_name,
                )
            )
        text = say(
            "The approval of application {reference} is taken back: it is rejected, and the applicant reads why.",
            *left,
            reference=reference,
        )
        return Answer(text, target=reference)

    async def ask(call: Call[Question]) -> Answer:
        reference = call.arguments.reference
        await decisions.ask(call.tx, reference, by=call.asker.user_id, question=call.arguments.words)
        return Answer(
            say("The applicant of {reference} is asked; the answer comes here.", reference=reference), target=reference
        )

    async def assign(call: Call[Assignment]) -> Answer:
        reference, to = call.arguments.reference, call.arguments.user or call.asker.user_id
        await decisions.assign(call.tx, reference, to=to)
        return Answer(
            say("Application {reference} is in the hands of {user}.", reference=reference, user=to), target=reference
        )

    return (
        Command(
            names=("application list", "申請 一覧"),
            summary=say("Lists the applications that are open."),
            role=Role.SECRETARIAT,
            arguments=Nothing,
            run=list_open,
            confidential=True,
        ),
        Command(
            names=("application show", "申請 詳細"),
            summary=say("Shows an application, and lets you see the person once on the review page."),
            role=Role.SECRETARIAT,
            arguments=One,
            run=show,
            audited=True,
            confidential=True,
        ),
        Command(
            names=("application approve", "申請 承認"),
            summary=say("Approves an application and lets the person in."),
            role=Role.SECRETARIAT,
            arguments=One,
            run=approve,
            audited=True,
        ),
        Command(
            names=("application reject", "申請 却下"),
            summary=say("Rejects an application, with the reason, or takes an approval back."),
            role=Role.SECRETARIAT,
            arguments=Reasoned,
            run=reject,
            audited=True,
            confidential=True,
        ),
        Command(
            names=("application ask", "申請 質問"),
            summary=say("Asks the applicant something."),
            role=Role.SECRETARIAT,
            arguments=Question,
            run=ask,
            audited=True,
            confidential=True,
        ),
        Command(
            names=("application assign", "申請 担当"),
            summary=say("Puts an application into somebody's hands."),
            role=Role.SECRETARIAT,
            arguments=Assignment,
            run=assign,
            audited=True,
        ),
    )
