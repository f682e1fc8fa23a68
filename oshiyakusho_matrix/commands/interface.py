"""How a command is declared. Each capability's ``commands.py`` is a tuple of these and nothing else.

A command has English and Japanese names (``division list``, ``課 一覧``), a role, a pydantic model of its
arguments (marked as in ``arguments``), and a handler that runs inside the transaction of the message that asked for it.
A destructive command also has a preview, which is shown first and runs only after ✅ from the same person (or with
``--yes``, which every command with a preview has by itself).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.store.unit_of_work import Transaction

A = TypeVar("A", bound=BaseModel)


class Role(IntEnum):
    """Who may use a command; each includes those below it. Looked up anew for each message."""

    ANYONE = 0
    MEMBER = 1
    SECRETARIAT = 2


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as found at this very moment."""

    user_id: UserId
    role: Role
    language: str


@dataclass(frozen=True, slots=True)
class Call(Generic[A]):
    """One invocation: the open transaction, who asks, the arguments, where the answer goes, the reference number."""

    tx: Transaction
    asker: Asker
    arguments: A
    reply_to: ReplyTo
    reference: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. With ``after`` it is said when those keys have settled (the outcome), else at once.

    ``text`` is None where the command has said everything that is to be said.
    ``target`` is what the audit table notes as the thing acted on. ``language`` is said only where the answer itself
    is to be in another one than the asker's was (``!language``).
    """

    text: Text | None
    after: Sequence[WorkKey] = ()
    target: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Command(Generic[A]):
    """A command of the language. ``names``: first English, then Japanese, then further spellings.

    A name has one word or two; of two, the first is the group (``division``, ``課``), and the words of all spellings
    mix. ``run`` and ``preview`` raise ``Refused`` for what the asker can mend; then nothing they wrote stays.
    """

    names: tuple[str, ...]
    summary: Text
    role: Role
    arguments: type[A]
    run: Callable[[Call[A]], Awaitable[Answer]]
    preview: Callable[[Call[A]], Awaitable[Text]] | None = None
    #: Privileged: each run, refused or done, is written to the audit table.
    audited: bool = False
    #: Looks, before the transaction, at what only the homeserver knows; raises ``Refused``. After ✅ it looks no more.
    look: Callable[[A], Awaitable[None]] | None = None
    #: What it answers is for the secretariat's eyes alone: refused where others read along.
    confidential: bool = False


class AskerLookup(Protocol):
    """Finds out who asks, at this very moment; may talk to the homeserver, so it is called outside of transactions."""

    async def look_up(self, user_id: UserId) -> Asker:
        """Return somebody's role and language. A stranger is ``Role.ANYONE``; not knowing is ``Temporary``."""


class Places(Protocol):
    """Where commands are listened to."""

    async def is_direct(self, room_id: RoomId) -> bool:
        """Tell whether this is a direct chat with the bot, where no prefix is needed."""

    async def listens(self, room_id: RoomId) -> bool:
        """Tell whether commands are accepted here: in managed rooms and in direct chats."""

    async def is_confidential(self, room_id: RoomId, asker: UserId) -> bool:
        """Tell whether only the secretariat reads along: in 事務局室, and in the asker's own direct chat."""
