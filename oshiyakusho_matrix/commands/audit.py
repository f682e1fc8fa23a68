"""Who had the bot do what: written with each privileged command, in its transaction, and never changed afterwards.

``runner`` and ``confirmation`` write; ``!audit`` reads it out to the secretariat.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field
from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.arguments import Place, Positional, parameters_of
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.commands.usage import PREFIX, plain
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, say, visible
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Outcome(StrEnum):
    """What became of a run."""

    DONE = "done"
    REFUSED = "refused"
    ASKED = "asked"  #: the preview was shown; nothing is done yet
    CONFIRMED = "confirmed"  #: done, after ✅


_IN_WORDS = {
    Outcome.DONE: say("done"),
    Outcome.REFUSED: say("refused"),
    Outcome.ASKED: say("asked for confirmation"),
    Outcome.CONFIRMED: say("done after confirmation"),
}


async def note(
    tx: Transaction,
    command: Command[Any],
    arguments: BaseModel | None,
    *,
    at: datetime,
    actor: str,
    outcome: Outcome,
    reference: str,
    target: str = "",
) -> None:
    """Enter a run of ``command``, if it is one that is audited. ``arguments`` is None where they could not be read."""
    if not command.audited:
        return
    kept, first = kept_arguments(arguments) if arguments is not None else ({}, "")
    await tx.connection.execute(
        insert(audit).values(
            at=at,
            actor=actor,
            command=command.names[0],
            target=target or first,
            arguments=kept,
            outcome=outcome.value,
            reference=reference,
        )
    )


def kept_arguments(arguments: BaseModel) -> tuple[dict[str, Any], str]:
    """Return what the audit keeps of the arguments, and the first of them, which mostly is what was acted on."""
    parameters = [p for p in parameters_of(type(arguments)) if not p.marker.private]
    kept = arguments.model_dump(mode="json", include={p.field for p in parameters}, exclude_unset=True)
    first = next((p for p in parameters if p.place is Place.POSITIONAL), None)
    value = getattr(arguments, first.field) if first else None
    texts = value if isinstance(value, tuple) else () if value is None else (value,)
    return kept, " ".join(plain(text) for text in texts)


async def latest(connection: AsyncConnection, count: int) -> Sequence[Row[Any]]:
    """Return the last ``count`` entries, the newest first."""
    return (await connection.execute(select(audit).order_by(audit.c.id.desc()).limit(count))).all()


class AuditArguments(BaseModel):
    """How much to read out."""

    count: Annotated[
        int, Positional(ja="件数", about=say("How many entries, the newest first."), example="20"), Field(ge=1, le=50)
    ] = 10


async def read_out(call: Call[AuditArguments]) -> Answer:
    """Say the last entries in words, times in Asia/Tokyo."""
    rows = await latest(call.tx.connection, call.arguments.count)
    if not rows:
        return Answer(say("The audit is empty."))
    return Answer(say("The last {count} entries of the audit:", *(_line(row) for row in rows), count=len(rows)))


def _others(row: Row[Any]) -> Iterator[str]:
    """Yield the arguments beside the target, by their names: whom a head was made of, what a name was changed to."""
    for name, value in row.arguments.items():
        if value not in (None, False, "", [], row.target):
            yield name if value is True else f"{name}={visible(str(value), limit=80)}"


def _line(row: Row[Any]) -> Text:
    return say(
        "- {at} {actor}: `{command}` ({outcome}, reference {reference})",
        at=row.at.astimezone(JST).strftime("%Y-%m-%d %H:%M"),
        actor=row.actor,
        command=" ".join(word for word in (PREFIX + row.command, row.target, *_others(row)) if word),
        outcome=_IN_WORDS[Outcome(row.outcome)],
        reference=row.reference,
    )


AUDIT: Command[AuditArguments] = Command(
    names=("audit", "監査"),
    summary=say("Reads out who had me do what."),
    role=Role.SECRETARIAT,
    arguments=AuditArguments,
    run=read_out,
    audited=True,
)
