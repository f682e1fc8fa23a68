"""``/register/status``: how an application stands, and everything that the applicant can do about it.

Reference number and secret come in the body of each request, never in an address.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.dates import written
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import TELEPHONE
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.registration.addresses import parse_address
from oshiyakusho_matrix.registration.domain import CODES_AN_HOUR, ENDED, State
from oshiyakusho_matrix.registration.pages.interface import Desk
from oshiyakusho_matrix.registration.views import CodeResult, StatusView, Ticket
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from oshiyakusho_matrix.web.visits import Shown, Visit

#: Characters of an answer to the secretariat.
LONGEST_ANSWER: Final = 2_000

STATUS: Final = "registration/status.html"
LOGIN: Final = "registration/status_login.html"

_CODES: Final = {
    CodeResult.WRONG: say("This is not the code. Please type the eight digits of the newest mail."),
    CodeResult.NO_TRIES_LEFT: say("That was wrong too often. Please have another code sent."),
    CodeResult.NO_CODE: say("The code has run out. Please have another one sent."),
}

_Act = Callable[[Transaction, Visit, Ticket], Awaitable[Text]]


class Standing:
    """The page of an application."""

    def __init__(self, desk: Desk, *, store: Store) -> None:
        self._desk, self._store = desk, store
        self._acts: dict[str, _Act] = {
            "resend": self._resend,
            "address": self._change_address,
            "answer": self._answer,
            "offer": self._renew_offer,
            "withdraw": self._withdraw,
        }

    async def show(self, visit: Visit) -> Shown:
        """Ask for reference number and secret."""
        return _login(visit)

    async def receive(self, visit: Visit) -> Shown:
        """Do what was asked for, if anything, and show how the application stands then."""
        ticket, do = ticket_of(visit), visit.fields.one("do")
        problem = done = None
        if do == "code":
            async with self._store.transaction() as tx:
                result = await self._desk.prove_mailbox(tx, ticket, visit.fields.one("code"))
            problem = _CODES.get(result)
            done = None if problem else say("Thank you. Your mailbox is proven.")
        elif do in self._acts:
            async with self._store.transaction() as tx:
                done = await self._acts[do](tx, visit, ticket)
        return await self._view(visit, ticket, problem=problem, done=done)

    async def again(self, visit: Visit) -> Shown:
        """Show it, and what was typed; to a client that sends too much, not even that there is such an application."""
        return _login(visit) if visit.held else await self._view(visit, ticket_of(visit))

    async def _view(
        self, visit: Visit, ticket: Ticket, *, problem: Text | None = None, done: Text | None = None
    ) -> Shown:
        async with self._store.reading() as connection:
            view = await self._desk.status(connection, ticket)
        if view is None:
            return _login(visit, wrong=True)
        values = status_values(visit, ticket, view, problem=problem, done=done)
        return Shown(template=STATUS, values=values, status=422 if problem else 200)

    async def _resend(self, tx: Transaction, _visit: Visit, ticket: Ticket) -> Text:
        await self._desk.resend(tx, ticket)
        # The same words whether or not it was withheld: others may use the mailbox, too.
        return say(
            "Another code is on its way, and the one before works, too, until it runs out; unless {most} have gone to "
            "this mailbox within the hour: then please wait an hour and ask again.",
            most=CODES_AN_HOUR,
        )

    async def _change_address(self, tx: Transaction, visit: Visit, ticket: Ticket) -> Text:
        await self._desk.change_address(tx, ticket, parse_address(visit.fields.one("address")))
        return say(
            "The address was changed, and a code is on its way there, unless {most} have gone to that mailbox within "
            "the hour: then please wait an hour and ask again.",
            most=CODES_AN_HOUR,
        )

    async def _answer(self, tx: Transaction, visit: Visit, ticket: Ticket) -> Text:
        words = visit.fields.one("answer").replace("\r\n", "\n").strip()
        if not words:
            raise Refused(say("Please write an answer first."))
        if len(words) > LONGEST_ANSWER:
            raise Refused(say("Please write at most {most} characters here.", most=LONGEST_ANSWER))
        await self._desk.answer(tx, ticket, words)
        return say("Thank you. Your answer is with the secretariat.")

    async def _renew_offer(self, tx: Transaction, _visit: Visit, ticket: Ticket) -> Text:
        await self._desk.renew_offer(tx, ticket)
        return say("Another registration token is being prepared.")

    async def _withdraw(self, tx: Transaction, visit: Visit, ticket: Ticket) -> Text:
        if visit.fields.one("sure") != "yes":
            raise Refused(say("Please tick that you want to withdraw, then press the button again."))
        await self._desk.withdraw(tx, ticket)
        return say("Your application is withdrawn.")


def ticket_of(visit: Visit) -> Ticket:
    """Read reference number and secret as they are typed from paper: full-width, small letters, spaces and dashes."""
    return Ticket(bare(visit.fields.one("reference")), bare(visit.fields.one("secret")))


def bare(typed: str) -> str:
    """Return what was typed from paper as we spelt it."""
    return "".join(character for character in fold(typed[:200]).upper() if character in TELEPHONE)


def _login(visit: Visit, *, wrong: bool = False) -> Shown:
    """Ask for reference number and secret; what came with wrong ones, or too early, is there to be sent again."""
    sent = visit.fields.one if visit.notice or wrong else lambda _name: ""
    values = {
        "token": visit.token,
        "notice": visit.notice,
        "wrong": wrong,
        "do": sent("do") or "show",
        "sure": sent("sure"),
        "longest_answer": LONGEST_ANSWER,
        **{name: sent(name) for name in ("reference", "secret", "code", "address", "answer")},
    }
    return Shown(template=LOGIN, values=values, status=422 if wrong else 200)


def status_values(
    visit: Visit,
    ticket: Ticket,
    view: StatusView,
    *,
    filed: bool = False,
    problem: Text | None = None,
    done: Text | None = None,
) -> dict[str, object]:
    """Return the values of the status page. ``filed``: it is shown for the first time, in answer to the form."""
    one, language = view.application, visit.language
    typed = visit.fields.one if visit.notice or problem else lambda _name: ""
    return {
        "token": visit.token,
        "notice": visit.notice,
        "problem": problem,
        "done": done,
        "filed": filed,
        "ticket": ticket,
        "secret": "-".join(ticket.secret[start : start + 4] for start in range(0, len(ticket.secret), 4)),
        "view": view,
        "one": one,
        "steps": () if one.state in ENDED else _steps(view, language),
        "hall_link": _matrix_to(view.hall or ""),
        "porch_link": _matrix_to(view.porch or ""),
        "bot_link": _matrix_to(view.bot),
        # Told to everybody alike: whether a code was withheld must not be told.
        "codes_an_hour": CODES_AN_HOUR,
        "resend_at": _clock(view.may_resend_at),
        "answer_by": written(view.answer_by, language) if view.answer_by else "",
        "deleted_on": written(view.deleted_on, language) if view.deleted_on else "",
        "offer_until": _until(view, language),
        "code": typed("code") if visit.fields.one("do") == "code" else "",
        "address": typed("address") if visit.fields.one("do") == "address" else "",
        "answer": typed("answer"),
        "longest_answer": LONGEST_ANSWER,
    }


def _steps(view: StatusView, language: str) -> list[tuple[Text, str, Text | None]]:
    """Return the steps of an application: what each is called, whether it is finished, now or later, and a note."""
    one = view.application
    decided = one.state in (State.APPROVED, State.ADMITTED)
    mailbox = (say("Your mailbox"), "finished" if one.mailbox_proven_at else "now", None)
    waits = one.state is State.CLAIMING or one.state is State.APPROVED
    claimed = "finished" if one.account_proven_at else "now" if waits else "later"
    account = (say("Your Matrix account"), claimed, None)
    when = say("waiting for your answer") if one.state is State.ASKED else None
    if view.answer_by is not None and one.state is State.SUBMITTED:
        when = say("expect an answer by {date}", date=written(view.answer_by, language))
    standing = "finished" if decided else "now" if one.state in (State.SUBMITTED, State.ASKED) else "later"
    decision = (say("The secretariat's decision"), standing, when)
    entered = "finished" if one.state is State.ADMITTED else "later"
    accept = say("accept it in your Matrix app") if one.state is State.ADMITTED else None
    form = (say("Your form"), "finished", None)
    between = [account, decision] if one.has_account else [decision, account]
    return [form, mailbox, *between, (say("Invitation to the city hall"), entered, accept)]


def _until(view: StatusView, language: str) -> str:
    if view.offer is None or view.offer.expires_at is None:
        return ""
    end = view.offer.expires_at.astimezone(JST)
    return f"{written(end.date(), language)} {end:%H:%M}"


def _matrix_to(identifier: str) -> str:
    return f"https://matrix.to/#/{quote(identifier, safe='')}"


def _clock(moment: datetime | None) -> str:
    return "" if moment is None or moment <= now() else moment.astimezone(JST).strftime("%H:%M")
