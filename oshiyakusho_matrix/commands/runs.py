"""Which messages have run a command: each runs one at most, however often it is edited.

``runner`` and ``confirmation`` note it in the commit that holds what the command did; ``dispatch`` asks when a message
was edited; ``housekeeping`` forgets.
"""

from datetime import datetime

from sqlalchemy import delete, select, update

from oshiyakusho_matrix.commands.tables import command_run
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


async def note_run(tx: Transaction, event_id: str, at: datetime) -> None:
    """Note that a message ran a command, or asked for a ✅."""
    row = upsert(tx.connection, command_run).values(event_id=event_id, at=at)
    await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["event_id"]))


async def has_run(tx: Transaction, event_id: str) -> bool:
    """Tell whether a message ran a command."""
    found = select(command_run.c.event_id).where(command_run.c.event_id == event_id)
    return await tx.connection.scalar(found) is not None


async def is_first_edit(tx: Transaction, event_id: str) -> bool:
    """Note that somebody was told that editing a message changes nothing; False if they were told before."""
    key = (command_run.c.event_id == event_id, ~command_run.c.told)
    return (await tx.connection.execute(update(command_run).where(*key).values(told=True))).rowcount == 1


async def forget_runs(tx: Transaction, before: datetime) -> None:
    """Forget what ran ``before``. The inbox must have forgotten those messages by then, or they could run again."""
    await tx.connection.execute(delete(command_run).where(command_run.c.at < before))
