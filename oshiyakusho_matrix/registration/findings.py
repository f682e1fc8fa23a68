"""What a reviewer should look at in an application, and what follows from it. Pure.

``decisions`` collects the findings; ``domain`` has the lifecycle and the words for the flags.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from oshiyakusho_matrix.registration.domain import Application, Flag, State

#: What another application gives rise to, if it comes later: its own card says so, and it takes nothing from this one.
_OF_OTHERS: Final = frozenset({Flag.SECOND_ACCOUNT, Flag.SIMILAR_NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known about an application's mailbox, domain and person besides what the form says.

    ``tied_to`` is the code of the organisation whose the domain is, if one is known; ``candidates`` are the codes of
    those whose it can be, if it is that of one of several. ``ministry`` is the code of that which the chosen agency
    belongs to: agencies write from the domains of their ministries.
    """

    genuine: bool
    suspicious: bool
    tied_to: str | None
    tied_name: str | None
    mailbox_known: bool
    name_known: bool
    candidates: Collection[str] = ()
    ministry: str = ""
    term_over: bool = False
    removed_before: bool = False


def decide_flags(form_shared: bool, form_tagged: bool, application: Application, found: Findings) -> frozenset[Flag]:
    """Decide what a reviewer should look at."""
    tied = found.tied_to is not None or found.tied_name is not None
    fits = _fits(application, found)
    # One of several bodies of that name, and the chosen one is none of them.
    astray = not tied and application.organisation is not None and bool(found.candidates) and not fits
    looks = {
        Flag.SHARED_MAILBOX: form_shared,
        Flag.TAGGED_ADDRESS: form_tagged,
        Flag.SUSPICIOUS_DOMAIN: found.suspicious,
        Flag.UNKNOWN_DOMAIN: not found.genuine and not found.suspicious,
        Flag.UNTIED_DOMAIN: found.genuine and not tied and not astray,
        Flag.OTHER_ORGANISATION: (tied and not fits) or astray,
        Flag.FREE_ORGANISATION: application.organisation is None and not fits,
        Flag.SECOND_ACCOUNT: found.mailbox_known,
        Flag.SIMILAR_NAME: found.name_known,
        Flag.TERM_OVER: found.term_over,
        Flag.REMOVED_BEFORE: found.removed_before,
    }
    return frozenset(flag for flag, shown in looks.items() if shown)


def _fits(application: Application, found: Findings) -> bool:
    if application.organisation is None:
        return found.tied_to is None and found.tied_name == application.organisation_name
    own = {application.organisation, found.ministry} - {""}
    return found.tied_to in own or not own.isdisjoint(found.candidates)


def decide_news(seen: Collection[Flag], flags: Collection[Flag]) -> frozenset[Flag]:
    """Decide what somebody has to be told who has seen some flags, before they approve."""
    return frozenset(flags) - frozenset(seen) - _OF_OTHERS


def ties_domain(application: Application) -> bool:
    """Tell whether an approval also says whose the domain is: that of the body, where it was not known of which."""
    return Flag.UNTIED_DOMAIN in application.flags and application.organisation is not None


def approves_itself(application: Application) -> bool:
    """Tell whether the optional rule for automatic approval holds: exact body, all proven, no flag, in nobody's hands.

    Whoever has asked something has it in hand, and is to read the answer.
    """
    return (
        application.state is State.SUBMITTED
        and application.organisation is not None
        and application.mailbox_proven_at is not None
        and application.account_proven_at is not None
        and application.assigned_to is None
        and not application.flags
    )
