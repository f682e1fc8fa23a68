"""A picture of what is around a room says the same about it as one of the whole hall."""

from pathlib import Path

from oshiyakusho_matrix.divisions.comparison import desire
from oshiyakusho_matrix.divisions.picture import take_picture
from tests.divisions.little_town import ROOMS, write_town
from tests.support.fake_city import SERVER, fake_city


async def test_around_a_room_everything_is_seen_that_it_depends_on(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city:
        hanako = await city.member("hanako")
        await city.ask(f"!division head zaisei {hanako}")
        async with city.app.store.reading() as connection:
            whole = await take_picture(connection, server_name=SERVER, bot=city.hs.bot)
            assert len(whole.rooms) == ROOMS
            for localpart in whole.rooms:
                near = await take_picture(connection, server_name=SERVER, bot=city.hs.bot, around=localpart)
                slug = whole.rooms[localpart].owner.removeprefix("space:")
                assert desire(near, localpart) == desire(whole, localpart) is not None
                assert near.next_change(slug) == whole.next_change(slug)
                parent = whole.records[slug].space.parent
                assert parent is None or near.room_id(parent) == whole.room_id(parent) is not None


async def test_around_a_room_that_nobody_knows_is_nothing_of_it(tmp_path: Path, database_url: str) -> None:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as city, city.app.store.reading() as connection:
        near = await take_picture(connection, server_name=SERVER, bot=city.hs.bot, around="ka-nowhere")
        assert desire(near, "ka-nowhere") is None
