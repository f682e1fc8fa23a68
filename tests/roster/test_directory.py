"""Members find each other by the body they serve and by account; the badge says what was verified."""

from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.interface import NewRoom, StateEvent
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.roster.affiliations import Affiliation, affiliate
from oshiyakusho_matrix.roster.directory import find_members
from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.roster.tables import member
from tests.support.fake_city import FakeCity, alias, someone

OTARU = ("012033", "小樽市（北海道）")
MORI_H, MORI_S = ("013455", "森町（北海道）"), ("224618", "森町（静岡県）")
UNION = (None, "試験消防組合")


async def serves(city: FakeCity, user: UserId, body: tuple[str | None, str]) -> None:
    one = Affiliation(
        user_id=user,
        organisation=body[0],
        organisation_name=body[1],
        prefecture=body[0][:2] if body[0] else None,
        reference="K7M2PQ4X",
        verified_at=datetime(2026, 10, 31, 15, tzinfo=UTC),  # November in Japan
    )
    async with city.app.store.transaction() as tx:
        await affiliate(tx, one)


async def found(city: FakeCity, asker: UserId, words: str) -> list[str]:
    """Return who is found, in order."""
    await city.hs.join_as(asker, alias("ka-zaisei-danwa"))
    answer = await city.ask(f"!会員 検索 {words}", sender=asker, room=alias("ka-zaisei-danwa"))
    return [line[2:].partition(":")[0] for line in answer.splitlines() if line.startswith("- @")]


async def test_members_are_found_by_body_and_by_account_in_the_order_of_codes(city: FakeCity) -> None:
    people = {name: await city.member(name) for name in ("aoi", "botan", "chidori", "dan", "emi")}
    for name, body in zip(people, (MORI_S, MORI_H, UNION, OTARU), strict=False):
        await serves(city, people[name], body)
    aoi = people["aoi"]
    assert await found(city, aoi, "森町") == ["@botan", "@aoi"]
    assert await found(city, aoi, "もり") == ["@botan", "@aoi"]
    assert await found(city, aoi, "静岡県 森") == ["@aoi"]
    assert await found(city, aoi, "北海道") == ["@dan", "@botan"]
    assert await found(city, aoi, "消防") == ["@chidori"]
    assert await found(city, aoi, "ＥＭＩ") == ["@emi"]
    assert await found(city, aoi, "%") == []
    shown = await city.ask("!member find 小樽", sender=aoi, room=alias("ka-zaisei-danwa"))
    assert f"- {people['dan']}: ✔ 小樽市（北海道）（2026-11 確認）" in shown
    assert "- @emi:city.example: 所属の確認なし" in await city.ask("!member find emi")
    # The badge, for the secretariat; nothing of who has gone, and nothing for strangers.
    assert "✔ 小樽市（北海道）" in await city.ask(f"!member show {people['dan']}")
    await city.ask(f"!member remove {people['dan']} --yes")
    assert await found(city, aoi, "小樽") == []
    stranger = someone("yosomono")
    invited = StateEvent("m.room.member", city.hs.bot, {"membership": "invite", "is_direct": True})
    chat = await city.hs.create_room_as(stranger, NewRoom("12", state=(invited,)))
    await city.settle()
    assert "aoi" not in await city.ask("!member find 森町", sender=stranger, room=chat)


async def test_twenty_are_shown_and_that_there_are_more(engine: AsyncEngine) -> None:
    async def text() -> str:
        async with engine.connect() as connection:
            return Renderer().render(await find_members(connection, organisations(), "SHIKEN"), "en").body

    record = {"standing": "admitted", "secretariat": False, "hall": "joined", "office": "left"}
    rows = [
        {"user_id": someone(f"shiken{number:02}"), "changed_at": now(), "changed_by": "@bot:x", **record}
        for number in range(21)
    ]
    for count, more in ((20, False), (1, True)):
        async with engine.begin() as connection:
            await connection.execute(insert(member), rows[:count])
        del rows[:count]
        assert (await text()).count("- @shiken") == 20
        assert ("There are more" in await text()) is more
