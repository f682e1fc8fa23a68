"""What 事務局室 reads about applications: the card, the list, the daily summary. No name, no address, no reading."""

from collections.abc import Sequence
from datetime import datetime

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.registration.domain import FLAGS, STATES, Application, State
from oshiyakusho_matrix.registration.particulars import Particulars

#: The key in the content of a message about an application; its value is ``REFERENCE`` or ``REFERENCE purpose``.
CONTENT_KEY = "jp.oshiyakusho.application"


def card(application: Application, *, department: str) -> Text:
    """Return what the secretariat decides on."""
    return say(
        "**Application {reference}**",
        *facts(application, department=department),
        say(
            "✅ approves, ❌ rejects (I ask for the reason), ❓ asks the applicant something. Or: "
            "`!application approve {reference}`",
            reference=application.reference,
        ),
        reference=application.reference,
    )


def facts(application: Application, *, department: str) -> list[Text]:
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
    lines += [say("- ⚠ {flag}", flag=FLAGS[flag]) for flag in sorted(application.flags)]
    if application.assigned_to is not None:
        lines.append(say("- In the hands of {user}", user=application.assigned_to))
    return lines


def sheet(application: Application, particulars: Particulars) -> Text:
    """Return what ``!application show`` says."""
    lines = [
        say("- State: {state}", state=STATES[application.state]),
        *facts(application, department=particulars.department),
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
    return say(
        "- `{reference}` {organisation}: {state}, {days} days",
        reference=application.reference,
        organisation=application.organisation_name,
        state=STATES[application.state],
        days=(present - application.created_at).days,
    )


def moment(when: datetime) -> str:
    """Return a moment as people in Japan read it."""
    return f"{when.astimezone(JST):%Y-%m-%d %H:%M}"
