"""The proof of a mailbox: a code of eight digits is mailed, and typed into the page. Used by ``service``.

A code lasts an hour and works from any browser; another one leaves the older valid; five mistakes end them all until
another is mailed. What an applicant reads never depends on whether somebody else used the same mailbox.
"""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Row, insert, select, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.registration.addresses import Address
from oshiyakusho_matrix.registration.cases import move, take_up
from oshiyakusho_matrix.registration.correspondence import Correspondence
from oshiyakusho_matrix.registration.domain import (
    CODE_DIGITS,
    CODE_LASTS,
    CODE_TRIES,
    CODES_AN_HOUR,
    CODES_AN_HOUR_AND_DOMAIN,
    DASHES,
    RESEND_AFTER,
    State,
    Step,
)
from oshiyakusho_matrix.registration.mails import code_letter
from oshiyakusho_matrix.registration.tables import (
    application,
    application_code,
    codes_since,
    open_particulars,
    seal_particulars,
)
from oshiyakusho_matrix.registration.views import CodeResult
from oshiyakusho_matrix.store.statements import one_at_a_time
from oshiyakusho_matrix.store.unit_of_work import Transaction

logger = structlog.get_logger(__name__)


class MailboxProof:
    """Works on rows that the caller has taken up."""

    def __init__(self, *, sealer: Sealer, correspondence: Correspondence) -> None:
        self._sealer, self._correspondence = sealer, correspondence

    async def send(self, tx: Transaction, row: Row[Any]) -> None:
        """Mail a code; if too many went to this mailbox within the hour, withhold it. ``Refused`` for a busy domain.

        That it is withheld is told to nobody: it would tell whether others use the same mailbox. So what is done and
        kept is the same, but for a code that nobody can guess, and a mail to nobody.
        """
        present = now()
        an_hour_ago = present - timedelta(hours=1)
        await one_at_a_time(tx.connection, 5)
        to_mailbox = await codes_since(tx.connection, an_hour_ago, mailbox=row.mailbox)
        if await codes_since(tx.connection, an_hour_ago, domain=row.domain) >= CODES_AN_HOUR_AND_DOMAIN:
            # Said openly: it tells nothing of any mailbox, and a whole town hall would wait for its codes in vain.
            raise Refused(
                say(
                    "Too many codes have gone to {domain} within the hour. Nothing is lost: please send this again in "
                    "an hour.",
                    domain=row.domain,
                )
            )
        withheld = to_mailbox >= CODES_AN_HOUR
        if withheld:
            logger.warning("a code was not sent: too many in an hour", application=row.reference)
        # Tries that begin anew without a new mail must not be tries at the codes before.
        await self._end_codes(tx, row.reference if withheld and row.tries else "")
        code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
        await tx.connection.execute(
            insert(application_code).values(
                id=secrets.token_hex(16),
                reference=row.reference,
                digest=self._sealer.digest(
                    secrets.token_hex() if withheld else code, f"application.code:{row.reference}"
                ),
                mailbox="" if withheld else row.mailbox,
                domain="" if withheld else row.domain,
                sent_at=present,
                expires_at=present + CODE_LASTS,
            )
        )
        await _set(tx, row, tries=0)
        minutes = int(CODE_LASTS.total_seconds() // 60)
        letter = code_letter(code, reference=row.reference, minutes=minutes, page=self._correspondence.page(row))
        await self._correspondence.write(tx, row, letter, lasts=CODE_LASTS, withheld=withheld)

    async def again(self, tx: Transaction, row: Row[Any]) -> None:
        """Mail another code. ``Refused`` where none is needed, or the last one only just went out."""
        _require_draft(row)
        if await codes_since(tx.connection, now() - RESEND_AFTER, reference=row.reference):
            raise Refused(
                say(
                    "A code was sent less than {minutes} minutes ago. Please look for it, also among what your mail "
                    "system holds back, and ask again a little later.",
                    minutes=int(RESEND_AFTER.total_seconds() // 60),
                )
            )
        await self.send(tx, row)

    async def elsewhere(self, tx: Transaction, row: Row[Any], address: Address) -> None:
        """Put another address in the place of one that was mistyped, and mail a code there; the old codes end."""
        _require_draft(row)
        particulars = replace(open_particulars(self._sealer, row), address=str(address))
        await self._end_codes(tx, row.reference)
        row = await move(
            tx,
            row,
            sealed=seal_particulars(self._sealer, row.reference, particulars),
            mailbox=self._sealer.index(address.mailbox, "application.mailbox"),
            domain=address.domain,
            shared=address.shared,
            tagged=address.tagged,
        )
        await self.send(tx, row)

    async def prove(self, tx: Transaction, row: Row[Any], code: str) -> tuple[CodeResult, Row[Any]]:
        """Try a code as it was typed, and return the row as it is then. Only eight digits count as a mistake."""
        if row.mailbox_proven_at is not None:
            return CodeResult.PROVEN, row
        digits, present = digits_of(code), now()
        if len(digits) != CODE_DIGITS:
            return CodeResult.WRONG, row
        if row.tries >= CODE_TRIES:
            return CodeResult.NO_TRIES_LEFT, row
        valid = select(application_code.c.digest).where(
            application_code.c.reference == row.reference, application_code.c.expires_at > present
        )
        digests = list((await tx.connection.execute(valid)).scalars())
        if not digests:
            return CodeResult.NO_CODE, row
        context = f"application.code:{row.reference}"
        if not any([self._sealer.is_digest(digest, digits, context) for digest in digests]):  # noqa: C419 - all compared
            await _set(tx, row, tries=row.tries + 1)
            result = CodeResult.WRONG if row.tries + 1 < CODE_TRIES else CodeResult.NO_TRIES_LEFT
            return result, await take_up(tx, row.reference)
        await self._end_codes(tx, row.reference)
        steps = (Step.PROVE_MAILBOX,) if row.has_account else (Step.PROVE_MAILBOX, Step.WAIVE_ACCOUNT)
        return CodeResult.PROVEN, await move(tx, row, *steps, mailbox_proven_at=present)

    @staticmethod
    async def _end_codes(tx: Transaction, reference: str) -> None:
        ended = update(application_code).where(application_code.c.reference == reference).values(expires_at=now())
        await tx.connection.execute(ended)


async def _set(tx: Transaction, row: Row[Any], **values: Any) -> None:
    changed = update(application).where(application.c.reference == row.reference).values(**values)
    await tx.connection.execute(changed)


def _require_draft(row: Row[Any]) -> None:
    if row.state != State.DRAFT.value:
        raise Refused(say("Your mailbox is proven already; no further code is needed."))


def digits_of(code: str) -> str:
    """Return the digits of a code as people type it: full-width, with spaces and dashes. Empty for anything else."""
    bare = "".join(c for c in fold(code) if not (c.isspace() or c in DASHES + "_."))
    return bare if bare.isascii() and bare.isdigit() else ""
