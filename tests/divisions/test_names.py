"""No two spaces are called alike, whoever names them; and what only repeats a name changes with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.divisions.domain import Names, Space
from oshiyakusho_matrix.divisions.names import edited
from tests.divisions.little_town import division, write_town
from tests.support.fake_city import SECRETARY, FakeCity, fake_city

TAKEN = "もう使っています"


@pytest_asyncio.fixture
async def city(tmp_path: Path, database_url: str) -> AsyncIterator[FakeCity]:
    async with fake_city(database_url, write_town(tmp_path / "rooms")) as running:
        yield running


@pytest.mark.parametrize(
    "command",
    [
        "!課 新設 koen 住民課 --部 zei",
        "!課 新設 koen 公園課 --部 zei --英語名 'residents division'",
        "!課 新設 koen 市役所 --部 zei",
        "!課 変更 zaisei --名前 住民課",
        "!課 変更 zaisei --名前 ｊuumin --英語名 'Residents Division'",
        "!課 新設 koen 事務局室 --部 zei",
        "!課 新設 koen Juumin --部 zei",
        "!課 新設 koen 公園課 --部 zei --英語名 住民課",
    ],
)
async def test_a_name_that_is_taken_is_refused_to_commands(city: FakeCity, command: str) -> None:
    answer = await city.ask(command)
    assert TAKEN in answer
    assert not city.exists("ka-koen")
    assert (city.room("ka-zaisei").content("m.room.name") or {})["name"] == "みんなの財政課"


async def test_a_division_of_the_files_is_refused_the_name_that_a_command_gave(city: FakeCity) -> None:
    assert TAKEN not in await city.ask("!課 新設 koen2 公園課 --部 zei")
    content = division("koen").replace("koenの課", "公園課")
    write_town(city.rooms, {"divisions/koen.yaml": content})
    with pytest.raises(Refused) as refused:
        async with city.app.store.transaction() as tx:
            await city.app.hall.apply(tx, city.app.load(), by=SECRETARY)
    assert refused.value.text.values["other"] == "公園課 (koen2)"
    assert not city.exists("ka-koen")


async def test_an_archived_one_leaves_its_name_and_does_not_come_back_under_it(city: FakeCity) -> None:
    await city.ask("!課 新設 koen 公園課 --部 zei")
    await city.ask("!課 廃止 koen --はい")
    assert TAKEN not in await city.ask("!課 新設 koen2 公園課 --部 zei")
    assert TAKEN in await city.ask("!課 再開 koen")


async def test_after_a_change_of_name_the_old_one_leads_nowhere(city: FakeCity) -> None:
    await city.ask("!課 新設 jikken テスト課 --部 zei")
    await city.ask("!課 変更 jikken --名前 実験課")
    async with city.app.store.transaction() as tx:
        space = (await city.app.hall.picture(tx)).records["jikken"].space
    assert space.name == Names("実験課", "実験課")
    assert space.purpose == Names("実験課", "実験課")
    assert "実験課" not in await city.ask("!課 詳細 テスト課")
    assert "実験課" in await city.ask("!課 詳細 実験課")


@pytest.mark.parametrize(
    ("name", "purpose", "given_name", "given_purpose", "expected"),
    [
        (("古", "古"), ("古", "古"), ("新", ""), ("", ""), (("新", "新"), ("新", "新"))),
        (("古", "Old"), ("古", "Old"), ("新", ""), ("", ""), (("新", "Old"), ("新", "Old"))),
        (("古", "Old"), ("古", "Old"), ("新", "New"), ("", ""), (("新", "New"), ("新", "New"))),
        (("古", "古"), ("目的", "目的"), ("新", ""), ("", ""), (("新", "新"), ("目的", "目的"))),
        (("古", "古"), ("目的", "目的"), ("", ""), ("別の目的", ""), (("古", "古"), ("別の目的", "別の目的"))),
        (("古", "Old"), ("目的", "Purpose"), ("", ""), ("別の目的", ""), (("古", "Old"), ("別の目的", "Purpose"))),
        (("古", "Old"), ("目的", "Purpose"), ("", "New"), ("", "Other"), (("古", "New"), ("目的", "Other"))),
    ],
)
def test_what_only_repeats_a_name_changes_with_it(
    name: tuple[str, str],
    purpose: tuple[str, str],
    given_name: tuple[str, str],
    given_purpose: tuple[str, str],
    expected: tuple[tuple[str, str], tuple[str, str]],
) -> None:
    before = Space(slug="ka", kind="division", parent="zei", name=Names(*name), purpose=Names(*purpose), order=1)
    assert edited(before, Names(*given_name), Names(*given_purpose)) == (Names(*expected[0]), Names(*expected[1]))
