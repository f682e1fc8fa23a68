"""What a message says to the bot, if it says anything: without reply fallback, prefix and mention, as words.

Pure. Called by ``dispatch`` for every message of a room. Notices, what the bot or one of its ghosts said, and ordinary
talk are no commands: a ghost speaks for a guest, and a guest commands nothing. An edit says what the message that it is
of says by now; where that is not known, nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.commands.reading.pills import mentions_in
from oshiyakusho_matrix.commands.reading.words import Mention, Word, split
from oshiyakusho_matrix.core.ids import GHOST_PREFIX, UserId, server_of
from oshiyakusho_matrix.core.text import fold

_REPLY_FALLBACK = re.compile(r"> (?:\* )?<@[^\n]*\n(?:>[^\n]*\n)*\n?")
# What makes a user id another, longer one: more of the server's name, or a port.
_LONGER_ID = re.compile(r"\w|[.-]\w|:\d")
_GAP = re.compile(r"[\s:：,、]*")


class Manner(IntEnum):
    """How surely the bot is meant."""

    PLAIN = 0  #: just text; a command only in a direct chat
    PERHAPS = 1  #: begins with the bot's name, or with ``!`` and a space: if what follows is a command, it is one
    MENTIONED = 2  #: begins with a mention of the bot
    COMMAND = 3  #: begins with ``!`` and a letter


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said. ``words`` are split from ``text``; ``mentioned`` is everybody in ``m.mentions``."""

    text: str
    words: tuple[Word, ...]
    manner: Manner
    mentioned: frozenset[UserId]
    thread_root: str | None = None


@dataclass(frozen=True, slots=True)
class Addressed:
    """How a message addresses the bot, and where in its ``text`` what is said to it begins."""

    manner: Manner
    start: int
    text: str
    pills: tuple[Mention, ...]
    mentioned: frozenset[UserId]


def hear(event: InboundEvent, *, bot: UserId, bot_name: str) -> Heard | None:
    """Return what a message says, or None if it is nothing that could be a command."""
    content = event.content if event.edits is None else event.content["m.new_content"]
    said = addressed(event.type, event.state_key, event.sender, content, bot=bot, bot_name=bot_name)
    if said is None:
        return None
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
    words = split(said.text, said.start, said.pills)
    return Heard(said.text, words, said.manner, said.mentioned, root if isinstance(root, str) else None)


def addressed(
    event_type: str, state_key: str | None, sender: str, content: Mapping[str, Any], *, bot: UserId, bot_name: str
) -> Addressed | None:
    """Return how an event addresses the bot, without taking its words apart; None as with ``hear``."""
    relation = content.get("m.relates_to")
    relation = relation if isinstance(relation, dict) else {}
    body, formatted = content.get("body"), content.get("formatted_body")
    if event_type != "m.room.message" or state_key is not None or _speaks_for_us(UserId(sender), bot):
        return None
    if content.get("msgtype") != "m.text" or not isinstance(body, str):
        return None
    if relation.get("rel_type") == "m.replace" or "m.new_content" in content:
        return None
    fallback = _REPLY_FALLBACK.match(body)
    text = body[fallback.end() :] if fallback else body
    mentioned = _mentioned(content.get("m.mentions"))
    pills = mentions_in(text, formatted) if isinstance(formatted, str) else mentions_in(text, "")
    manner, start = _addressed(text, pills, mentioned, bot, bot_name)
    return Addressed(manner, start, text, pills, mentioned)


def reply_of(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return which message a text answers, and what it says without the quoted fallback; None if it is no reply.

    What is said in a thread answers nothing by itself: clients name the message before it for those without threads.
    """
    relation, body = content.get("m.relates_to"), content.get("body")
    relation = relation if isinstance(relation, dict) and relation.get("is_falling_back") is not True else {}
    to = relation.get("m.in_reply_to")
    target = to.get("event_id") if isinstance(to, dict) else None
    if not isinstance(target, str) or not isinstance(body, str) or content.get("msgtype") != "m.text":
        return None
    fallback = _REPLY_FALLBACK.match(body)
    return target, body[fallback.end() :] if fallback else body


def _speaks_for_us(sender: UserId, bot: UserId) -> bool:
    return sender == bot or (sender.startswith(f"@{GHOST_PREFIX}") and server_of(sender) == server_of(bot))


def _mentioned(mentions: object) -> frozenset[UserId]:
    users = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return frozenset(UserId(u) for u in users[:50] if isinstance(u, str)) if isinstance(users, list) else frozenset()


def _addressed(
    text: str, pills: tuple[Mention, ...], mentioned: frozenset[UserId], bot: UserId, bot_name: str
) -> tuple[Manner, int]:
    """Tell how the bot is addressed, and where what is said to it begins."""
    at = len(text) - len(text.lstrip())
    manner, start = _by_name(text, at, pills, mentioned, bot, bot_name)
    if start < len(text) and fold(text[start]) == "!":
        after = text[start + 1 : start + 2]
        if after.isalnum():
            return Manner.COMMAND, start + 1
        if after.isspace():
            return max(manner, Manner.PERHAPS), start + 1
    return manner, start


def _by_name(
    text: str, at: int, pills: tuple[Mention, ...], mentioned: frozenset[UserId], bot: UserId, bot_name: str
) -> tuple[Manner, int]:
    for pill in pills:
        if pill.start == at and pill.user_id == bot:
            return Manner.MENTIONED, _gap(text, pill.end)
    for name in (f"https://matrix.to/#/{bot}", bot):
        end = at + len(name)
        if text[at:end].casefold() == name.casefold() and not _LONGER_ID.match(text, end):
            return Manner.MENTIONED, _gap(text, end)
    for name in (bot_name, f"@{bot_name}"):
        end = at + len(name)
        if bot_name and text[at:end] == name:
            if bot in mentioned and not text[end : end + 1].isalnum():
                return Manner.MENTIONED, _gap(text, end)
            if text[end : end + 1] in (":", "："):
                return Manner.PERHAPS, _gap(text, end)
    return Manner.PLAIN, at


def _gap(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    return match.end() if match else at
