"""The secretariat writes down domains by command and by CSV; what it is told, and what the audit keeps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import select

from oshiyakusho_matrix import locales
from oshiyakusho_matrix.commands.tables import audit, confirmation
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.registration.domains import DomainRules
from oshiyakusho_matrix.registration.domains.commands import domain_commands
from oshiyakusho_matrix.registration.domains.reading import MOST_LINES, read_csv
from oshiyakusho_matrix.roster.organisations import organisations
from tests.commands.declared import assert_declared_well
from tests.conftest import NewDatabase
from tests.divisions.little_town import write_town
from tests.support.fake_city import FakeCity, fake_city
from tests.web.documents import LANGUAGES, handbook, table


@pytest_asyncio.fixture
async def city(tmp_path: Path, new_database: NewDatabase) -> AsyncIterator[FakeCity]:
    """On SQLite alone: what is in the table is tested on both databases beside this."""
    async with fake_city(new_database("sqlite"), write_town(tmp_path / "rooms")) as running:
        yield running


def test_the_commands_are_declared_well() -> None:
    assert_declared_well(domain_commands(DomainRules(organisations())), locales.load("ja"))


async def test_help_shows_the_example_of_an_import_with_its_line_break(city: FakeCity) -> None:
    told = await city.ask("!ヘルプ ドメイン 取込")
    example = told.split("```\n")[1]
    assert example == "!ドメイン 取込 domain,organisation\ntown-mori.example.jp,013455\n"
    await city.confirm(example)
    assert "town-mori.example.jp" in await city.ask("!ドメイン 一覧")


async def test_a_domain_is_added_checked_listed_and_removed(city: FakeCity) -> None:
    assert "まだ何もわかっていません" in await city.ask("!ドメイン 確認 mori-machi.example.jp")
    answer = await city.ask("!ドメイン 追加 Mori-Machi.example.jp 森町（北海道） --備考 代表電話で確認")
    assert "mori-machi.example.jp：在職の証明になります。" in answer
    assert "在職の証明になります" in await city.ask("!domain check hanako.yamadano@zaisei.mori-machi.example.jp")
    listed = await city.ask("!ドメイン 一覧 森町")
    assert "mori-machi.example.jp：森町（北海道）、在職の証明になります（コマンド、@kanri:city.example、" in listed
    assert "代表電話で確認" in listed
    assert "総務省" in await city.ask("!ドメイン 一覧 総務省 --同梱")
    assert "まだ何もわかっていません" in await city.ask("!ドメイン 削除 mori-machi.example.jp")
    assert "あてはまる登録はありません" in await city.ask("!ドメイン 一覧")
    assert "登録はありません" in await city.ask("!ドメイン 削除 mori-machi.example.jp")


async def test_what_is_unclear_is_refused_with_what_to_do(city: FakeCity) -> None:
    for command, said in [
        ("!domain add x.example.jp", "どの団体のドメインですか"),
        ("!domain add x.example.jp 府中市", "府中市（広島県） 342084"),
        ("!domain add x.example.jp 存在しない市", "一覧にありません"),
        ("!domain add x.example.jp 013455 --name 架空組合", "どちらか一つ"),
        ("!domain add gmail.com 013455", "だれでも持てる"),
        ("!domain add lg.jp 013455", "一つの団体のドメインではありません"),
        ("!domain remove soumu.go.jp", "はじめからの登録"),
    ]:
        assert said in await city.ask(command), command
    for several in (
        "city.kobe.lg.jp city.otaru.lg.jp",
        "city.kobe.lg.jp　city.otaru.lg.jp",
        "foo\nbar",
        "a@b.jp c@d.jp",
    ):
        told = await city.ask(f"!ドメイン 確認 {several}")
        assert "一つだけ、途中に空白を入れずに書いてください" in told, several
        assert "例: `!ドメイン 確認 city.kobe.lg.jp`" in told, several
    assert "必ず確かめてください" in await city.ask("!domain add city.mori.evil.jp 013455")
    assert "人が判断します" in await city.ask("!domain add net.example.jp 013455 --review")
    assert "架空組合" in await city.ask("!domain add kumiai.example.jp --name 架空組合")


async def test_addresses_given_by_mistake_get_into_no_answer_and_no_audit(city: FakeCity) -> None:
    secret = "hanako.yamadano"
    for command in (
        f"!domain add {secret}@mori-machi.example.jp 013455", f"!domain remove {secret}@mori-machi.example.jp",
        f"!domain check {secret}@mori-machi.example.jp", f"!domain check {secret} @mori-machi.example.jp",
        f"!domain check {secret}@@mori-machi.example.jp",
        f"!domain import --yes domain,organisation\n{secret}@@mori-machi.example.jp,013455",
    ):  # fmt: skip
        assert secret not in await city.ask(command), command
    for verb in ("add", "remove"):
        assert "ドメインだけを書いてください" in await city.ask(f"!domain {verb} {secret}＠mori-machi.example.jp")
    async with city.app.store.reading() as connection:
        kept = (await connection.execute(select(audit))).all()
    assert secret not in str(kept)


async def test_a_csv_is_taken_after_a_preview_all_at_once(city: FakeCity) -> None:
    await city.ask("!domain add mori-machi.example.jp --name 架空組合")
    text = "\n".join(
        ["!ドメイン 取込", "ドメイン,所属,名称,証明,備考", "mori-machi.example.jp,013455,,確認済,",
         'kumiai.example.jp,,"架空組合, 本部",要確認,', "city.ota-x.example.jp,大田区（東京都）,,,電話で"]
    )  # fmt: skip
    answer = await city.confirm(text)
    assert "3 件のドメインを登録します。新しいもの 2 件、今の登録を置きかえるもの 1 件" in answer
    assert "3 件のドメインを登録しました。新しいもの 2 件" in answer
    listed = await city.ask("!ドメイン 一覧")
    assert "mori-machi.example.jp：森町（北海道）、在職の証明になります（取込、" in listed
    assert "kumiai.example.jp：架空組合, 本部、人が判断します（取込、" in listed
    assert "大田区（東京都）" in listed
    async with city.app.store.reading() as connection:
        (done,) = (await connection.execute(select(audit).where(audit.c.outcome == "confirmed"))).all()
        left = (await connection.execute(select(confirmation.c.arguments))).scalars().all()
    assert done.target == "mori-machi.example.jp kumiai.example.jp city.ota-x.example.jp"
    assert left == [{}]


async def test_one_bad_line_and_nothing_is_taken(city: FakeCity) -> None:
    answer = await city.ask(
        "!domain import --yes\ndomain,organisation\ngood.example.jp,013455\nbad domain,013455\nx.example.jp,府中市"
    )
    assert "正しくない行が 2 行あるため、何も登録していません" in answer
    assert "3 行目：" in answer
    assert "4 行目：同じ名前の団体がいくつもあります" in answer
    assert "good.example.jp" not in await city.ask("!domain list")


def read(text: str) -> list[str]:
    rules = DomainRules(organisations())
    return [rule.domain for rule in read_csv(text, rules.organisations, check=rules.refuse_unsafe)]


@pytest.mark.parametrize(
    "text",
    [
        "domain,organisation\na.example.jp,013455", "organisation,domain\r\n013455,a.example.jp\r\n\r\n",
        "ドメイン,名称\na.example.jp,架空組合", "```csv\nDomain, Organisation\nA.example.jp , 013455\n```",
        "domain,proves\na.example.jp,review",
    ],
)  # fmt: skip
def test_columns_come_in_any_order_and_clients_put_fences_around(text: str) -> None:
    assert read(text) == ["a.example.jp"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"), ("```\n```", "empty"), ("domain,organisation", "no line"), ("a.example.jp,013455", "first line"),
        ("domain\na.example.jp", "first line"), ("domain,domain\na,b", "first line"), ("domain,x\na,b", "first line"),
        ("domain,name\na.example.jp", "Line 2: There are 1 cells"), ('domain,name\na.example.jp,"x', "quotation"),
        ("domain,name\na.example.jp,x\nA.EXAMPLE.JP.,y", "Line 3: a.example.jp is there twice"),
        ("domain,name,proves\na.example.jp,x,maybe", "genuine or review"), ("domain,name\ngmail.com,x", "Anybody"),
        ("domain,organisation\na.example.jp,131017", "no organisation"),
        ("domain,name\n" + "a.example.jp,x\n" * (MOST_LINES + 1), "in parts"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_csv_is_said(text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        read(text)
    assert said in plain(refused.value.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_handbook_tells_every_column_and_its_example_is_one(language: str) -> None:
    page = handbook(language, "secretariat")
    rows = [[cell.strip("`") for cell in cells[:2]] for cells in table(page, "csv")]
    one, other = (0, 1) if language == "en" else (1, 0)
    assert [cells[one] for cells in rows] == ["domain", "organisation", "name", "proves", "note"]
    example = page.partition("```text\n!")[2].partition("\n")[2].partition("```")[0]
    assert example.splitlines()[0].split(",") == [cells[0] for cells in rows]
    header = ",".join(cells[other] for cells in rows)
    assert read(example) == read(header + "\n" + example.partition("\n")[2]) != []
