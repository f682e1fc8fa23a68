"""The demo's mail server: it catches every e-mail and shows it on the terminal, so that nothing leaves the machine.

``run`` holds it open. It runs in the demo's own loop (aiosmtpd's controller would start a thread), on loopback, without
encryption and for anybody on this machine, as ``security: none`` in the demo's settings says.
"""

import asyncio
import email
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from oshiyakusho_matrix.core.text import say, visible
from oshiyakusho_matrix.demo.cast import SERVER_NAME
from oshiyakusho_matrix.demo.ports import HOST
from oshiyakusho_matrix.operations.terminal import words

_LARGEST = 100_000


class _Catcher:
    """What aiosmtpd calls with each mail."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message: Any = email.message_from_bytes(raw, policy=POLICY)
        self._show(in_words(message, envelope.rcpt_tos))
        return "250 OK"


def in_words(message: EmailMessage, to: list[str]) -> str:
    """Return an e-mail as it is shown. What others wrote into it does nothing to the terminal."""
    body = message.get_body(("plain",))
    text = str(body.get_content()) if body is not None else ""
    head = say("E-mail to {to}: {subject}", to=", ".join(to), subject=str(message["Subject"]))
    return "\n".join(["", visible(words(head)), *(f"  │ {visible(line)}" for line in text.splitlines()), ""])


def _print(text: str) -> None:
    print(text, flush=True)


@asynccontextmanager
async def post_office(port: int, show: Callable[[str], None] = _print) -> AsyncIterator[None]:
    """Catch e-mail on a port of loopback while the context is open."""
    # It logs addresses; the demo's log shall be as free of them as any other.
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        return SMTP(_Catcher(show), hostname=SERVER_NAME, ident="demo", loop=loop, data_size_limit=_LARGEST)

    server = await loop.create_server(connected, HOST, port)
    async with server:
        yield
