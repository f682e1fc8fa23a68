"""What 事務局室 reads about applications: the card, the list, the daily summary. No name, no address, no reading."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.registration.domain import FLAGS, STATES, Application, Flag, State
from oshiyakusho_matrix.registration.particulars import Particulars

#: The key in the content of a message about an application; its value is ``REFERENCE`` or ``REFERENCE purpose``. Beside
#: it stands which of the cards about it this is, or to whom the question is put.
CONTENT_KEY: Final = "jp.oshiyakusho.application"
_NUMBER_KEY: Final = "jp.oshiyakusho.application.card"
_ASKED_BY_KEY: Final = "jp.oshiyakusho.application.asked_by"

#: How many of several applications are named.
_NAMED: Final = 3
_NO_DETAILS: Final[Mapping[Flag, Text]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a message of ours is known again: a card by its ``number``, a question by its ``purpose``."""

    reference: str
    number: int | None = None
    purpose: str = ""
    asked_by: str | None = None

    def content(self) -> dict[str, Any]:
        """Return what stands in the content of the message."""
        if self.purpose:
            return {CONTENT_KEY: f"{self.reference} {self.purpose}", _ASKED_BY_KEY: self.asked_by}
        return {CONTENT_KEY: self.reference, _NUMBER_KEY: self.number}


def read_mark(content: Mapping[str, Any]) -> Mark | None:
    """Return the mark in the content of a message of ours; None if there is none."""
    words = content.get(CONTENT_KEY)
    if not isinstance(words, str):
        return None
    reference, _, purpose = words.partition(" ")
    return Mark(reference, content.get(_NUMBER_KEY), purpose, content.get(_ASKED_BY_KEY))


def card(
    application: Application,
    *,
    department: str,
    details: Mapping[Flag, Text] = _NO_DETAILS,
    remembers: str = "",
    answered: bool = False,
) -> Text:
    """Return what the secretariat decides on. ``remembers``: the domain that an approval says to be the body's.

    ``details`` is what else there is to say of some flags.
    ``answered``: it is shown again because the applicant answered, so that nobody takes it for another application.
    """
    lines = facts(application, department=department, details=details)
    if answered:
        lines.insert(
            0,
            say(
                "- The answer stands on the review page: `!application show {reference}`",
                reference=application.reference,
            ),
        )
    if remembers:
        lines.append(
            say(
                "- ✅ also remembers, for everybody: {domain} belongs to {organisation}.",
                domain=remembers,
                organisation=application.organisation_name,
            )
        )
    return say(
        "**The applicant of {reference} has answered**" if answered else "**Application {reference}**",
        *lines,
        say(
            "✅ approves, ❌ rejects (I ask for the reason), ❓ asks the applicant something. Or: "
            "`!application approve {reference}`",
            reference=application.reference,
        ),
        reference=application.reference,
    )


def facts(application: Application, *, department: str, details: Mapping[Flag, Text] = _NO_DETAILS) -> list[Text]:
    """Return what was said and proven, a line each."""
    lines = [
        say("- Organisation: {organisation}", organisation=application.organisation_name),
        say("- Department: {department}", department=department),
        say("- Mailbox proven: {domain}", domain=application.domain)
        if application.mailbox_proven_at
        else say("- Mailbox not proven yet: {domain}", domain=application.domain),
    ]
    if application.account is not None:
        lines.append(say("- Matrix account proven: {user}", user=application.account))
    elif application.has_account:
        lines.append(say("- Matrix account not proven yet"))
    else:
        lines.append(say("- Has no Matrix account yet; gets one after approval"))
    lines += flag_lines(application.flags, details)
    if application.assigned_to is not None:
        lines.append(say("- In the hands of {user}", user=application.assigned_to))
    return lines


def flag_lines(flags: Collection[Flag], details: Mapping[Flag, Text] = _NO_DETAILS) -> list[Text]:
    """Return what to look at, a line each."""
    return [
        say("- ⚠ {flag}: {detail}", flag=FLAGS[flag], detail=details[flag])
        if flag in details
        else say("- ⚠ {flag}", flag=FLAGS[flag])
        for flag in sorted(flags)
    ]


def references(found: Sequence[str]) -> Text:
    """Name applications by their reference numbers, and say how many more there are."""
    named, more = ", ".join(found[:_NAMED]), len(found) - _NAMED
    if more <= 0:
        return say("{references}", references=named)
    return say("{references} and {more} more", references=named, more=more)


def still_open(reference: str, *, user: UserId) -> Text:
    """Say that somebody was admitted by command while their application waits."""
    return say(
        "{user} was admitted by command, and their application {reference} is still open. `!application approve "
        "{reference}` also notes where they serve; `!application reject {reference} REASON` closes it, and they stay a "
        "member.",
        user=user,
        reference=reference,
    )


def take_back_hint(reference: str) -> Text:
    """Say how an approval is taken back."""
    return say(
        "As long as nobody was let in, `!application reject {reference} --take-back REASON` takes the approval back.",
        reference=reference,
    )


def sheet(application: Application, particulars: Particulars, *, details: Mapping[Flag, Text] = _NO_DETAILS) -> Text:
    """Return what ``!application show`` says."""
    lines = [
        say("- State: {state}", state=STATES[application.state]),
        *facts(application, department=particulars.department, details=details),
        say("- Filed: {when}", when=moment(application.created_at)),
    ]
    if application.decided_by is not None and application.decided_at is not None:
        decided = say("- Decided by {user}, {when}", user=application.decided_by, when=moment(application.decided_at))
        lines.append(decided)
    return say("**Application {reference}**", *lines, reference=application.reference)


def list_of(applications: Sequence[Application], *, present: datetime) -> Text:
    """Return the open applications, the oldest first."""
    if not applications:
        return say("No application is open.")
    return say("Open applications:", *(_line(each, present) for each in applications))


def summary(applications: Sequence[Application], *, present: datetime) -> Text:
    """Return what is said once a day while something is open."""
    waiting = sum(each.state is State.SUBMITTED for each in applications)
    return say(
        "Good morning. {waiting} applications wait for your decision, {asked} for an applicant's answer.",
        *(_line(each, present) for each in applications),
        waiting=waiting,
        asked=len(applications) - waiting,
    )


def reminder(application: Application, *, present: datetime) -> Text:
    """Return what is said of an application that has waited long."""
    since = application.submitted_at or application.created_at
    return say(
        "Application {reference} ({organisation}) has waited for a decision for {days} days. `!application show "
        "{reference}`",
        reference=application.reference,
        organisation=application.organisation_name,
        days=(present - since).days,
    )


def _line(application: Application, present: datetime) -> Text:
    values: dict[str, Value] = {
        "reference": application.reference,
        "organisation": application.organisation_name,
        "state": STATES[application.state],
        "days": (present - application.created_at).days,
    }
    if application.assigned_to is None:
        return say("- `{reference}` {organisation}: {state}, {days} days", **values)
    return say(
        "- `{reference}` {organisation}: {state}, {days} days, in the hands of {user}",
        **values,
        user=application.assigned_to,
    )


def moment(when: datetime) -> str:
    """Return a moment as people in Japan read it."""
    return f"{when.astimezone(JST):%Y-%m-%d %H:%M}"
