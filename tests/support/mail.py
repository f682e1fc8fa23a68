"""A mail server on loopback that keeps what it is given, and can be as unwilling as real ones: real SMTP, by aiosmtpd.

The fixture ``mailbox`` (tests/conftest.py) is one without encryption, as ``security: none`` allows on this machine.
"""

import asyncio
import email
import logging
import ssl
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.outbox.smtp import MailServer, Security, SmtpTransport
from tests.support.homeservers import Authority

#: From whom the mail of all tests comes.
SENDER = Sender("cityhall@cityhall.example.jp", "市役所")
USERNAME, PASSWORD = "cityhall", "smtp-secret-word"

# It writes down each line that it reads, and tests look through all that was logged for traces of people.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Received:
    """A mail as it came: the envelope, the bytes, and what a mail program makes of them."""

    sender: str
    to: str
    raw: bytes
    message: EmailMessage
    encrypted: bool

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """The text, decoded."""
        return str(self.message.get_content()).replace("\r\n", "\n")


class Mailbox:
    """What came, in ``received``, and how to behave; give addresses in lower case.

    ``answers``: what RCPT is answered for an address, instead of 250; ``content``: the same for the whole mail, after
    DATA. ``greylists`` addresses so many times first. ``hangs``: no answer to RCPT, ever. ``closes``: no answer, and
    the connection is cut; ``"after"``: the mail is taken and then it is cut.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, str] = {}
        self.content: str | None = None
        self.greylists: Counter[str] = Counter()
        self.hangs: set[str] = set()
        self.closes: dict[str, Literal["before", "after"]] = {}
        self.connections = 0
        self.port = 0
        #: Set once somebody asked about an address that hangs.
        self.asked = asyncio.Event()
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._stopped = asyncio.Event()

    def refuse(self, address: str, answer: str = "550 5.1.1 <{address}>: no such user here") -> None:
        """Refuse an address for good; servers like to repeat it."""
        self.answers[address] = answer.format(address=address)

    def to(self, address: str) -> list[Received]:
        """Return what came for an address."""
        return [mail for mail in self.received if mail.to.lower() == address]

    async def until(self, count: int = 1, *, to: str | None = None, timeout: float = 20) -> list[Received]:
        """Wait until so many mails have come (for an address); return them."""

        def found() -> list[Received]:
            return self.received if to is None else self.to(to)

        async with asyncio.timeout(timeout):
            while len(found()) < count:
                self._came.clear()
                await self._came.wait()
        return found()

    # --- what aiosmtpd calls

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer for one recipient."""
        lower = address.lower()
        if lower in self.hangs:
            self.asked.set()
            await self._stopped.wait()
        if self.closes.get(lower) == "before":
            _cut(server)
            return "250 OK"
        if self.greylists[lower] > 0:
            self.greylists[lower] -= 1
            return f"451 4.7.1 <{address}>: greylisted, try again later"
        if lower in self.answers:
            return self.answers[lower]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail."""
        if self.content is not None:
            return self.content
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        for address in envelope.rcpt_tos:
            message: Any = email.message_from_bytes(raw, policy=POLICY)
            secure = session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None  # type: ignore[union-attr]
            self.received.append(Received(envelope.mail_from or "", address, raw, message, secure))
        self._came.set()
        if any(self.closes.get(address.lower()) == "after" for address in envelope.rcpt_tos):
            _cut(server)
        return "250 OK: taken"

    # --- coming and going

    async def open(self, port: int = 0, **options: Any) -> None:
        """Listen, on ``port`` or on any that is free; ``options`` are those of aiosmtpd, and ``ssl``."""
        loop, implicit = asyncio.get_running_loop(), options.pop("ssl", None)

        def connected() -> SMTP:
            self.connections += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of passwords without STARTTLS: it does not see that TLS is there
                return SMTP(self, hostname="mail.test", ident="test", loop=loop, **options)

        self._stopped.clear()
        self._server = await loop.create_server(connected, "127.0.0.1", port, ssl=implicit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and let go of whoever hangs."""
        self._stopped.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def server(self, **changed: Any) -> MailServer:
        """Return how to reach it."""
        values: dict[str, Any] = {
            "host": "localhost",
            "port": self.port,
            "sender": SENDER,
            "security": Security.NONE,
            "timeout": timedelta(seconds=10),
        }
        return MailServer(**{**values, **changed})

    def transport(self, **changed: Any) -> SmtpTransport:
        """Return the product's transport to it."""
        return SmtpTransport(self.server(**changed))


def _cut(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


def _log_in(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and data == LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


def trust(authority: Authority) -> ssl.SSLContext:
    """Return a client's view: it trusts the test authority alone."""
    return ssl.create_default_context(cafile=str(authority.authority))


@asynccontextmanager
async def mail_server(
    security: Security = Security.NONE, authority: Authority | None = None, *, login: bool = False, port: int = 0
) -> AsyncIterator[Mailbox]:
    """Run a mail server; with encryption it shows a certificate of ``authority``. ``login``: only with the password."""
    options: dict[str, Any] = {}
    if authority is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(authority.certificate, authority.key)
        options = {"ssl": context} if security is Security.TLS else {"tls_context": context, "require_starttls": True}
    if login:
        # With implicit TLS aiosmtpd does not know that there is any.
        options |= {"authenticator": _log_in, "auth_required": True, "auth_require_tls": security is Security.STARTTLS}
    box = Mailbox()
    await box.open(port, **options)
    try:
        yield box
    finally:
        await box.close()
