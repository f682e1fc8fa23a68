"""What the pages need of the rest of the house: the desk, and the divisions to suggest."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.registration.addresses import Address
from oshiyakusho_matrix.registration.particulars import Form
from oshiyakusho_matrix.registration.views import CodeResult, ReviewView, StatusView, Ticket
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Desk(Protocol):
    """The applicant's side of the registration desk. All but ``status`` raise ``Refused`` for what is not possible."""

    async def file(self, tx: Transaction, form: Form, *, token: str) -> Ticket:
        """Keep a form and mail the code; the same token again is the same ticket, and nothing new."""

    async def status(self, connection: AsyncConnection, ticket: Ticket) -> StatusView | None:
        """Return how an application stands; None if the reference or the secret is not right."""

    async def prove_mailbox(self, tx: Transaction, ticket: Ticket, code: str) -> CodeResult:
        """Try a code as it was typed."""

    async def resend(self, tx: Transaction, ticket: Ticket) -> None:
        """Mail another code."""

    async def change_address(self, tx: Transaction, ticket: Ticket, address: Address) -> None:
        """Put another address in the place of one that was mistyped."""

    async def answer(self, tx: Transaction, ticket: Ticket, words: str) -> None:
        """Answer what the secretariat asked."""

    async def renew_offer(self, tx: Transaction, ticket: Ticket) -> None:
        """Offer another account in place of one that nobody made in time."""

    async def withdraw(self, tx: Transaction, ticket: Ticket) -> None:
        """Take the application back."""


class Reviews(Protocol):
    """The secretariat's side."""

    async def review(self, tx: Transaction, reference: str, login: str) -> ReviewView | None:
        """Return what a reviewer sees, and use the one-time login up; None if it is not right, or was used."""


#: More suggestions than these would make a page of them.
MOST_SUGGESTED: Final = 12


@dataclass(frozen=True, slots=True)
class Suggested:
    """A division that the form suggests, with its name in each language."""

    slug: str
    ja: str
    en: str


Suggestions = Callable[[], Awaitable[Sequence[Suggested]]]


def asked_once_a_minute(suggestions: Suggestions) -> Suggestions:
    """Return the same suggestions. To read all divisions for each form was a fifth of what an application costs."""
    known: Sequence[Suggested] = ()
    until = 0.0

    async def remembered() -> Sequence[Suggested]:
        nonlocal known, until
        if not known or monotonic() >= until:
            known, until = await suggestions(), monotonic() + 60
        return known

    return remembered
