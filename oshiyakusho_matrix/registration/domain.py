"""An application's lifecycle as a table, and what is decided about it. Pure.

The service moves applications by ``advance`` alone; the diagram in the handbook is drawn from ``TRANSITIONS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say


class State(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    CLAIMING = "claiming"
    SUBMITTED = "submitted"
    ASKED = "asked"
    APPROVED = "approved"
    ADMITTED = "admitted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    FORMER = "former"


class Step(StrEnum):
    """What happens to an application."""

    PROVE_MAILBOX = "prove mailbox"
    PROVE_ACCOUNT = "prove account"
    WAIVE_ACCOUNT = "waive account"
    ASK = "ask"
    ANSWER = "answer"
    APPROVE = "approve"
    REJECT = "reject"
    TAKE_BACK = "take back"
    ADMIT = "admit"
    WITHDRAW = "withdraw"
    LEAVE = "leave"


#: Everything that may happen, and where it leads; whatever is not in it is refused.
#: ``CLAIMING`` waits for the Matrix account; who has none is reviewed without (``WAIVE_ACCOUNT``) and claims it later.
TRANSITIONS: Final[Mapping[tuple[State, Step], State]] = {
    (State.DRAFT, Step.PROVE_MAILBOX): State.CLAIMING,
    (State.DRAFT, Step.WITHDRAW): State.WITHDRAWN,
    (State.CLAIMING, Step.PROVE_ACCOUNT): State.SUBMITTED,
    (State.CLAIMING, Step.WAIVE_ACCOUNT): State.SUBMITTED,
    (State.CLAIMING, Step.WITHDRAW): State.WITHDRAWN,
    (State.SUBMITTED, Step.PROVE_ACCOUNT): State.SUBMITTED,
    (State.SUBMITTED, Step.ASK): State.ASKED,
    (State.SUBMITTED, Step.APPROVE): State.APPROVED,
    (State.SUBMITTED, Step.REJECT): State.REJECTED,
    (State.SUBMITTED, Step.WITHDRAW): State.WITHDRAWN,
    (State.ASKED, Step.PROVE_ACCOUNT): State.ASKED,
    (State.ASKED, Step.ANSWER): State.SUBMITTED,
    (State.ASKED, Step.APPROVE): State.APPROVED,
    (State.ASKED, Step.REJECT): State.REJECTED,
    (State.ASKED, Step.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Step.PROVE_ACCOUNT): State.APPROVED,
    (State.APPROVED, Step.ADMIT): State.ADMITTED,
    (State.APPROVED, Step.TAKE_BACK): State.REJECTED,
    (State.APPROVED, Step.WITHDRAW): State.WITHDRAWN,
    (State.ADMITTED, Step.LEAVE): State.FORMER,
}

#: Those whom somebody of the secretariat is to decide about.
OPEN: Final = frozenset({State.SUBMITTED, State.ASKED})
ENDED: Final = frozenset({State.REJECTED, State.WITHDRAWN, State.FORMER})
#: Those to which an account can still be tied.
CLAIMABLE: Final = frozenset({State.CLAIMING, State.SUBMITTED, State.ASKED, State.APPROVED})

#: How long an application that the applicant has not finished is kept, from the last change by them.
DRAFTS_KEPT: Final = timedelta(days=7)
#: How long what was rejected is kept, so that a complaint can be answered.
REJECTED_KEPT: Final = timedelta(days=90)
#: How long what the applicant withdrew is kept: they read on the status page that it is gone.
WITHDRAWN_KEPT: Final = timedelta(days=1)
#: How long an approval waits for an account.
APPROVED_KEPT: Final = timedelta(days=60)
#: How long an applicant has to answer a question before the application ends like a draft.
ASKED_KEPT: Final = timedelta(days=30)
KEPT: Final[Mapping[State, timedelta]] = {
    State.DRAFT: DRAFTS_KEPT,
    State.CLAIMING: DRAFTS_KEPT,
    State.ASKED: ASKED_KEPT,
    State.APPROVED: APPROVED_KEPT,
    State.REJECTED: REJECTED_KEPT,
    State.WITHDRAWN: WITHDRAWN_KEPT,
    State.FORMER: REJECTED_KEPT,
}
#: After how long without a decision the secretariat is reminded of an application, and again each time.
REMIND_AFTER: Final = timedelta(days=3)
#: When an applicant may expect an answer.
ANSWER_WITHIN: Final = timedelta(days=3)

#: Digits of a code; how long it can be used, and how often one may be mistaken.
CODE_DIGITS: Final = 8
CODE_LASTS: Final = timedelta(minutes=60)
CODE_TRIES: Final = 5
#: How long after a code another one may be asked for, and how many go to one mailbox or domain in an hour.
RESEND_AFTER: Final = timedelta(minutes=2)
CODES_AN_HOUR: Final = 5
CODES_AN_HOUR_AND_DOMAIN: Final = 300
#: What people type for a dash, after folding: keyboards and apps put in their own.
DASHES: Final = "-‐‑‒–—―−ー"


class Flag(StrEnum):
    """What a reviewer should look at."""

    SHARED_MAILBOX = "shared mailbox"
    TAGGED_ADDRESS = "tagged address"
    UNKNOWN_DOMAIN = "unknown domain"
    SUSPICIOUS_DOMAIN = "suspicious domain"
    UNTIED_DOMAIN = "untied domain"
    OTHER_ORGANISATION = "other organisation"
    FREE_ORGANISATION = "free organisation"
    SECOND_ACCOUNT = "second account"
    SIMILAR_NAME = "similar name"
    TERM_OVER = "term over"
    REMOVED_BEFORE = "removed before"


FLAGS: Final[Mapping[Flag, Text]] = {
    Flag.SHARED_MAILBOX: say("the mailbox may be shared by several people"),
    Flag.TAGGED_ADDRESS: say("the address has a tag (name+tag@…)"),
    Flag.UNKNOWN_DOMAIN: say("the mail domain alone proves nothing"),
    Flag.SUSPICIOUS_DOMAIN: say("the mail domain looks like that of a public body and is not"),
    Flag.UNTIED_DOMAIN: say("the mail domain is that of a public body, but of which one is not known"),
    Flag.OTHER_ORGANISATION: say("the mail domain belongs to another organisation than the one chosen"),
    Flag.FREE_ORGANISATION: say("the organisation is not in the list"),
    Flag.SECOND_ACCOUNT: say("the same mailbox was used for another application or member"),
    Flag.SIMILAR_NAME: say("a person of the same name and organisation applied before"),
    Flag.TERM_OVER: say("the term of employment is over"),
    Flag.REMOVED_BEFORE: say("this account was a member's before, and was removed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application without what identifies the applicant.

    ``account`` is the Matrix account whose control was proven. ``organisation_name`` is how people call it, with the
    prefecture.
    """

    reference: str
    state: State
    organisation: str | None
    organisation_name: str
    domain: str
    interests: tuple[str, ...]
    has_account: bool
    language: str
    flags: frozenset[Flag]
    created_at: datetime
    changed_at: datetime
    account: UserId | None = None
    mailbox_proven_at: datetime | None = None
    account_proven_at: datetime | None = None
    submitted_at: datetime | None = None
    reminded_at: datetime | None = None
    assigned_to: UserId | None = None
    decided_by: UserId | None = None
    decided_at: datetime | None = None
    tries: int = 0


class OutOfOrder(Refused):
    """A step that the state does not allow; the text names both."""


def advance(state: State, step: Step, *, reference: str) -> State:
    """Return the state that a step leads to; ``OutOfOrder`` for what is not in the table."""
    after = TRANSITIONS.get((state, step))
    if after is None:
        raise OutOfOrder(
            say(
                "Application {reference} is {state}; that cannot be done with it any more or not yet.",
                reference=reference,
                state=STATES[state],
            )
        )
    return after


STATES: Final[Mapping[State, Text]] = {
    State.DRAFT: say("waiting for the proof of the mailbox"),
    State.CLAIMING: say("waiting for the proof of the Matrix account"),
    State.SUBMITTED: say("waiting for a decision"),
    State.ASKED: say("waiting for the applicant's answer"),
    State.APPROVED: say("approved, waiting for the Matrix account"),
    State.ADMITTED: say("admitted"),
    State.REJECTED: say("rejected"),
    State.WITHDRAWN: say("withdrawn"),
    State.FORMER: say("no member any more"),
}


STEPS: Final[Mapping[Step, Text]] = {
    Step.PROVE_MAILBOX: say("the code from the mail is typed in"),
    Step.PROVE_ACCOUNT: say("the claim code comes from a Matrix account"),
    Step.WAIVE_ACCOUNT: say("there is no Matrix account yet"),
    Step.ASK: say("the secretariat asks something"),
    Step.ANSWER: say("the applicant answers"),
    Step.APPROVE: say("the secretariat approves"),
    Step.REJECT: say("the secretariat rejects"),
    Step.TAKE_BACK: say("the secretariat takes the approval back"),
    Step.ADMIT: say("the account is let in"),
    Step.WITHDRAW: say("the applicant withdraws"),
    Step.LEAVE: say("the membership ends"),
}


#: What whoever has shown a claim code is told, by where the application stands then.
CLAIMED: Final[Mapping[State, Text]] = {
    State.SUBMITTED: say("The secretariat decides and then invites you."),
    State.ASKED: say("The secretariat has asked you something: please answer on the status page."),
    State.ADMITTED: say("You are approved, and the invitation is on its way."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """Whoever shows a claim code. ``removed``: was a member before; ``elsewhere``: is tied to another application."""

    account: UserId
    member: bool
    removed: bool
    elsewhere: bool


def decide_claim(application: Application, claimant: Claimant) -> bool:
    """Decide whether an account is to be tied to an application; False if it is already. ``Refused`` if it cannot."""
    if application.account == claimant.account and application.state not in ENDED:
        return False
    if application.state not in CLAIMABLE or application.account is not None:
        raise Refused(
            say(
                "Application {reference} takes no account now: it is {state}.",
                reference=application.reference,
                state=STATES[application.state],
            )
        )
    if claimant.member:
        raise Refused(say("Your account is that of a member already."))
    if claimant.removed and application.state is State.APPROVED:
        # Nobody who approved could see whose account it would be.
        raise Refused(
            say("This account was removed from the city hall before. Please ask the secretariat."), turn_to_others=True
        )
    if claimant.elsewhere:
        raise Refused(say("Your account is tied to another application. Please withdraw that one first."))
    return True


def ends_at(application: Application) -> datetime | None:
    """Return when an application is deleted if nothing happens; None while it is kept."""
    kept = KEPT.get(application.state)
    return None if kept is None else application.changed_at + kept


def next_reminder(application: Application) -> datetime | None:
    """Return when the secretariat is reminded of an application, None if it need not be."""
    if application.state is not State.SUBMITTED or application.submitted_at is None:
        return None
    return max(application.submitted_at, application.reminded_at or application.submitted_at) + REMIND_AFTER


#: How long an approved applicant can make the account that is offered to them, before they ask for another token.
OFFER_LASTS: Final = timedelta(days=7)
