"""What an applicant is offered, and what they may ask for. Called by ``service`` and the applications' controller.

The homeserver is asked by ``controller`` alone; here it is only recorded what is wanted.
"""

import hashlib
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import TELEPHONE, spelt
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import AccountProvider
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.registration.accounts.tables import OfferRow, account_offer, find_offer
from oshiyakusho_matrix.registration.domain import Application, State
from oshiyakusho_matrix.registration.views import Offer, OfferState
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: The kind of key under which an application's account is looked at. Not the application's own: a homeserver that
#: gives no tokens must not keep applications from being deleted in time.
KIND: Final = "account"
_LETTERS: Final = TELEPHONE[8:]


def account_key(reference: str) -> WorkKey:
    """Return the key of an application's account."""
    return WorkKey(KIND, reference)


def needs_account(one: Application) -> bool:
    """Tell whether somebody is to be offered an account: approved, and none was tied to the application."""
    return one.state is State.APPROVED and one.account is None


class Offers:
    """``provider`` is None where people bring an account from elsewhere."""

    def __init__(self, *, sealer: Sealer, work: Work, provider: AccountProvider | None) -> None:
        self._sealer, self._work, self._provider = sealer, work, provider

    async def follow(self, tx: Transaction, one: Application) -> None:
        """Have the offer made or taken back, if that is what an application's state asks for."""
        if self._provider is None:
            return
        row = await find_offer(tx.connection, one.reference)
        if (row is None or row.made_at is None) if needs_account(one) else (row is not None):
            await self._work.ask(tx, account_key(one.reference))

    async def offer(self, connection: AsyncConnection, one: Application) -> Offer | None:
        """Return what the status page shows of an offer; None if nothing is (to be) offered."""
        if self._provider is None or not needs_account(one):
            return None
        row = await find_offer(connection, one.reference)
        state = _state(row)
        return Offer(
            state=state,
            token=open_token(self._sealer, one.reference, row) if row and state is OfferState.READY else "",
            expires_at=row.expires_at if row else None,
            where=self._provider.where,
            suggestion=suggestion(one.reference),
        )

    async def renew(self, tx: Transaction, reference: str) -> None:
        """Ask for another token in place of one that ran out unused. ``Refused`` for any other."""
        row = await find_offer(tx.connection, reference, lock=True)
        if self._provider is None or row is None:
            raise Refused(say("There is no registration token for this application."))
        match _state(row):
            case OfferState.TAKEN:
                raise Refused(say("An account was made with your registration token already."))
            case OfferState.READY:
                raise Refused(say("Your registration token can still be used."))
            case OfferState.EXPIRED:
                again = update(account_offer).where(account_offer.c.reference == reference).values(made_at=None)
                await tx.connection.execute(again)
        await self._work.ask(tx, account_key(reference))


def _state(row: OfferRow | None) -> OfferState:
    if row is None or row.made_at is None:
        return OfferState.PREPARING
    if row.taken_at is not None:
        return OfferState.TAKEN
    return OfferState.EXPIRED if row.expires_at <= now() else OfferState.READY


def new_token(sealer: Sealer, reference: str, number: int) -> str:
    """Return the token of an application: 26 letters and digits that can be copied from paper."""
    digest = sealer.digest(f"{reference}:{number}", "account.token")
    return spelt(int(digest, 16), 26).lower()


def seal_token(sealer: Sealer, reference: str, token: str) -> bytes:
    """Return a token as it is kept, so that it opens when the key was changed."""
    return sealer.seal(token, f"account_offer.sealed:{reference}")


def open_token(sealer: Sealer, reference: str, row: OfferRow) -> str:
    """Return the token of an offer."""
    return sealer.open(row.sealed, f"account_offer.sealed:{reference}")


def suggestion(reference: str) -> str:
    """Return a user name that says nothing about anybody, always the same for an application: ``k7f3q``."""
    number = int.from_bytes(hashlib.sha256(f"account.name:{reference}".encode()).digest())
    return (_LETTERS[number % len(_LETTERS)] + spelt(number // len(_LETTERS), 4)).lower()
