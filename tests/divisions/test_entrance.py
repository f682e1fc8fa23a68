"""The entrance 玄関: what becomes of a city hall that an earlier version made, at whose hall itself people knocked."""

from dataclasses import replace

from oshiyakusho_matrix.divisions.domain import HALL as HALL_KIND
from oshiyakusho_matrix.divisions.domain import Audience, Declaration, JoinRule
from tests.support.fake_city import HALL, PORCH, FakeCity, alias, someone


def as_before(declared: Declaration) -> Declaration:
    """Return a declaration as earlier versions shipped it: the hall is knocked at, the entrance is open to all."""
    kind = declared.kinds[HALL_KIND]
    open_to_all = {"join_rule": JoinRule.PUBLIC, "audience": Audience.ANYONE}
    rooms = tuple(
        replace(rule, **open_to_all) if rule.audience is Audience.NOBODY else rule  # type: ignore[arg-type]
        for rule in kind.rooms
    )
    older = replace(kind, space=replace(kind.space, join_rule=JoinRule.KNOCK), rooms=rooms)
    return replace(declared, kinds={**declared.kinds, HALL_KIND: older})


async def test_the_files_of_this_version_give_an_older_city_hall_its_entrance(city: FakeCity) -> None:
    taro, yosomono = someone("taro"), someone("yosomono")
    async with city.app.store.transaction() as tx:
        await city.app.hall.apply(tx, as_before(city.app.load()), by=city.hs.bot)
    await city.settle()
    assert await city.app.places.porch_address() == HALL
    await city.hs.knock_as(taro, HALL)
    await city.hs.join_as(yosomono, alias("cityhall-genkan"))
    await city.settle()
    assert taro in city.heard()

    await city.ask("!rooms apply --yes")
    hall, porch = city.room("cityhall"), city.room("cityhall-genkan")
    assert hall.content("m.room.join_rules") == {"join_rule": "invite"}
    assert porch.content("m.room.join_rules") == {"join_rule": "knock"}
    assert await city.app.places.porch_address() == PORCH
    assert porch.membership(yosomono) == "leave"
    # To end a knock at the hall would let them read who is inside: it waits, and is answered as it always was.
    assert hall.membership(taro) == "knock"
    await city.ask(f"!member remove {taro} --yes")
    assert hall.membership(taro) == "knock"
    await city.ask(f"!member admit {taro}")
    assert hall.membership(taro) == "invite"
