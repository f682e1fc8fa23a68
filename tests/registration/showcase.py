"""A desk that shows applications in every state, by their reference numbers, and does nothing. For looks alone.

What a desk does is shown on the real one (test_pages.py); here every page and state is there at once.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.registration.addresses import Address
from oshiyakusho_matrix.registration.domain import Application, Flag, State
from oshiyakusho_matrix.registration.pages.interface import Suggested
from oshiyakusho_matrix.registration.particulars import Employment, Form, Particulars
from oshiyakusho_matrix.registration.views import (
    CodeResult,
    MailState,
    Offer,
    OfferState,
    ReviewView,
    StatusView,
    Ticket,
)
from oshiyakusho_matrix.store.unit_of_work import Transaction

WHEN = datetime(2026, 11, 20, 3, 4, tzinfo=UTC)
SECRET = "ABCDEFGHJKMNPQRS"
DRAFT = Application(
    reference="DRAFT222",
    state=State.DRAFT,
    organisation="012033",
    organisation_name="小樽市（北海道）",
    domain="city.otaru.lg.jp",
    interests=(),
    has_account=True,
    language="ja",
    flags=frozenset(),
    created_at=WHEN,
    changed_at=WHEN,
)
VIEW = StatusView(
    application=DRAFT,
    mailbox="s***@city.otaru.lg.jp",
    mail=MailState.SENT,
    claim=None,
    hall="#cityhall:city.example",
    porch="#cityhall-genkan:city.example",
    bot=UserId("@shiyakusho:city.example"),
    may_resend_at=WHEN + timedelta(minutes=2),
    tries_left=5,
    question=None,
    reason=None,
    answer_by=None,
    deleted_on=date(2026, 11, 27),
)
#: Who is in ``SUBMITTED`` and beyond has proven the mailbox.
PROVEN = replace(DRAFT, state=State.SUBMITTED, mailbox_proven_at=WHEN, submitted_at=WHEN)
CLAIMED = replace(PROVEN, account=UserId("@k7f3q:elsewhere.example"), account_proven_at=WHEN)
LONG = "たいへん恐れ入りますが、" + "在籍がわかるものを事務局にお見せください。" * 6 + "\n" + "https://" + "x" * 120


def _view(reference: str, application: Application, **changed: object) -> StatusView:
    return replace(VIEW, application=replace(application, reference=reference), **changed)  # type: ignore[arg-type]


def _approved(reference: str, offer: Offer | None) -> StatusView:
    approved = replace(PROVEN, state=State.APPROVED, has_account=False)
    return _view(reference, approved, claim="ABCD-EFGH", offer=offer)


SHOWN: dict[str, StatusView] = {
    each.application.reference: each
    for each in (
        VIEW,
        _view("REFSED22", DRAFT, mail=MailState.REFUSED, tries_left=3),
        _view("GAVE2222", DRAFT, mail=MailState.GIVEN_UP),
        _view("WAKTNG22", DRAFT, mail=MailState.WAITING, may_resend_at=None),
        _view("CAKMNG22", replace(PROVEN, state=State.CLAIMING), claim="ABCD-EFGH"),
        _view("SBMTTED2", CLAIMED, answer_by=date(2026, 11, 23), deleted_on=None),
        _view("NEEDACC2", replace(PROVEN, has_account=False), claim="ABCD-EFGH", answer_by=date(2026, 11, 23)),
        _view("ASKED222", replace(CLAIMED, state=State.ASKED), question=LONG, answer_by=date(2026, 11, 23)),
        _approved(
            "APPRVD22",
            Offer(token="k7f3q-9xk2m", expires_at=WHEN + timedelta(days=7), where="city.example", suggestion="k7f3q"),
        ),
        _approved("APPRWEB2", Offer(token="k7f3q-9xk2m", expires_at=WHEN, where="https://account.city.example/")),
        _approved("APPRPRE2", Offer(token="", expires_at=None, where="city.example", state=OfferState.PREPARING)),
        _approved("APPRXPR2", Offer(token="", expires_at=WHEN, where="city.example", state=OfferState.EXPIRED)),
        _approved("APPRTAK2", Offer(token="", expires_at=WHEN, where="city.example", state=OfferState.TAKEN)),
        _approved("APPRNNE2", None),
        _view("ADMTTED2", replace(CLAIMED, state=State.ADMITTED), deleted_on=None),
        _view("REJECT22", replace(CLAIMED, state=State.REJECTED), reason=LONG, deleted_on=date(2027, 2, 18)),
        _view("WTHDRAW2", replace(DRAFT, state=State.WITHDRAWN)),
        _view("FRMER222", replace(CLAIMED, state=State.FORMER)),
    )
}
REVIEW = ReviewView(
    application=replace(CLAIMED, flags=frozenset(Flag)),
    particulars=Particulars(
        name="試験 太郎",
        yomi="しけん たろう",
        address="shiken.taro@" + "city." * 10 + "otaru.lg.jp",
        department="総務部財政課",
        employment=Employment.FISCAL_YEAR,
        term_ends=date(2027, 3, 31),
    ),
    domain_says=say("the organisation is not in the list"),
    question=LONG,
    answer=LONG,
    others=("OTHER222", "OTHER333"),
)
SUGGESTED = [
    Suggested("zaisei", "みんなの財政課", "Everyone's Finance Division"),
    Suggested("bosai", "防災対策課", "Disaster"),
]


async def suggestions() -> list[Suggested]:
    """Suggest two divisions."""
    return SUGGESTED


def _nothing_done() -> NoReturn:
    raise Refused(say("Please write an answer first."))


class ShowcaseDesk:
    """Shows ``SHOWN``; whatever it is asked to do, it refuses."""

    async def file(self, tx: Transaction, form: Form, *, token: str) -> Ticket:
        return Ticket(DRAFT.reference, SECRET)

    async def status(self, connection: AsyncConnection, ticket: Ticket) -> StatusView | None:
        return SHOWN.get(ticket.reference) if ticket.secret == SECRET else None

    async def prove_mailbox(self, tx: Transaction, ticket: Ticket, code: str) -> CodeResult:
        return CodeResult.WRONG

    async def resend(self, tx: Transaction, ticket: Ticket) -> None:
        _nothing_done()

    async def change_address(self, tx: Transaction, ticket: Ticket, address: Address) -> None:
        _nothing_done()

    async def answer(self, tx: Transaction, ticket: Ticket, words: str) -> None:
        _nothing_done()

    async def renew_offer(self, tx: Transaction, ticket: Ticket) -> None:
        _nothing_done()

    async def withdraw(self, tx: Transaction, ticket: Ticket) -> None:
        _nothing_done()

    async def review(self, tx: Transaction, reference: str, login: str) -> ReviewView | None:
        """Show the one review to whoever has the login."""
        return REVIEW if login == "K572GM7M" else None
