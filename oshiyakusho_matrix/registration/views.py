"""What the pages show of an application, and what comes of what is typed there. Pure; made by the services."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.registration.domain import Application
from oshiyakusho_matrix.registration.particulars import Particulars


@dataclass(frozen=True, slots=True)
class Ticket:
    """What opens the status page: the reference number and the secret that goes with it."""

    reference: str
    secret: str


class CodeResult(StrEnum):
    """What came of a code that was typed in."""

    PROVEN = "proven"
    WRONG = "wrong"
    NO_TRIES_LEFT = "no tries left"
    NO_CODE = "no code"


class MailState(StrEnum):
    """What became of the last mail to an applicant."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    GIVEN_UP = "given up"


class OfferState(StrEnum):
    """Where an offered account stands: ``PREPARING`` until the homeserver has the token."""

    PREPARING = "preparing"
    READY = "ready"
    EXPIRED = "expired"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An account on our homeserver that an approved applicant may make. ``token`` is used up by it.

    ``token`` is empty unless the offer is ready. ``where`` is a web address or the name of the homeserver;
    ``suggestion`` a user name that says nothing about anybody.
    """

    token: str
    expires_at: datetime | None
    where: str
    suggestion: str = ""
    state: OfferState = OfferState.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """What the status page shows. ``claim`` is the claim code, while an account is still to be proven.

    ``hall`` is the address of the hall, for whoever is a member; ``porch`` that at which one knocks with the code.
    """

    application: Application
    mailbox: str
    mail: MailState
    claim: str | None
    hall: str | None
    porch: str | None
    bot: UserId
    may_resend_at: datetime | None
    tries_left: int
    question: str | None
    reason: str | None
    answer_by: date | None
    deleted_on: date | None
    offer: Offer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """What the review page shows, once for each login."""

    application: Application
    particulars: Particulars
    domain_says: Text
    question: str | None = None
    answer: str | None = None
    others: Sequence[str] = field(default=())
