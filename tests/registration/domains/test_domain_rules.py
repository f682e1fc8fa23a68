"""Rules that people wrote: they come before the shipped ones, and those before the computed ones."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.registration.domains import DomainRules, Proof, Verdict
from oshiyakusho_matrix.registration.domains.domain import Proves, Rule, Source, suffixes
from oshiyakusho_matrix.registration.domains.tables import domain_rule
from oshiyakusho_matrix.roster.organisations import Kind, organisations
from oshiyakusho_matrix.store.unit_of_work import Store

BY = "@jimu:city.example"
AT = datetime(2026, 11, 1, 3, tzinfo=UTC)
MORI, KOBE, TOKYO = "013455", "281000", "130001"


@pytest.fixture
def rules() -> DomainRules:
    return DomainRules(organisations(), clock=lambda: AT)


async def look(store: Store, rules: DomainRules, domain: str) -> Verdict:
    async with store.reading() as connection:
        return await rules.look(connection, domain)


async def add(store: Store, rules: DomainRules, *given: Rule) -> int:
    async with store.transaction() as tx:
        return await rules.add(tx, given, by=BY)


def rule(domain: str, organisation: str | None = MORI, *, name: str | None = None, review: bool = False) -> Rule:
    return Rule(
        domain=domain,
        proves=Proves.REVIEW if review else Proves.GENUINE,
        source=Source.SECRETARIAT,
        organisation=organisation,
        name=name,
    )


def test_a_domain_lies_in_all_that_its_labels_name() -> None:
    assert list(suffixes("a.b.jp")) == ["a.b.jp", "b.jp", "jp"]


async def test_what_is_shipped_is_known_from_the_start(store: Store, rules: DomainRules) -> None:
    assert (await look(store, rules, "mlit.go.jp")).name == "国土交通省"
    assert (await look(store, rules, "ML.Soumu.go.jp.")).name == "総務省"
    for each in rules.shipped.values():
        body = rules.organisations.get(each.organisation or "")
        assert body is not None, each
        verdict = await look(store, rules, f"x.{each.domain}")
        assert (verdict.proof, verdict.organisation) == (Proof.GENUINE, body.code)
        if body.kind is not Kind.NATIONAL:
            # Here because the rules alone would not know it.
            assert not rules._rules.judge(each.domain).genuine


async def test_what_somebody_wrote_goes_before_the_rules_and_holds_below_the_domain(
    store: Store, rules: DomainRules
) -> None:
    assert (await look(store, rules, "mail.mori-machi.jp")).proof is Proof.UNKNOWN
    await add(store, rules, rule("mori-machi.jp"), rule("city.kobe.lg.jp", KOBE, review=True))
    verdict = await look(store, rules, "mail.mori-machi.jp")
    assert (verdict.proof, verdict.organisation, verdict.anchor) == (Proof.GENUINE, MORI, "mori-machi.jp")
    assert verdict.listed
    assert (await look(store, rules, "zaisei.city.kobe.lg.jp")).proof is Proof.UNKNOWN
    for other in ("evilmori-machi.jp", "mori-machi.jp.evil.com", "machi.jp", "mori-machi.co.jp"):
        assert (await look(store, rules, other)).organisation is None, other


async def test_the_longest_rule_wins(store: Store, rules: DomainRules) -> None:
    await add(
        store, rules, rule("mori-machi.jp"), rule("isp.mori-machi.jp", review=True), rule("x.isp.mori-machi.jp", KOBE)
    )
    found = [await look(store, rules, f"{lead}mori-machi.jp") for lead in ("", "a.", "a.isp.", "a.x.isp.")]
    assert [(v.genuine, v.organisation) for v in found] == [(True, MORI), (True, MORI), (False, MORI), (True, KOBE)]


async def test_a_rule_on_a_public_suffix_holds_for_nothing_below_it(store: Store, rules: DomainRules) -> None:
    await add(store, rules, rule("hakodate.hokkaido.jp", "012025"))
    assert (await look(store, rules, "hakodate.hokkaido.jp")).genuine
    assert not (await look(store, rules, "anybody.hakodate.hokkaido.jp")).genuine


async def test_parts_and_schools_are_told_below_a_rule_too(store: Store, rules: DomainRules) -> None:
    await add(store, rules, rule("tokyo-to.jp", TOKYO))
    assert (await look(store, rules, "keishicho.tokyo-to.jp")).part == "警視庁"
    assert (await look(store, rules, "edu.tokyo-to.jp")).proof is Proof.UNKNOWN
    await add(store, rules, rule("edu.tokyo-to.jp", TOKYO))
    assert (await look(store, rules, "edu.tokyo-to.jp")).genuine


async def test_a_domain_that_was_tied_by_a_decision_is_remembered(store: Store, rules: DomainRules) -> None:
    assert (await look(store, rules, "zaisei.city.chuo.lg.jp")).organisation is None
    async with store.transaction() as tx:
        await rules.tie(tx, "zaisei.city.chuo.lg.jp", "131024", by=BY, note="K7F3Q2MN")
    verdict = await look(store, rules, "other.city.chuo.lg.jp")
    assert (verdict.genuine, verdict.name) == (True, "中央区（東京都）")
    async with store.reading() as connection:
        (row,) = await rules.listed(connection, "chuo")
    assert (row.domain, row.source, row.added_by, row.note) == ("city.chuo.lg.jp", Source.DECISION, BY, "K7F3Q2MN")
    assert row.added_at == AT


async def test_a_decision_makes_no_domain_genuine_and_changes_no_tie(store: Store, rules: DomainRules) -> None:
    async with store.transaction() as tx:
        await rules.tie(tx, "nanmoku.ne.jp", "103837", by=BY)
        await rules.tie(tx, "union.example.lg.jp", "架空広域連合", by=BY)
        await rules.tie(tx, "city.kobe.lg.jp", MORI, by=BY)
        await rules.tie(tx, "nanmoku.ne.jp", MORI, by=BY)
    verdict = await look(store, rules, "nanmoku.ne.jp")
    assert (verdict.genuine, verdict.organisation) == (False, "103837")
    union = await look(store, rules, "a.union.example.lg.jp")
    assert (union.genuine, union.organisation, union.name) == (False, None, "架空広域連合")
    assert (await look(store, rules, "city.kobe.lg.jp")).organisation == KOBE


async def test_rules_are_replaced_and_removed(store: Store, rules: DomainRules) -> None:
    assert await add(store, rules, rule("mori-machi.jp"), rule("kobe-shi.jp", KOBE)) == 2
    assert await add(store, rules, rule("mori-machi.jp", None, name="架空組合"), rule("new.jp")) == 1
    assert (await look(store, rules, "mori-machi.jp")).name == "架空組合"
    async with store.transaction() as tx:
        await rules.remove(tx, "mori-machi.jp")
        with pytest.raises(Refused):
            await rules.remove(tx, "mori-machi.jp")
        with pytest.raises(Refused):
            await rules.remove(tx, "soumu.go.jp")
    assert (await look(store, rules, "mori-machi.jp")).proof is Proof.UNKNOWN


async def test_the_list_is_searched_by_domain_and_by_body(store: Store, rules: DomainRules) -> None:
    await add(
        store,
        rules,
        rule("mori-machi.jp"),
        rule("kobe_.jp".replace("_", "-x"), KOBE),
        rule("k.jp", None, name="架空組合"),
    )
    async with store.reading() as connection:
        for text, found in [
            ("", 3), ("MORI", 1), ("森町", 1), ("兵庫", 1), ("架空", 1), ("%", 0), ("_", 0), (MORI, 1), ("soumu", 0)
        ]:  # fmt: skip
            assert len(await rules.listed(connection, text)) == found, text
        assert [r.domain for r in await rules.listed(connection, "総務省", shipped=True)] == ["soumu.go.jp"]


@pytest.mark.parametrize("proves", list(Proves))
@pytest.mark.parametrize("domain", ["jp.net", "lg.jp", "co.jp", "tokyo.jp", "go.jp"])
def test_nobody_is_given_what_belongs_to_many(rules: DomainRules, domain: str, proves: Proves) -> None:
    if domain == "jp.net":
        rules.refuse_unsafe(domain, proves)
        return
    with pytest.raises(Refused):
        rules.refuse_unsafe(domain, proves)


def test_free_mail_can_be_noted_but_not_as_a_proof(rules: DomainRules) -> None:
    rules.refuse_unsafe("gmail.com", Proves.REVIEW)
    with pytest.raises(Refused):
        rules.refuse_unsafe("mail.gmail.com", Proves.GENUINE)


async def test_a_row_that_cannot_be_read_is_none(store: Store, rules: DomainRules) -> None:
    values = {"proves": "everything", "source": "import", "note": "", "added_by": BY, "added_at": AT}
    async with store.transaction() as tx:
        await tx.connection.execute(insert(domain_rule).values(domain="broken.jp", organisation=MORI, **values))
    assert (await look(store, rules, "broken.jp")).proof is Proof.UNKNOWN


async def test_what_is_no_domain_is_refused_without_being_repeated(store: Store, rules: DomainRules) -> None:
    with pytest.raises(Refused) as refused:
        await look(store, rules, "hanako@@city.kobe.lg.jp")
    assert "hanako" not in plain(refused.value.text)
    verdict = await look(store, rules, "hanako@city.kobe.lg.jp")
    assert "hanako" not in f"{verdict}"
