"""What other capabilities may know of divisions: what they are called, and where one enters.

``divisions.entrances`` reads them from the records; ``app`` hands that to whoever suggests divisions to people.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import RoomAlias, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """A division, or a prefecture circle, that is open and whose space exists as ``room_id``.

    ``rooms`` are all of its rooms that exist, the space among them. ``group`` is the slug of the space above it.
    """

    slug: str
    group: str
    circle: bool
    ja: str
    en: str
    alias: RoomAlias
    room_id: RoomId
    rooms: frozenset[RoomId]

    def called(self, language: str) -> str:
        """Return its name."""
        return self.ja if language == "ja" else self.en


#: Returns the divisions in the order of the hall: by group, and within it as the files say.
Entrances = Callable[[AsyncConnection], Awaitable[Sequence[Entrance]]]
