"""``!status``, ``!retry``, ``!drop``: how the service is, and what becomes of what was set aside. For 事務局."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Positional
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.reconcile.reports import Describe
from oshiyakusho_matrix.status.figures import Figures
from oshiyakusho_matrix.status.parking import Parked, Parking
from oshiyakusho_matrix.status.retrying import Retried, what_is_retried
from oshiyakusho_matrix.status.troubles import Trouble

#: ``!status`` names this many of each sort of what waits for a person; it counts them all.
MOST_NAMED = 10

_REFERENCE = Positional(
    ja="受付番号", about=say("The reference number, as `!status` and notices tell it."), example="7KQ2M9XA"
)


class Nothing(BaseModel):
    """A command without arguments."""


class Retry(BaseModel):
    """Arguments of ``!retry``."""

    reference: Annotated[str, _REFERENCE] = ""


class Drop(BaseModel):
    """Arguments of ``!drop``."""

    reference: Annotated[str, _REFERENCE]


def status_commands(
    figures: Callable[[], Awaitable[Figures]],
    troubles: Callable[[], Awaitable[Sequence[Trouble]]],
    parking: Parking,
    describe: Describe,
) -> tuple[Command[Any], ...]:
    """Return the commands."""

    async def status(call: Call[Nothing]) -> Answer:
        found = await figures()
        # The command itself is being read while it is answered.
        inbox = replace(found.inbox, pending=max(found.inbox.pending - 1, 0))
        waiting = await parking.waiting(call.tx, limit=MOST_NAMED)
        retried = await what_is_retried(call.tx, describe, but=call.reference, limit=MOST_NAMED)
        return Answer(in_words(replace(found, inbox=inbox), waiting, await troubles(), retried))

    async def retry(call: Call[Retry]) -> Answer:
        reference = _as_told(call.arguments.reference) or None
        count, keys = await parking.retry(call.tx, reference)
        if not count and reference:
            raise Refused(_nothing_under(reference))
        if not count:
            return Answer(say("Nothing was set aside, so there is nothing to try again."))
        return Answer(say("Tried again: {count}. `!status` shows what is left.", count=count), after=keys)

    async def preview_drop(call: Call[Drop]) -> Text:
        reference = _as_told(call.arguments.reference)
        found = await parking.waiting(call.tx, reference)
        if not found:
            raise Refused(_nothing_under(reference))
        return say(
            "This will be given up and not tried again:",
            *map(line_of, found),
            say("A room or a person is looked at anew all the same when something changes there, and every day."),
        )

    async def drop(call: Call[Drop]) -> Answer:
        reference = _as_told(call.arguments.reference)
        count = await parking.drop(call.tx, reference)
        if not count:
            raise Refused(_nothing_under(reference))
        return Answer(say("Given up: {count}.", count=count), target=reference)

    return (
        Command(
            ("status", "状態"),
            say("Says how the service is."),
            Role.SECRETARIAT,
            Nothing,
            status,
            confidential=True,
        ),
        Command(
            ("retry", "再試行"),
            say("Tries again whatever was set aside after errors."),
            Role.SECRETARIAT,
            Retry,
            retry,
            audited=True,
        ),
        Command(
            ("drop", "破棄"),
            say("Gives up for good what was set aside after errors."),
            Role.SECRETARIAT,
            Drop,
            drop,
            preview=preview_drop,
            audited=True,
        ),
    )


def in_words(figures: Figures, waiting: Sequence[Parked], troubles: Sequence[Trouble], retried: Retried) -> Text:
    """Say the numbers to the secretariat.

    ``waiting`` is what is parked and why, ``troubles`` what cannot be read, ``retried`` what is tried again by itself.
    """
    f = figures
    lines = [
        say("- Members: {count}, of them secretariat: {office}", count=f.roster.members, office=f.roster.secretariat),
        say("- Rooms: {made} of {count} are made", made=f.roster.rooms_made, count=f.roster.rooms),
        say("- Messages to read: {inbox}; to send: {outbox}", inbox=f.inbox.pending, outbox=f.outbox.pending),
        say("- Work in hand or due: {busy}", busy=f.work.busy),
    ]
    if f.mail.pending:
        lines.append(say("- E-mails to send: {count}", count=f.mail.pending))
    if f.roster.outsiders:
        lines.append(
            say("- People in rooms where they do not belong, about to be put out: {count}", count=f.roster.outsiders)
        )
    stuck = f.parked + len(troubles)
    if not stuck and not retried.count:
        return say("All is well.", *lines)
    lines += retried.lines(f.at)
    if not stuck:
        return say(
            "Not all has worked yet; what is left ({count}) is tried again by itself.", *lines, count=retried.count
        )
    lines += [each.in_words() for each in troubles[:MOST_NAMED]]
    lines += map(line_of, waiting)
    if f.parked > len(waiting):
        lines.append(say("- … and {count} more", count=f.parked - len(waiting)))
    if not f.parked:
        return say("What needs a person: {count}.", *lines, count=stuck)
    return say(
        "What needs a person: {count}. `!retry` tries it again, `!drop` with a reference number gives one up.",
        *lines,
        count=stuck,
    )


def line_of(parked: Parked) -> Text:
    """Say what is parked, under which reference, and why."""
    return say("- {reference}: {what} ({why})", reference=parked.reference, what=parked.what, why=parked.why)


def _as_told(reference: str) -> str:
    return fold(reference).upper()


def _nothing_under(reference: str) -> Text:
    return say("Nothing is set aside under {reference}. `!status` lists what is.", reference=reference)
