"""Fakes behind the interfaces that the command language talks to, and events as a homeserver delivers them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from oshiyakusho_matrix.appservice.border import clean
from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.commands.interface import Asker, Role
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.store.unit_of_work import Transaction

BOT = UserId("@shiyakusho:hub.example")
HANAKO = UserId("@hanako:hub.example")
TARO = UserId("@taro:hub.example")
ROOM = RoomId("!room")
LOBBY = RoomId("!lobby")
CHAT = RoomId("!chat")
ELSEWHERE = RoomId("!elsewhere")


@dataclass(frozen=True)
class Reply:
    """One answer as it went to the outbox."""

    to: ReplyTo
    text: Text
    extra: Mapping[str, Any]


@dataclass
class FakeOutbox:
    """Keeps what was said."""

    replies: list[Reply] = field(default_factory=list)

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        self.replies.append(Reply(to, text, extra or {}))

    async def post(self, tx: Transaction, room_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("commands answer; they do not post")

    async def react(self, tx: Transaction, room_id: str, event_id: str, key: str) -> None:
        raise AssertionError("commands answer; they do not react")

    async def edit(self, tx: Transaction, room_id: str, event_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("nothing is edited here")

    async def redact(self, tx: Transaction, room_id: str, event_id: str) -> None:
        raise AssertionError("nothing is taken back here")

    async def tell_secretariat(self, tx: Transaction, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        raise AssertionError("commands answer the one who asked")


@dataclass
class FakeFollowUps:
    """Keeps what was promised."""

    promises: list[tuple[ReplyTo, tuple[WorkKey, ...], Text]] = field(default_factory=list)

    async def promise(self, tx: Transaction, *, to: ReplyTo, keys: Sequence[WorkKey], done: Text) -> None:
        self.promises.append((to, tuple(keys), done))

    async def overtake(self, tx: Transaction, key: WorkKey, instead: Text) -> None:
        raise AssertionError("it is services that know what is overtaken")


@dataclass
class FakeAskers:
    """Everybody is a stranger unless said."""

    roles: dict[UserId, Role] = field(default_factory=lambda: {HANAKO: Role.SECRETARIAT, TARO: Role.MEMBER})
    languages: dict[UserId, str] = field(default_factory=dict)
    asked: list[UserId] = field(default_factory=list)

    async def look_up(self, user_id: UserId) -> Asker:
        self.asked.append(user_id)
        return Asker(user_id, self.roles.get(user_id, Role.ANYONE), self.languages.get(user_id, "ja"))


class FakePlaces:
    """事務局室, a managed room that others read, and a direct chat of Hanako's."""

    async def is_direct(self, room_id: RoomId) -> bool:
        return room_id == CHAT

    async def listens(self, room_id: RoomId) -> bool:
        return room_id in (ROOM, LOBBY, CHAT)

    async def is_confidential(self, room_id: RoomId, asker: UserId) -> bool:
        return room_id == ROOM or (room_id == CHAT and asker == HANAKO)


async def porch_address() -> str:
    """Return where people knock."""
    return "#cityhall-genkan:hub.example"


@dataclass
class Clock:
    """Time stands still unless a test moves it."""

    time: datetime = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time


def event(
    content: Mapping[str, Any],
    *,
    sender: UserId = HANAKO,
    room: RoomId = ROOM,
    type: str = "m.room.message",  # noqa: A002 - the word of the specification
    number: int = 1,
) -> InboundEvent:
    """Return an event as the inbox hands it on; ``number`` makes it another one."""
    return InboundEvent(
        reference=f"REF{number:05}",
        event_id=EventId(f"$event{number}"),
        room_id=room,
        sender=sender,
        type=type,
        content=clean(content),
    )


def message(body: str, **options: Any) -> InboundEvent:
    """Return a message with a text."""
    return event({"msgtype": "m.text", "body": body}, **options)


def reaction(key: str, target: str, **options: Any) -> InboundEvent:
    """Return a reaction to the event ``target``."""
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}
    return event(content, type="m.reaction", **options)


def flat(text: Text) -> str:
    """Return a text in English on one line, its values filled in: enough to look for words in it."""
    values = {k: flat(v) if isinstance(v, Text) else v for k, v in text.values.items()}
    return " ".join([text.msgid.format(**values), *(flat(part) for part in text.parts)])
