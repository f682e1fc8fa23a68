"""Hands e-mail to the mail server of the installation: SMTP submission (RFC 6409) by aiosmtplib.

One connection for each mail: there are few, and none waits behind another. Encryption is not optional where it is set
(RFC 8314): without it nothing is sent, no password either. What a server answers may repeat addresses, so of each
answer only the three digits leave this module.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from enum import StrEnum

import aiosmtplib

from oshiyakusho_matrix.outbox.interface import MailDelayed, MailRefused, Sender


class Security(StrEnum):
    """How the way to the mail server is protected. ``NONE`` is for a server on the same machine alone."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where e-mail is handed in, and as whom. ``timeout`` is for one mail as a whole."""

    host: str
    port: int
    sender: Sender
    security: Security = Security.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: timedelta = timedelta(seconds=60)


class SmtpTransport:
    """Implements ``MailTransport``. ``trust`` replaces the authorities that the machine trusts."""

    def __init__(self, server: MailServer, *, trust: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._trust = trust

    @property
    def sender(self) -> Sender:
        """See ``MailTransport``."""
        return self._server.sender

    @property
    def longest(self) -> timedelta:
        """See ``MailTransport``."""
        return self._server.timeout

    async def deliver(self, message: EmailMessage, to: str) -> None:
        """See ``MailTransport``."""
        async with self._connected() as client:
            await client.sendmail(self._server.sender.address, [to], message.as_bytes())

    async def examine(self) -> None:
        """Connect, encrypt, log in and say from whom, as for a mail; send none. ``MailDelayed`` says what is wrong."""
        async with self._connected() as client:
            await client.mail(self._server.sender.address)
            await client.rset()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            # Not this machine's name: it is nobody's business, and looking it up may take seconds.
            local_hostname=server.sender.domain,
            timeout=server.timeout.total_seconds(),
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=await self._tls(),
        )
        try:
            # One limit for the whole: aiosmtplib's is for each step.
            async with asyncio.timeout(server.timeout.total_seconds()):
                await client.connect()
                yield client
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _retyped(error) from None
        else:
            # Outside the limit: a mail that was taken has been sent, however long goodbyes take.
            await _take_leave(client)
        finally:
            client.close()

    async def _tls(self) -> ssl.SSLContext | None:
        if self._server.security is Security.NONE:
            return None
        if self._trust is None:
            self._trust = await asyncio.to_thread(ssl.create_default_context)  # it reads a large file
        return self._trust


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye; whatever comes of it, the mail was taken before."""
    try:
        await client.quit(timeout=2)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        client.close()


def _retyped(error: Exception) -> MailRefused | MailDelayed:
    """Say what an error means for the mail, without any word of the server's."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        code = error.recipients[0].code
        return MailRefused(code) if code >= 500 else MailDelayed(str(code))
    if isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500:
        return MailRefused(error.code)
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailDelayed(f"{error.code} to our password")
    if isinstance(error, aiosmtplib.SMTPSenderRefused):
        return MailDelayed(f"{error.code} to our address")
    # 421 in the middle of a mail, 554 instead of a greeting: nothing that this recipient can do about.
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return MailDelayed(str(error.code) if 200 <= error.code <= 599 else "it does not speak SMTP")
    if type(error) in (aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported):
        return MailDelayed("it offers no STARTTLS, or no login")
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return MailDelayed("its certificate is not trusted")
    if isinstance(cause, ssl.SSLError):
        return MailDelayed("no TLS there")
    if isinstance(error, TimeoutError):
        return MailDelayed("no answer in time")
    return MailDelayed("not reachable" if isinstance(error, OSError) else "it does not speak SMTP")
