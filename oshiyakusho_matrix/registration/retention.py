"""What becomes of the files whether the desk is open or closed: closed when a member leaves, deleted when it is time.

It needs neither key nor mail server: nothing is opened, nobody is written to.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.reconcile.interface import Settled, Work
from oshiyakusho_matrix.registration.cases import KIND, application_key, move, take_up
from oshiyakusho_matrix.registration.domain import Application, State, Step, ends_at
from oshiyakusho_matrix.registration.tables import application, find_by_account, find_row, read_application
from oshiyakusho_matrix.roster.events import Happened, MemberRemoved
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction

logger = structlog.get_logger(__name__)

_DAY = timedelta(days=1)


class Retention:
    """Serves ``application:REFERENCE`` while the desk is closed; ``ApplicationController`` does while it is open."""

    kind = KIND

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def reconcile(self, name: str) -> Settled:
        """Delete, or wait until it is time."""
        present = now()
        async with self._store.transaction() as tx:
            row = await find_row(tx.connection, name, lock=True)
            if row is None:
                return Settled()
            one = read_application(row)
            if await delete_in_time(tx, one, present=present):
                return Settled()
        # Tomorrow at the latest: then the desk may be open again, which has more to do.
        return Settled(look_again=min(ends_at(one) or present + _DAY, present + _DAY))


class Rest:
    """Serves a kind of key for which a closed desk does nothing: what an earlier one left is let go."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def reconcile(self, name: str) -> Settled:
        """Let it go; an open desk asks again."""
        return Settled()


async def delete_in_time(tx: Transaction, one: Application, *, present: datetime) -> bool:
    """Delete an application if it is kept no longer; tell whether it was."""
    ends = ends_at(one)
    if ends is None or ends > present:
        return False
    await tx.connection.execute(delete(application).where(application.c.reference == one.reference))
    logger.info("an application was deleted", application=one.reference, state=one.state.value)
    return True


async def close_files(tx: Transaction, work: Work, happened: Happened) -> None:
    """Close the file of somebody who is a member no more; it is deleted in time."""
    if not isinstance(happened, MemberRemoved):
        return
    for reference in await find_by_account(tx.connection, happened.user_id, [State.ADMITTED]):
        await move(tx, await take_up(tx, reference), Step.LEAVE)
        await work.ask(tx, application_key(reference))
