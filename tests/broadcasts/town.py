"""A little town with two stages, and a day there whose clock the test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

from oshiyakusho_matrix.core.ids import EventId, UserId
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from tests.divisions.little_town import CITYHALL, KINDS, write_town
from tests.support.fake_city import OFFICE, SECRETARY, FakeCity, alias, fake_city

#: Noon in Japan on a Tuesday.
NOON = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NEWS, DIVISION_NEWS = alias("cityhall-dayori"), alias("ka-juumin-oshirase")
STUDIO, SEATS = "cityhall-housou-studio", "cityhall-housou-kanran"
STUDIO2, SEATS2 = "cityhall-housou-studio2", "cityhall-housou-kanran2"

_DAYORI = """\
      - key: dayori
        name: {ja: 市役所だより, en: News}
        topic: {ja: お知らせ, en: News}
        posting: heads
        news: true
"""


def _pair(key: str, stage: str, ordinal: str) -> str:
    return f"""\
      - key: studio{key}
        name: {{ja: {ordinal}スタジオ, en: Studio{key}}}
        topic: {{ja: 話す, en: Talk}}
        posting: speakers
        stage: {stage}
      - key: kanran{key}
        name: {{ja: {ordinal}観覧席, en: Seats{key}}}
        topic: {{ja: 聞く, en: Listen}}
        stage: {stage}
"""


_STAGES = f"""\
  broadcasts:
    alias: cityhall-{{slug}}
    rooms:
{_pair("", "daiichi", "第一")}{_pair("2", "daini", "第二")}"""
_BROADCASTS = """\
  - slug: housou
    kind: broadcasts
    name: {ja: 庁内放送, en: Broadcasts}
    purpose: {ja: 聞く, en: Listen}
"""
_FILES: dict[str, str | bytes | None] = {
    "kinds.yaml": KINDS.replace("      - key: jimukyoku", _DAYORI + "      - key: jimukyoku", 1).replace(
        "        posting: heads\n      - key: danwa", "        posting: heads\n        news: true\n      - key: danwa"
    )
    + _STAGES,
    "cityhall.yaml": CITYHALL + _BROADCASTS,
}


class Evening:
    """The running town; ``pass_by`` moves its clock."""

    def __init__(self, city: FakeCity, clock: time_machine.Traveller) -> None:
        self.city, self.clock = city, clock

    async def pass_by(self, **time: float) -> None:
        """Let time go by; what falls due in it is done."""
        self.clock.shift(timedelta(**time))
        self.city.app.loop.wake()
        await self.city.settle()

    async def plan(self, line: str, *, sender: UserId = SECRETARY, room: str = OFFICE) -> str:
        """Plan a talk at once, without looking at the preview; return the answer."""
        return await self.city.ask(f"!talk plan {line} --yes", sender=sender, room=room)

    def announced(self, room: str = NEWS) -> EventId:
        """Return the id of the last announcement in a room."""
        return EventId(self.city.said(room)[-1]["event_id"])

    async def react(self, user: UserId, event_id: str, key: str = "✋", *, room: str = NEWS) -> EventId:
        """Have somebody, who is inside or comes in for it, react to a message."""
        await self.city.hs.join_as(user, room)
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        reaction = await self.city.hs.send_as(user, room, "m.reaction", {"m.relates_to": relation})
        await self.city.settle()
        return reaction


def write_broadcasting_town(directory: Path) -> None:
    """Write the files of the town."""
    write_town(directory, _FILES)


@asynccontextmanager
async def evening(
    database_url: str, directory: Path, clock: time_machine.Traveller, *, hs: FakeHomeserver | None = None
) -> AsyncIterator[Evening]:
    """Run the town; called again with the same database and ``hs`` it is a restart."""
    rooms = directory / "rooms"
    if hs is None:
        write_broadcasting_town(rooms)
    async with fake_city(database_url, rooms, hs=hs) as city:
        yield Evening(city, clock)
