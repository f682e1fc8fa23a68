"""How an application's row is taken up and moved on: always locked, always by the lifecycle. Used by both services."""

from typing import Any, Final

from sqlalchemy import Row, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.registration.domain import State, Step, advance
from oshiyakusho_matrix.registration.tables import application, find_row
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: The kind of key under which an application is looked at when it falls due.
KIND: Final = "application"


def application_key(reference: str) -> WorkKey:
    """Return the key of an application."""
    return WorkKey(KIND, reference)


async def take_up(tx: Transaction, reference: str) -> Row[Any]:
    """Return an application's row, which nobody else changes until the transaction ends. ``Refused`` if none is."""
    row = await find_row(tx.connection, reference, lock=True)
    if row is None:
        raise Refused(
            say(
                "There is no application {reference} (any more). `!application list` shows those that are open.",
                reference=reference,
            )
        )
    return row


async def move(tx: Transaction, row: Row[Any], *steps: Step, **values: Any) -> Row[Any]:
    """Take an application through steps of the lifecycle and change columns with it; return the row as it is then."""
    state = State(row.state)
    for step in steps:
        state = advance(state, step, reference=row.reference)
    await tx.connection.execute(
        update(application)
        .where(application.c.reference == row.reference)
        .values(state=state.value, changed_at=now(), **values)
    )
    return await take_up(tx, row.reference)
