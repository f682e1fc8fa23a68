"""The little town with more divisions and two prefecture circles, and what a newcomer sees and does in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.registration.welcome.domain import Welcome
from oshiyakusho_matrix.registration.welcome.tables import find_welcome
from oshiyakusho_matrix.roster.affiliations import Affiliation, affiliate
from tests.divisions.little_town import CITYHALL, KINDS, division, write_town
from tests.support.fake_city import HALL, FakeCity, alias, someone

CIRCLES = """\
kind: kenjinkai
group: kenjinkai
purpose: {ja: "{name}です。", en: "The {name}."}
circles:
  - slug: kenjinkai-01
    name: {ja: 北海道人会, en: Hokkaido Circle}
  - slug: kenjinkai-13
    name: {ja: 東京都人会, en: Tokyo Circle}
"""
GROUP = """\
  - slug: kenjinkai
    name: {ja: 都道府県人会, en: Circles}
    purpose: {ja: ゆかりの地, en: By prefecture}
"""
KIND = """\
  kenjinkai:
    alias: "{slug}"
    rooms:
      - key: danwa
        name: {ja: "{name} 談話室", en: "{name}: Common Room"}
        topic: {ja: "{purpose}", en: "{purpose}"}
"""
#: みんなの財政課 comes from the small hall, 住民課 from the little town. In the order of the hall: zaisei, koho, dx,
#: juumin.
FILES: dict[str, str | bytes | None] = {
    "cityhall.yaml": CITYHALL + GROUP,
    "kinds.yaml": KINDS + KIND,
    "kenjinkai.yaml": CIRCLES,
    "divisions/koho.yaml": division("koho", "kikaku", "order: 2000\n"),
    "divisions/dx.yaml": division("dx", "zei"),
}
HANAKO = someone("hanako")


def welcoming_town(directory: Path) -> Path:
    """Write it."""
    return write_town(directory, FILES)


async def admitted(city: FakeCity, user: UserId = HANAKO, *, prefecture: str | None = None) -> UserId:
    """Admit somebody, of a body in a prefecture; they have not come in."""
    await city.ask(f"!member admit {user}")
    if prefecture is not None:
        async with city.app.store.transaction() as tx:
            await affiliate(tx, affiliation(user, prefecture))
    return user


def affiliation(user: UserId, prefecture: str = "13", **changed: Any) -> Affiliation:
    """Return that of somebody at an invented body."""
    values: dict[str, Any] = {
        "user_id": user,
        "organisation": None,
        "organisation_name": "試験組合",
        "prefecture": prefecture,
        "reference": "K7M2PQ4X",
        "verified_at": datetime(2026, 11, 20, tzinfo=UTC),
    }
    return Affiliation(**(values | changed))


async def entered(city: FakeCity, user: UserId = HANAKO) -> RoomId:
    """Have somebody who was admitted come in; return the chat that the bot opened, which they join."""
    await city.hs.join_as(user, HALL)
    await city.settle()
    chat = own_chats(city, user)[-1]
    await city.hs.join_as(user, chat)
    await city.settle()
    return chat


def own_chats(city: FakeCity, user: UserId = HANAKO) -> list[RoomId]:
    """Return the chats that the bot has opened with somebody."""
    own = [room_id for alias, room_id in city.hs.world.aliases.items() if "-chat-" in alias]
    return [room_id for room_id in own if city.hs.room(room_id).membership(user) in ("invite", "join")]


def signs(city: FakeCity, chat: RoomId) -> list[str]:
    """Return the reactions of the bot in a chat."""
    events = [e for e in city.hs.room(chat).timeline if e["type"] == "m.reaction" and e["sender"] == city.hs.bot]
    return [e["content"]["m.relates_to"]["key"] for e in events]


def greetings(city: FakeCity, chat: RoomId) -> list[dict[str, Any]]:
    """Return the greetings in a chat."""
    return [e for e in city.said(chat) if "jp.oshiyakusho.welcome" in e["content"]]


async def tap(city: FakeCity, chat: RoomId, key: str, *, user: UserId = HANAKO) -> str:
    """React to the greeting; return all that the bot says next."""
    before = len(city.said(chat))
    relation = {"rel_type": "m.annotation", "event_id": greetings(city, chat)[0]["event_id"], "key": key}
    await city.hs.send_as(user, chat, "m.reaction", {"m.relates_to": relation})
    await city.settle()
    return "\n".join(e["content"]["body"] for e in city.said(chat)[before:])


async def open_chat(city: FakeCity, user: UserId = HANAKO) -> RoomId:
    """Have somebody open a direct chat with the bot."""
    return await city.open_chat(user)


def inside(city: FakeCity, localpart: str, user: UserId = HANAKO) -> str:
    """Return where somebody stands in a room."""
    return city.hs.room(alias(localpart)).membership(user)


async def welcome_of(city: FakeCity, user: UserId = HANAKO) -> Welcome | None:
    """Return what is on record."""
    async with city.app.store.reading() as connection:
        return await find_welcome(connection, user)
