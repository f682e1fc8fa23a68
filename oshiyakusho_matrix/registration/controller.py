"""Looks at one application: reminds the secretariat, deletes what is kept no longer, ends the knock of the rejected.

``Morning`` serves the one key of the day: the summary at nine in Japan.
"""

from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy import update

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.interface import RoomReader
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Settled, WorkKey
from oshiyakusho_matrix.registration.accounts.service import Offers
from oshiyakusho_matrix.registration.cards import reminder, summary
from oshiyakusho_matrix.registration.cases import KIND
from oshiyakusho_matrix.registration.domain import CLAIMABLE, OPEN, State, ends_at, next_reminder
from oshiyakusho_matrix.registration.retention import delete_in_time
from oshiyakusho_matrix.registration.tables import application, find_by_account, find_row, in_states, read_application
from oshiyakusho_matrix.roster.domain import KNOCK_ENDED
from oshiyakusho_matrix.roster.tables import find_member, room_in_role
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)

#: The key of the daily summary.
EVERY_MORNING: Final = WorkKey("applications", "every morning")
_HOUR: Final = 9


class Doors(RoomReader, Protocol):
    """What this controller needs of the homeserver."""

    async def kick(self, room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> str | None:
        """Take somebody out; return what membership that ended."""


class ApplicationController:
    """Serves ``application:REFERENCE``."""

    kind = KIND

    def __init__(self, *, store: Store, outbox: Outbox, doors: Doors, offers: Offers) -> None:
        self._store, self._outbox, self._doors, self._offers = store, outbox, doors, offers

    async def reconcile(self, name: str) -> Settled:
        """Delete, remind, or wait."""
        present = now()
        async with self._store.transaction() as tx:
            row = await find_row(tx.connection, name, lock=True)
            if row is None:
                return Settled()
            one = read_application(row)
            if await delete_in_time(tx, one, present=present):
                return Settled()
            ends, remind = ends_at(one), next_reminder(one)
            await self._offers.follow(tx, one)
            if remind is not None and remind <= present:
                with tx.caused_by("reminder", name, remind.isoformat()):
                    await self._outbox.tell_secretariat(tx, reminder(one, present=present))
                await tx.connection.execute(
                    update(application).where(application.c.reference == name).values(reminded_at=present)
                )
                row = await find_row(tx.connection, name)
                remind = None if row is None else next_reminder(read_application(row))
        if one.state in (State.REJECTED, State.WITHDRAWN) and one.account is not None:
            try:
                await self._end_knock(one.account)
            except Permanent as error:
                # They wait at the door for nothing, which is no reason to keep their file for ever.
                logger.warning("a knock could not be ended", application=name, reason=error.reason)
        return Settled(look_again=min((each for each in (ends, remind) if each is not None), default=None))

    async def _end_knock(self, account: UserId) -> None:
        """Whoever is not let in need not wait at the door. A member who knocks is none of our business."""
        async with self._store.reading() as connection:
            porch = await room_in_role(connection, "porch")
            member = await find_member(connection, account)
            # Whoever withdrew may knock for another application by now.
            others = await find_by_account(connection, account, sorted(CLAIMABLE))
        if porch is None or porch.room_id is None or others or (member is not None and member.current):
            return
        content = await self._doors.state_content(porch.room_id, "m.room.member", account)
        if content is not None and content.get("membership") == "knock":
            await self._doors.kick(porch.room_id, account, KNOCK_ENDED, seen="knock")


class Morning:
    """Tells the secretariat once a day what is open, if anything is."""

    kind = EVERY_MORNING.kind

    def __init__(self, *, store: Store, outbox: Outbox) -> None:
        self._store, self._outbox = store, outbox

    async def reconcile(self, name: str) -> Settled:
        """Say it, once a day, and come back at the next nine. Asked again that day it is the same message."""
        present = now()
        here = present.astimezone(JST)
        if here.hour >= _HOUR:
            async with self._store.transaction() as tx:
                found = await in_states(tx.connection, sorted(OPEN))
                if found:
                    with tx.caused_by("summary", f"{here:%Y-%m-%d}"):
                        await self._outbox.tell_secretariat(tx, summary(found, present=present))
        return Settled(look_again=next_morning(present))


def next_morning(present: datetime) -> datetime:
    """Return the next nine o'clock in Japan."""
    here = present.astimezone(JST)
    nine = here.replace(hour=_HOUR, minute=0, second=0, microsecond=0)
    return nine if nine > here else nine + timedelta(days=1)
