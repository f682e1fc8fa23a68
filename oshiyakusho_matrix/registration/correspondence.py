"""Mails to applicants, at the address that is sealed in their application. Used by the services of the desk."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.outbox.interface import Mail
from oshiyakusho_matrix.registration.mails import Letter, Words
from oshiyakusho_matrix.registration.tables import application, open_particulars
from oshiyakusho_matrix.registration.views import MailState
from oshiyakusho_matrix.store.unit_of_work import Transaction


class Correspondence:
    """``words`` puts a text into a language; ``site`` is how people reach the pages, as they would type it."""

    def __init__(self, *, sealer: Sealer, mail: Mail, words: Words, site: str) -> None:
        self._sealer, self._mail, self._words = sealer, mail, words
        self.site = site

    async def write(self, tx: Transaction, row: Row[Any], letter: Letter, *, lasts: timedelta) -> None:
        """Mail a letter to the applicant; it is given up after ``lasts``."""
        await note_mail(tx, row.reference, MailState.WAITING)
        await self._mail.send(
            tx,
            to=open_particulars(self._sealer, row).address,
            subject=self._words(letter.subject, row.language),
            text="\n\n".join(self._words(paragraph, row.language) for paragraph in letter.paragraphs) + "\n",
            reference=row.reference,
            expires_at=now() + lasts,
        )


async def note_mail(tx: Transaction, reference: str, state: MailState) -> None:
    """Keep what became of the last mail, for the status page."""
    await tx.connection.execute(
        update(application).where(application.c.reference == reference).values(mail=state.value)
    )
