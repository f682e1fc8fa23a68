"""Makes an e-mail that gets through to a government desk, and that holds nothing but what was meant.

Called by ``mail``. Gateways before LGWAN turn HTML into text, take links and attachments away and hold back what they
cannot read (domain facts, 1.5). So it is one ``text/plain`` part of 7-bit lines: ASCII as it stands, anything else as
UTF-8 in base64, which every Japanese mail program and gateway reads. No link is put in, no attachment, no picture.
"""

import re
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.outbox.interface import Sender

#: An address as it may stand in a header and in SMTP without quoting (RFC 5321, 4.1.2: Dot-string @ Domain).
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
)
_LONGEST_ADDRESS: Final = 254
_LONGEST_SUBJECT: Final = 200
#: Longer lines are cut or refused here and there.
_LONGEST_LINE: Final = 76
#: Control characters have no business in a letter, but for tab and line feed.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class BadLetter(Permanent):
    """No e-mail can be made of this. The reason never repeats any of it."""


def is_address(text: str) -> bool:
    """Tell whether this is a plain e-mail address: ASCII, no quotes, comments, spaces or line ends."""
    local = text.partition("@")[0]
    return bool(_ADDRESS.fullmatch(text)) and len(text) <= _LONGEST_ADDRESS and len(local) <= 64


def letter(sender: Sender, *, to: str, subject: str, text: str, message_id: str, at: datetime) -> EmailMessage:
    """Return the message. The same arguments make the same message, so that a repeat is one.

    ``message_id`` is without its angle brackets. ``BadLetter`` for what would make another mail of it than was meant.
    """
    if not is_address(to):
        raise BadLetter("the recipient is no plain e-mail address")
    if not subject.strip() or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise BadLetter("the subject is empty, too long or not one visible line")
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = Address(sender.name, addr_spec=sender.address)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = subject
        message["Date"] = at.astimezone(JST)
        message["Message-ID"] = f"<{message_id}>"
        # RFC 3834: nobody's holiday notice is wanted in answer.
        message["Auto-Submitted"] = "auto-generated"
        body = _clean(text)
        message.set_content(body, charset="utf-8", cte="7bit" if _is_simple(body) else "base64")
        message.as_bytes()
    except (ValueError, LookupError, MessageError, UnicodeError):
        raise BadLetter("the e-mail cannot be written") from None
    return message


def _clean(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", lines).rstrip("\n") + "\n"


def _is_simple(text: str) -> bool:
    return text.isascii() and max(map(len, text.split("\n"))) <= _LONGEST_LINE
