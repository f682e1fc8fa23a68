"""What the rules say about a domain that nobody has written down."""

import csv
import os
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.registration.domains.domain import Proof, Verdict
from oshiyakusho_matrix.registration.domains.rules import Rules
from oshiyakusho_matrix.roster.organisations import Kind, Organisation, organisations
from oshiyakusho_matrix.roster.organisations.romaji import reduced, romanised

#: Names the list of real hosts to measure against: a CSV with the columns code and site_host.
HOSTS = "OSHIYAKUSHO_HOSTS"

GENUINE, UNKNOWN, SUSPICIOUS = Proof.GENUINE, Proof.UNKNOWN, Proof.SUSPICIOUS


@cache
def rules() -> Rules:
    return Rules(organisations())


def label(verdict: Verdict) -> str | None:
    assert (verdict.organisation is None) == (verdict.name is None)
    return verdict.name


@pytest.mark.parametrize(
    ("domain", "whose"),
    [
        ("city.kobe.lg.jp", "神戸市（兵庫県）"), ("office.city.kobe.lg.jp", "神戸市（兵庫県）"),
        ("city.kobe.jp", "神戸市（兵庫県）"),
        ("metro.tokyo.lg.jp", "東京都"), ("metro.tokyo.jp", "東京都"), ("zaimu.metro.tokyo.jp", "東京都"),
        ("pref.hokkaido.lg.jp", "北海道"), ("pref.osaka.lg.jp", "大阪府"), ("pref.kanagawa.jp", "神奈川県"),
        ("pref.oita.jp", "大分県"), ("city.otaru.lg.jp", "小樽市（北海道）"),
        ("city.hakodate.hokkaido.jp", "函館市（北海道）"),
        ("city.fuchu.tokyo.jp", "府中市（東京都）"), ("city.fuchu.hiroshima.jp", "府中市（広島県）"),
        ("town.fuchu.hiroshima.jp", "府中町（広島県）"), ("town.hokkaido-mori.lg.jp", "森町（北海道）"),
        ("city.fukushima-date.lg.jp", "伊達市（福島県）"), ("city.tokyo-nakano.lg.jp", "中野区（東京都）"),
        ("city.yamagata-yamagata.lg.jp", "山形市（山形県）"), ("city.ota.tokyo.jp", "大田区（東京都）"),
        ("city.ota.gunma.jp", "太田市（群馬県）"), ("city.ohda.lg.jp", "大田市（島根県）"),
        ("city.chiba.jp", "千葉市（千葉県）"),
        ("city.higashiosaka.lg.jp", "東大阪市（大阪府）"), ("city.minato.tokyo.jp", "港区（東京都）"),
    ],
)  # fmt: skip
def test_names_that_only_a_body_can_have_are_genuine_and_tied_to_it(domain: str, whose: str) -> None:
    verdict = rules().judge(domain)
    assert verdict.proof is GENUINE
    assert label(verdict) == whose


@pytest.mark.parametrize(
    "domain",
    ["city.chuo.lg.jp", "city.sakai.lg.jp", "town.ikeda.lg.jp", "city.nosuch.lg.jp", "town.kiyokawa.kanagawa.jp",
     "vill.matsukawa.nagano.jp", "town.ohi.fukui.jp"],
)  # fmt: skip
def test_a_genuine_name_that_fits_several_bodies_or_none_is_tied_to_none(domain: str) -> None:
    verdict = rules().judge(f"zaisei.{domain}")
    assert (verdict.proof, verdict.organisation) == (GENUINE, None)
    assert verdict.anchor == domain


@pytest.mark.parametrize(
    ("domain", "part"),
    [
        ("keishicho.metro.tokyo.lg.jp", "警視庁"), ("tfd.metro.tokyo.jp", "東京消防庁"),
        ("police.pref.kanagawa.jp", "神奈川県警察"),
        ("police.pref.osaka.lg.jp", "大阪府警察"), ("mail.police.pref.hokkaido.lg.jp", "北海道警察"),
        ("kyoiku.city.kobe.lg.jp", "神戸市教育委員会"), ("kyoi.pref.chiba.jp", "千葉県教育委員会"),
        ("fire.city.kobe.lg.jp", "神戸市消防"),
        ("suido.city.yokohama.lg.jp", "横浜市水道"), ("police.city.kobe.lg.jp", None), ("zaisei.city.kobe.lg.jp", None),
    ],
)  # fmt: skip
def test_parts_with_staff_of_their_own_are_named(domain: str, part: str | None) -> None:
    verdict = rules().judge(domain)
    assert verdict.proof is GENUINE
    assert verdict.organisation is not None
    assert verdict.part == part


@pytest.mark.parametrize("domain", ["edu.city.yokohama.lg.jp", "es1.ed.city.kobe.lg.jp", "student.school.pref.oita.jp"])
def test_below_schools_a_person_decides_since_pupils_have_mailboxes_there(domain: str) -> None:
    verdict = rules().judge(domain)
    assert verdict.proof is UNKNOWN
    assert verdict.organisation is not None
    assert verdict.anchor == domain


@pytest.mark.parametrize(
    "domain",
    [
        "union.example.lg.jp", "shinsei-xx.lg.jp", "www.shinsei-xx.lg.jp", "city.kobe.shinsei-xx.lg.jp", "pref.lg.jp",
        "metro.osaka.lg.jp", "nanmoku.ne.jp", "kesennuma.miyagi.jp", "nagano-c.ed.jp", "kagawa-u.ac.jp", "jica.go.jp",
        "inacity.jp", "maoi-net.jp", "example.com", "gmail.com", "nishi.or.jp", "e-rumoi.jp",
    ],
)  # fmt: skip
def test_what_proves_nothing_by_itself_goes_to_a_person(domain: str) -> None:
    verdict = rules().judge(domain)
    assert (verdict.proof, verdict.organisation) == (UNKNOWN, None)


@pytest.mark.parametrize(
    "domain",
    [
        "city.evil.tokyo.jp", "mail.city.evil.tokyo.jp", "pref.evil.jp", "evil-lg.jp", "soumu-go.jp", "lg.jp",
        "go.jp", "tokyo.jp",
        "city.kobe.lg.jp.evil.com", "soumu.go.jp.evil.jp", "city.kobe.lg-jp.com", "city.kobe-lgjp.net", "pref.co.jp",
        "city.ne.jp", "city.or.jp", "metro.osaka.jp", "pref.tokyo.jp", "city.shimane.jp", "town.tokyo.jp",
        "vill.miyagi.jp",
        "pref.hakodate.hokkaido.jp", "city.foo.kobe.jp", "town.yokohama.jp", "city.kobe.com", "pref.kawaiishop.jp",
    ],
)  # fmt: skip
def test_what_anybody_can_have_and_looks_like_a_body_is_suspicious(domain: str) -> None:
    verdict = rules().judge(domain)
    assert (verdict.proof, verdict.organisation) == (SUSPICIOUS, None)


@given(st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=3))
def test_whatever_somebody_registers_for_themselves_is_never_genuine(labels: list[str]) -> None:
    for kind in ("city", "town", "vill", "pref", "metro"):
        for below in ("jp", "com", "tokyo.jp", "or.jp", "co.jp"):
            # ``mine`` stands for what they registered: no such place has its own suffix.
            domain = ".".join([kind, *labels, "mine-zz", below])
            assert not rules().judge(domain).genuine, domain


def test_every_verdict_says_why_and_names_the_domain() -> None:
    for domain in ("city.kobe.lg.jp", "city.evil.tokyo.jp", "gmail.com", "union.example.lg.jp", "jica.go.jp", "lg.jp"):
        assert domain in plain(rules().judge(domain).reason)


def derived(each: Organisation) -> tuple[str, ...]:
    """Return the names that a body would be given by the rules of the registries."""
    prefecture = next(p for p in organisations() if p.name == each.prefecture)
    name, area = (reduced(romanised(body.stem_kana)) for body in (each, prefecture))
    if each.kind is Kind.PREFECTURE:
        kind = "metro" if area == "tokyo" else "pref"
        return f"{kind}.{name}.lg.jp", f"{kind}.{name}.jp"
    kind = {Kind.CITY: "city", Kind.WARD: "city", Kind.TOWN: "town", Kind.VILLAGE: "vill"}[each.kind]
    return f"{kind}.{area}-{name}.lg.jp", f"{kind}.{name}.{area}.jp"


def measured(hosts: Iterable[tuple[str, str]]) -> Counter[str]:
    """Count what becomes of hosts whose bodies are known: (code, host)."""
    found = Counter[str]()
    for code, host in hosts:
        verdict = rules().judge(host)
        found["all"] += 1
        found["genuine"] += verdict.genuine
        found["tied"] += verdict.genuine and verdict.organisation == code
        found["wrong"] += verdict.organisation not in (None, code)
    return found


def hold(found: Counter[str]) -> None:
    """Hold what was measured to what was asked for, and print it."""
    shares = {name: found[name] / found["all"] for name in ("genuine", "tied")}
    print(f"{found['all']} hosts: {shares['genuine']:.2%} genuine, {shares['tied']:.2%} tied, {found['wrong']} wrongly")
    assert shares["genuine"] >= 0.93
    assert shares["tied"] >= 0.85
    assert found["wrong"] == 0


def test_names_as_the_registries_give_them_are_recognised_and_none_is_tied_to_another_body() -> None:
    local = [each for each in organisations() if each.kind is not Kind.NATIONAL]
    hold(measured((each.code, derived(each)[0]) for each in local))
    found = measured((each.code, derived(each)[1]) for each in local)
    # Not every one of the younger cities has a geographic name; the ones that have none are nobody's.
    print(found)
    assert found["wrong"] == 0
    assert found["genuine"] >= 0.8 * found["all"]


@pytest.mark.skipif(HOSTS not in os.environ, reason=f"{HOSTS} names no list of real hosts")
def test_real_hosts_are_recognised_and_none_is_tied_to_another_body() -> None:
    with Path(os.environ[HOSTS]).open(encoding="utf-8") as file:
        hold(measured((row["code"], row["site_host"]) for row in csv.DictReader(file)))
