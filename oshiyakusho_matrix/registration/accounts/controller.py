"""Makes the homeserver's registration tokens agree with the applications: one for whoever needs an account, else none.

The token is recorded before the homeserver is asked for it, and follows from the record: a run that is cut off
anywhere is repeated with the same one. Served by the controller loop; ``service`` asks for the keys.
"""

from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import delete, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.homeserver.interface import AccountProvider
from oshiyakusho_matrix.reconcile.interface import Settled
from oshiyakusho_matrix.registration.accounts.service import KIND, needs_account, new_token, open_token, seal_token
from oshiyakusho_matrix.registration.accounts.tables import OfferRow, account_offer, find_offer
from oshiyakusho_matrix.registration.domain import OFFER_LASTS, ends_at
from oshiyakusho_matrix.registration.tables import find_row, read_application
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)


class AccountController:
    """Serves ``account:REFERENCE``."""

    kind = KIND

    def __init__(self, *, store: Store, sealer: Sealer, provider: AccountProvider | None) -> None:
        self._store, self._sealer, self._provider = store, sealer, provider

    async def reconcile(self, name: str) -> Settled:
        """Offer, take back, or see what became of an offer that has run out."""
        async with self._store.reading() as connection:
            row = await find_row(connection, name)
            offer = await find_offer(connection, name)
        # With the application its offer is gone; a token lasts no longer than the approval does.
        if self._provider is None or row is None:
            return Settled()
        one, present = read_application(row), now()
        if not needs_account(one):
            if offer is not None:
                await self._take_back(self._provider, name, offer)
            return Settled()
        if offer is None:
            offer = await self._record(name, number=1, present=present)
        elif offer.taken_at is None and offer.expires_at <= present:
            if await self._provider.taken(open_token(self._sealer, name, offer)):
                await self._note(name, offer, made_at=offer.made_at or present, taken_at=present)
                return Settled()
            if offer.made_at is not None:
                return Settled()  # until the applicant asks for another one
            offer = await self._record(name, number=offer.number + 1, present=present)
        if offer is None:
            return Settled()  # it was withdrawn meanwhile, and this key asked for again
        if offer.made_at is None:
            await self._provider.offer(open_token(self._sealer, name, offer), offer.expires_at)
            await self._note(name, offer, made_at=now())
            logger.info("an account was offered", application=name, number=offer.number)
        return Settled(look_again=offer.expires_at if offer.taken_at is None else None)

    async def _take_back(self, provider: AccountProvider, reference: str, offer: OfferRow) -> None:
        await provider.withdraw(open_token(self._sealer, reference, offer))
        async with self._store.transaction() as tx:
            await tx.connection.execute(delete(account_offer).where(*_of(reference, offer.number)))
        logger.info("an offered account was taken back", application=reference, number=offer.number)

    async def _record(self, reference: str, *, number: int, present: datetime) -> OfferRow | None:
        """Record what is about to be offered; None if nothing is to be, any more."""
        token = new_token(self._sealer, reference, number)
        values: dict[str, Any] = {
            "number": number,
            "sealed": seal_token(self._sealer, reference, token),
            "made_at": None,
            "taken_at": None,
        }
        async with self._store.transaction() as tx:
            row = await find_row(tx.connection, reference, lock=True)
            if row is None or not needs_account(one := read_application(row)):
                return None
            ends = ends_at(one)
            values["expires_at"] = present + OFFER_LASTS if ends is None else min(present + OFFER_LASTS, ends)
            written = upsert(tx.connection, account_offer).values(reference=reference, **values)
            await tx.connection.execute(written.on_conflict_do_update(index_elements=["reference"], set_=values))
        return OfferRow(**values)

    async def _note(self, reference: str, offer: OfferRow, **values: datetime | None) -> None:
        async with self._store.transaction() as tx:
            changed = update(account_offer).where(*_of(reference, offer.number)).values(**values)
            await tx.connection.execute(changed)


def _of(reference: str, number: int) -> tuple[Any, ...]:
    return account_offer.c.reference == reference, account_offer.c.number == number
