"""Who had the bot do what: written with each privileged command, in its transaction, and never changed afterwards.

``runner`` and ``confirmation`` write; ``!audit`` reads it out to the secretariat.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.arguments import Place, Positional, parameters_of
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.commands.usage import PREFIX, name_of, plain
from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.ids import new_reference
from oshiyakusho_matrix.core.text import Value, say, visible
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Outcome(StrEnum):
    """What became of a run."""

    DONE = "done"
    REFUSED = "refused"
    ASKED = "asked"  #: the preview was shown; nothing is done yet
    CONFIRMED = "confirmed"  #: done, after ✅
    DECLINED = "declined"  #: left as it was, after ❌


#: How long ✅ is waited for.
PATIENCE: Final = timedelta(minutes=15)

_IN_WORDS = {
    Outcome.DONE: say("done"),
    Outcome.REFUSED: say("refused"),
    Outcome.ASKED: say("asked for confirmation"),
    Outcome.CONFIRMED: say("done after confirmation"),
    Outcome.DECLINED: say("called off"),
}
_CONFIRMED, _LAPSED = say("confirmed"), say("lapsed")


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


async def note_operator(tx: Transaction, what: str, arguments: Mapping[str, str], *, at: datetime) -> None:
    """Enter what somebody did on the command line that is no command of the bot."""
    values = {"at": at, "actor": "command line", "command": what, "target": "", "arguments": dict(arguments)}
    await tx.connection.execute(
        insert(audit).values(values | {"outcome": Outcome.DONE.value, "reference": new_reference()})
    )


async def latest(connection: AsyncConnection, count: int) -> Sequence[Row[Any]]:
    """Return the last ``count`` entries, the newest first."""
    return (await connection.execute(select(audit).order_by(audit.c.id.desc()).limit(count))).all()


class AuditArguments(BaseModel):
    """How much to read out."""

    count: Annotated[
        int, Positional(ja="件数", about=say("How many entries, the newest first."), example="20"), Field(ge=1, le=50)
    ] = 10


def audit_command(known: Callable[[], Registry], *, clock: Callable[[], datetime] = now) -> Command[AuditArguments]:
    """Declare ``!audit``; ``known`` is asked at each run for the commands, whose words it uses."""

    async def read_out(call: Call[AuditArguments]) -> Answer:
        """Say the last entries in words, times in Asia/Tokyo."""
        rows = await latest(call.tx.connection, call.arguments.count)
        if not rows:
            return Answer(say("The audit is empty."))
        ends = await _ends(call.tx.connection, rows)
        lines = [
            say(
                "- {at} {actor}: `{command}` ({outcome}, reference {reference})",
                at=row.at.astimezone(JST).strftime("%Y-%m-%d %H:%M") if row.at else "?",
                actor=row.actor,
                command=_as_typed(row, known().named(row.command), call.asker.language),
                outcome=_became(row, ends, clock()),
                reference=row.reference,
            )
            for row in rows
        ]
        return Answer(say("The last {count} entries of the audit:", *lines, count=len(rows)))

    return Command(
        names=("audit", "監査"),
        summary=say("Reads out who had me do what."),
        role=Role.SECRETARIAT,
        arguments=AuditArguments,
        run=read_out,
        audited=True,
        confidential=True,
    )


async def _ends(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Mapping[str, Outcome]:
    """Return what became, by reference, of those among ``rows`` that were asked for confirmation."""
    asked = [row.reference for row in rows if row.outcome == Outcome.ASKED]
    query = select(audit.c.reference, audit.c.outcome).where(
        audit.c.reference.in_(asked), audit.c.outcome != Outcome.ASKED.value
    )
    if not asked:
        return {}
    known = list(Outcome)
    found = await connection.execute(query)
    return {row.reference: Outcome(row.outcome) for row in found if row.outcome in known}


def _became(row: Row[Any], ends: Mapping[str, Outcome], at: datetime) -> Value:
    """Say what became of a run. Nobody notes that a preview lapsed: it follows from the time."""
    if row.outcome not in list(Outcome):
        return str(row.outcome)  # nothing in the audit is ever mended
    outcome = Outcome(row.outcome)
    if outcome is not Outcome.ASKED:
        return _IN_WORDS[outcome]
    if (end := ends.get(row.reference)) is not None:
        return _IN_WORDS[end] if end is Outcome.DECLINED else _CONFIRMED
    return _IN_WORDS[outcome] if at < row.at + PATIENCE else _LAPSED


def _as_typed(row: Row[Any], command: Command[Any] | None, language: str) -> str:
    """Write a run in a language, much as it was typed; in the words of the record if there is no such command now."""
    name = name_of(command, language) if command else row.command
    labels = {p.field: p.label(language) for p in parameters_of(command.arguments)} if command else {}
    return " ".join(word for word in (PREFIX + name, row.target, *_others(row, labels)) if word)


def _others(row: Row[Any], labels: Mapping[str, str]) -> Iterator[str]:
    """Yield the arguments beside the target, by their names: whom a head was made of, what a name was changed to."""
    arguments = row.arguments if isinstance(row.arguments, Mapping) else {}
    for field, value in arguments.items():
        if value not in (None, False, "", [], row.target):
            name = labels.get(field, field)
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield name if value is True else f"{name}={visible(text, limit=80)}"
