"""Who had the bot do what: written with each privileged command, in its transaction, and never changed afterwards.

``runner`` and ``confirmation`` write; ``!audit`` reads it out to the secretariat.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from sqlalchemy import Row, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Parameter, Place, Positional, parameters_of
from oshiyakusho_matrix.commands.reading.usage import PREFIX, name_of, plain
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.commands.tables import audit
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
    OPENED = "opened"  #: the page was opened to which the command gave access, once


#: How long ✅ is waited for.
PATIENCE: Final = timedelta(minutes=15)

_IN_WORDS = {
    Outcome.DONE: say("done"),
    Outcome.REFUSED: say("refused"),
    Outcome.ASKED: say("asked for confirmation"),
    Outcome.CONFIRMED: say("done after confirmation"),
    Outcome.DECLINED: say("called off"),
    Outcome.OPENED: say("page opened"),
}
_LAPSED = say("lapsed")


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
    await _enter(tx, values, Outcome.DONE)


async def note_opened(tx: Transaction, command: str, target: str, *, actor: str, at: datetime) -> None:
    """Enter that a page was opened to which ``command``, run by ``actor`` on ``target``, gave access."""
    values = {"at": at, "actor": actor, "command": command, "target": target, "arguments": {}}
    await _enter(tx, values, Outcome.OPENED)


async def _enter(tx: Transaction, values: Mapping[str, Any], outcome: Outcome) -> None:
    known = {"outcome": outcome.value, "reference": new_reference()}
    await tx.connection.execute(insert(audit).values({**values, **known}))


async def latest(connection: AsyncConnection, count: int) -> Sequence[Row[Any]]:
    """Return the last entries of ``count`` commands, the newest first.

    A command that asked for confirmation and got an answer has two: only its end is read out.
    """
    end = audit.alias()
    ended = select(end.c.id).where(end.c.reference == audit.c.reference, end.c.id > audit.c.id).exists()
    newest = select(audit).where(or_(audit.c.outcome != Outcome.ASKED.value, ~ended)).order_by(audit.c.id.desc())
    return (await connection.execute(newest.limit(count))).all()


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
        lines = [
            say(
                "- {at} {actor}: `{command}` ({outcome}, reference {reference})",
                at=row.at.astimezone(JST).strftime("%Y-%m-%d %H:%M") if row.at else "?",
                actor=row.actor,
                command=_as_typed(row, known().named(row.command), call.asker.language),
                outcome=_became(row, clock()),
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


def _became(row: Row[Any], at: datetime) -> Value:
    """Say what became of a run. Nobody notes that a preview lapsed: it follows from the time."""
    if row.outcome not in list(Outcome):
        return str(row.outcome)  # nothing in the audit is ever mended
    outcome = Outcome(row.outcome)
    return _LAPSED if outcome is Outcome.ASKED and at >= row.at + PATIENCE else _IN_WORDS[outcome]


def _as_typed(row: Row[Any], command: Command[Any] | None, language: str) -> str:
    """Write a run in a language, much as it was typed; in the words of the record if there is no such command now."""
    name = name_of(command, language) if command else row.command
    parameters = {p.field: p for p in parameters_of(command.arguments)} if command else {}
    return " ".join(word for word in (PREFIX + name, row.target, *_others(row, parameters, language)) if word)


def _others(row: Row[Any], parameters: Mapping[str, Parameter], language: str) -> Iterator[str]:
    """Yield the arguments beside the target: bare where they are typed so, else by their names."""
    arguments = row.arguments if isinstance(row.arguments, Mapping) else {}
    for field, value in arguments.items():
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        if value in (None, False, "", []) or text == row.target:
            continue
        parameter = parameters.get(field)
        name = parameter.label(language) if parameter else field
        bare = parameter is not None and parameter.place in (Place.POSITIONAL, Place.REST)
        shown = visible(text, limit=80)
        yield name if value is True else shown if bare else f"{name}={shown}"
