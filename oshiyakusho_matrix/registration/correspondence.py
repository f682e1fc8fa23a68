"""Mails to applicants, at the address that is sealed in their application. Used by the services of the desk.

One that is withheld goes the same way, to nobody; ``Withholding`` stands before the mail server and takes it.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from time import monotonic
from typing import Any, Final

from sqlalchemy import Row, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.outbox.interface import EndedMail, Mail, MailTransport, Sender
from oshiyakusho_matrix.registration.mails import Letter, Words
from oshiyakusho_matrix.registration.tables import application, open_particulars
from oshiyakusho_matrix.registration.views import MailState
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: To whom a mail is written that is withheld (RFC 2606: nobody is there).
NOBODY: Final = "nobody@withheld.invalid"


class Correspondence:
    """``words`` puts a text into a language; ``page`` is the status page in one, as people would type it."""

    def __init__(self, *, sealer: Sealer, mail: Mail, words: Words, page: Callable[[str], str]) -> None:
        self._sealer, self._mail, self._words, self._page = sealer, mail, words, page

    def page(self, row: Row[Any]) -> str:
        """Return the address of the status page in the applicant's language."""
        return self._page(row.language)

    async def write(
        self, tx: Transaction, row: Row[Any], letter: Letter, *, lasts: timedelta, withheld: bool = False
    ) -> None:
        """Mail a letter to the applicant; it is given up after ``lasts``. ``withheld``: it only looks so."""
        address = open_particulars(self._sealer, row).address
        message_id = await self._mail.send(
            tx,
            to=NOBODY if withheld else address,
            subject=self._words(letter.subject, row.language),
            text="\n\n".join(self._words(paragraph, row.language) for paragraph in letter.paragraphs) + "\n",
            reference=row.reference,
            expires_at=now() + lasts,
        )
        last = {"mail": MailState.WAITING.value, "mail_id": message_id}
        await tx.connection.execute(update(application).where(application.c.reference == row.reference).values(last))


class Withholding:
    """Takes mails to ``NOBODY``, in the time that the last other one took: the status page tells when a mail is out."""

    def __init__(self, transport: MailTransport) -> None:
        self._transport, self._took = transport, 0.0

    @property
    def sender(self) -> Sender:
        """From whom it all comes."""
        return self._transport.sender

    @property
    def longest(self) -> timedelta:
        """As long as the transport's own: a mail withheld takes no longer than the last one did."""
        return self._transport.longest

    async def deliver(self, message: EmailMessage, to: str) -> None:
        """Hand a message to the mail server, unless nobody is to have it."""
        if to == NOBODY:
            await asyncio.sleep(self._took)
            return
        began = monotonic()
        await self._transport.deliver(message, to)
        self._took = monotonic() - began


async def note_end(tx: Transaction, mail: EndedMail) -> None:
    """Keep what became of the last mail, for the status page; an older one may have gone to a mistyped address."""
    # In one statement, which heeds a newer mail that is written meanwhile, too.
    last = application.c.reference == mail.reference, application.c.mail_id == mail.message_id
    await tx.connection.execute(update(application).where(*last).values(mail=MailState(mail.end.value).value))
