"""How anybody says something in a room, or by e-mail: by writing to the outbox, never by sending."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from enum import StrEnum
from typing import Any, Protocol

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where an answer goes: as a reply to ``event_id`` (in its thread, if it was in one), in the asker's language."""

    room_id: str
    event_id: str
    language: str
    thread_root: str | None = None
    asker: str | None = None


class Outbox(Protocol):
    """Messages to be; each goes out once, in the order of its room."""

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        """Answer a message. ``extra`` is merged into the event's content (namespaced keys only)."""

    async def post(
        self,
        tx: Transaction,
        room_id: str,
        text: Text,
        *,
        language: str = "ja",
        calls: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Say something in a room by itself, as a notice; or so that it notifies somebody, whom it ``calls``.

        ``extra`` as in ``reply``.
        """

    async def tell_secretariat(self, tx: Transaction, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        """Say something in 事務局室; kept until that room exists. ``extra`` as in ``reply``."""

    async def react(self, tx: Transaction, room_id: str, event_id: str, key: str) -> None:
        """Put a reaction to a message."""

    async def edit(self, tx: Transaction, room_id: str, event_id: str, text: Text, *, language: str = "ja") -> None:
        """Have a message that was said say something else."""

    async def redact(self, tx: Transaction, room_id: str, event_id: str) -> None:
        """Take what an event says out of a room; of a membership the membership alone stays."""


class MailEnd(StrEnum):
    """How an e-mail ended: the server took it, refused its recipient or the mail for good, or did not take it in time.

    ``SENT`` does not mean that it was delivered: whoever refuses it further on is not heard of here.
    """

    SENT = "sent"
    REFUSED = "refused"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class EndedMail:
    """A mail that has ended: what ``Mail.send`` returned for it, what it was about, and how it ended."""

    message_id: str
    reference: str
    end: MailEnd


#: Told in the commit in which a mail ends.
OnMailEnd = Callable[[Transaction, EndedMail], Awaitable[None]]


class Mail(Protocol):
    """E-mails to be; each is sent at least once, or refused, or given up."""

    async def send(
        self, tx: Transaction, *, to: str, subject: str, text: str, reference: str, expires_at: datetime
    ) -> str:
        """Mail a plain text to one address, until ``expires_at``; return its Message-ID, by which its end is told.

        ``Permanent`` (which says nothing of what was to be sent) if there is no mail to be made of it.
        """


@dataclass(frozen=True, slots=True)
class Sender:
    """From whom e-mail comes: an address, and the name that is shown with it."""

    address: str
    name: str

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]


class MailRefused(Permanent):
    """The mail server will not take this mail for this recipient, whenever it is asked. ``code``: SMTP, 3 digits."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server refused it ({code})")
        self.code = code


class MailDelayed(Temporary):
    """The mail server did not take this mail, and may later. ``cause`` is short, and never the server's words."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the mail server did not take it ({cause})")
        self.cause = cause


class MailTransport(Protocol):
    """What takes e-mail away."""

    @property
    def sender(self) -> Sender:
        """From whom it all comes."""

    @property
    def longest(self) -> timedelta:
        """How long ``deliver`` takes at most."""

    async def deliver(self, message: EmailMessage, to: str) -> None:
        """Hand a message to the mail server. ``MailRefused`` or ``MailDelayed`` if it does not take it."""
