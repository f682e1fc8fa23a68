"""The city hall as it should be: kinds, spaces and the rules of their rooms. ``desired`` makes room state of them.

Pure: no clock, no I/O, no logging. ``catalogue`` builds these from ``rooms/*.yaml``, ``tables`` from the records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Kinds that the code knows by name; ``kinds.yaml`` says what they are like.
HALL, GROUP, DIVISION, BROADCASTS = "hall", "group", "division", "broadcasts"


class JoinRule(StrEnum):
    """How one comes in (Matrix room version 10 and later)."""

    KNOCK = "knock"
    RESTRICTED = "restricted"
    INVITE = "invite"
    PUBLIC = "public"


class Allow(StrEnum):
    """Whose members a restricted room lets in: those of the hall, or those of the space it lies in."""

    HALL = "hall"
    SPACE = "space"


class Audience(StrEnum):
    """Who may be inside. All but ``ANYONE`` are gated: whoever does not belong is taken out.

    ``NOBODY``: the porch 玄関. People knock there, and only the bot is inside: whoever knocks at a room and takes the
    knock back may read on some homeservers who was in it.
    """

    MEMBERS = "members"
    SECRETARIAT = "secretariat"
    NOBODY = "nobody"
    ANYONE = "anyone"


class Posting(StrEnum):
    """Who may write. Reactions are open to all who are inside. ``SPEAKERS``: those of the talk that is on, if any."""

    ALL = "all"
    HEADS = "heads"
    SPEAKERS = "speakers"
    BOT = "bot"


class Lifecycle(StrEnum):
    """A space is active, or archived: nobody writes any more, it is linked nowhere, what was said stays readable."""

    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Names:
    """One thing's name or purpose in both languages; the Japanese one is what rooms show."""

    ja: str
    en: str


@dataclass(frozen=True, slots=True)
class RoomRule:
    """What a kind says about one of its rooms. ``key`` is empty for the space itself.

    ``name`` and ``topic`` may hold ``{name}`` and ``{purpose}`` of the space. ``powers`` adds to the power levels of
    single event types. ``stage`` ties a studio, where speakers write, to its seats, where the audience does.
    ``news``: what concerns the whole space is announced there.
    """

    key: str
    name: Names
    topic: Names
    join_rule: JoinRule
    audience: Audience
    posting: Posting
    room_version: str
    history_visibility: str
    allow: Allow = Allow.HALL
    federate: bool = True
    suggested: bool = False
    powers: Mapping[str, int] = field(default_factory=dict)
    stage: str = ""
    news: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of space. ``alias`` holds ``{slug}``; a room's alias is the space's, a hyphen and the room's key."""

    key: str
    alias: str
    space: RoomRule
    rooms: tuple[RoomRule, ...]


@dataclass(frozen=True, slots=True)
class Space:
    """One space of the city hall. ``parent`` is the slug of the space that links it; None for the hall alone.

    ``order`` sorts it among its siblings. ``heads`` are the user ids that the files name as heads 課長.
    """

    slug: str
    kind: str
    parent: str | None
    name: Names
    purpose: Names
    order: int
    heads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """All that ``rooms/`` declares. ``hall`` is the slug of the root space."""

    hall: str
    kinds: Mapping[str, Kind]
    spaces: Mapping[str, Space]
