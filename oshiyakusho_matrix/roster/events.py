"""What capabilities tell each other, in the past tense. ``app.py`` subscribes; subscribers run in the same commit."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class MemberAdmitted:
    """The gate was opened to somebody; ``secretariat`` if they are part of 事務局.

    ``inside`` if they were a member before and had not left the hall: then they come into nothing new.
    """

    user_id: UserId
    secretariat: bool
    inside: bool = False


@dataclass(frozen=True, slots=True)
class MemberRemoved:
    """The gate was closed to somebody; whatever they held ends. ``secretariat`` if they were part of 事務局."""

    user_id: UserId
    secretariat: bool


@dataclass(frozen=True, slots=True)
class SecretariatChanged:
    """A member joined the secretariat or left it; they stay a member."""

    user_id: UserId
    secretariat: bool = True


@dataclass(frozen=True, slots=True)
class MemberEntered:
    """A member was seen inside the hall, and was not before; also when they had been looked for anew."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """A member was seen inside the hall before, and is not there any more; they stay a member."""

    user_id: UserId


Happened = SecretariatChanged | MemberAdmitted | MemberRemoved | MemberEntered | MemberLeft
Subscriber = Callable[[Transaction, Happened], Awaitable[None]]


class Announcer:
    """Hands what happened to an explicit list of subscribers, in order."""

    def __init__(self, subscribers: Sequence[Subscriber] = ()) -> None:
        self._subscribers = tuple(subscribers)

    async def announce(self, tx: Transaction, happened: Happened) -> None:
        """Tell everybody; an error of a subscriber rolls back what happened."""
        for subscriber in self._subscribers:
            await subscriber(tx, happened)
