"""Fills the demo's city hall with people: by the product's own services, and then as each of them would with a client.

``run`` calls it until it has come to its end once; all of it may be repeated after a start that was cut off.
"""

import asyncio
from datetime import timedelta

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.demo.cast import HANAKO, HEAD, PASSER_BY, PLAYERS, SAKURA, SECRETARY, TARO, Passwords, Player
from oshiyakusho_matrix.demo.places import Place, look_around
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.homeserver.person import Person
from oshiyakusho_matrix.operations.terminal import OnProgress
from oshiyakusho_matrix.reconcile.parked import parked_keys
from oshiyakusho_matrix.roster.tables import find_member

#: 340 rooms take about a minute; a slow machine may take its time.
PATIENCE = timedelta(hours=1)
_NEWS = "課長のみのるです。来年度の当初予算の日程を、近いうちにここでお知らせします。"
_QUESTION = "公共施設の更新費用、みなさんの自治体ではどう見積もっていますか。"


async def open_accounts(synapse: EmbeddedSynapse, passwords: Passwords) -> None:
    """Make the accounts that are not there yet."""
    for player in (*PLAYERS, PASSER_BY):
        await synapse.register_user(player.localpart, passwords[player], display_name=player.name)


async def register(app: CityHallApp) -> None:
    """Enter head and members into the records; the secretary stands in the settings. Who has a record keeps it."""
    async with app.store.transaction() as tx:
        for player in (HEAD, HANAKO, TARO, SAKURA):
            if await find_member(tx.connection, player.user_id) is None:
                await app.roster.admit(tx, player.user_id, by=SECRETARY.user_id)
    places = await look_around(app)
    async with app.store.transaction() as tx:
        picture = await app.hall.picture(tx)
        slug = places.favourite.slug
        if HEAD.user_id not in picture.heads(slug):
            heads = Heads(work=app.queue)
            await heads.appoint(tx, picture, slug, HEAD.user_id, by=SECRETARY.user_id, until=None)


async def settle(app: CityHallApp, progress: OnProgress | None = None) -> None:
    """Wait until every room agrees with the records. ``Permanent`` if one cannot be made to."""
    counts = await app.loop.settle_all(PATIENCE, progress)
    async with app.store.reading() as connection:
        parked = await parked_keys(connection)
    if parked or counts.busy:
        reason = f"{parked[0].key.kind}: {plain(parked[0].why)}" if parked else "it took too long"
        raise Permanent(f"The city hall does not stand as declared: {counts.busy + len(parked)} to go ({reason}).")


async def move_in(app: CityHallApp, url: str, passwords: Passwords) -> None:
    """Have each of them accept what they were invited to, enter rooms by their links, and say a first word."""
    places = await look_around(app)
    first, second = places.favourite, places.divisions[min(1, len(places.divisions) - 1)]
    hall = (places.hall, *places.lobby)
    news = [first.news] if first.news else []
    talk = first.talk
    await asyncio.gather(
        _enter(url, passwords, SECRETARY, [places.hall, places.office]),
        _enter(url, passwords, HEAD, [*hall, first.space, *first.rooms], dict.fromkeys(news, _NEWS)),
        _enter(url, passwords, HANAKO, [*hall, first.space, *first.rooms]),
        _enter(url, passwords, TARO, [*hall, first.space, *first.rooms, second.space], {talk: _QUESTION}),
        _enter(url, passwords, SAKURA, [*hall, second.space, *second.rooms]),
    )


async def _enter(
    url: str, passwords: Passwords, player: Player, rooms: list[Place], words: dict[Place, str] | None = None
) -> None:
    async with Person.logged_in(url, player.user_id, passwords[player]) as person:
        for room in rooms:
            await person.join(room.alias)
        await person.sync()
        for room, text in (words or {}).items():
            said = [event["content"].get("body") for event in person.timeline.get(room.id, ())]
            if text not in said:
                await person.say(room.id, text)
