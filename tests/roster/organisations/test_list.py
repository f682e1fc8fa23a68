"""The list that is shipped: what is in it, and that the script makes just this."""

from collections import Counter

from oshiyakusho_matrix.roster.organisations import Kind, organisations
from oshiyakusho_matrix.roster.organisations.generate import FILE, contents


def test_the_shipped_file_is_what_the_script_makes_now() -> None:
    assert FILE.read_text(encoding="utf-8") == contents()


def test_all_bodies_are_in_it_and_each_once() -> None:
    everybody = list(organisations())
    kinds = Counter(each.kind for each in everybody)
    assert {kind: kinds[kind] for kind in Kind if kind is not Kind.NATIONAL} == {
        Kind.PREFECTURE: 47, Kind.CITY: 792, Kind.WARD: 23, Kind.TOWN: 743, Kind.VILLAGE: 183
    }  # fmt: skip
    assert sum(each.designated for each in everybody) == 20
    assert kinds[Kind.NATIONAL] >= 40
    assert len({each.code for each in everybody}) == len({each.label for each in everybody}) == len(everybody)


def test_what_is_in_it_is_in_the_order_of_the_codes() -> None:
    local = [each.code for each in organisations() if each.kind is not Kind.NATIONAL]
    assert local == sorted(local)
    assert local[0] == "010006"


def test_readings_are_hiragana_and_islands_and_counties_are_no_part_of_names() -> None:
    for each in organisations():
        assert all("ぁ" <= letter <= "ゖ" or letter == "ー" for letter in each.kana), each
        assert "郡" not in each.name[1:-2] or each.kind is Kind.CITY, each
    known = organisations()
    for code, name, kana in [
        ("133817", "三宅村", "みやけむら"), ("103446", "榛東村", "しんとうむら"), ("221309", "浜松市", "はままつし"),
        ("271403", "堺市", "さかいし"), ("284815", "上郡町", "かみごおりちょう"),
        ("394050", "梼原町", "ゆすはらちょう"),
    ]:  # fmt: skip
        body = known.get(code)
        assert body is not None
        assert (body.kana, body.name.replace("檮", "梼")) == (kana, name)


def test_a_label_tells_homonyms_apart() -> None:
    labels = {each.label for each in organisations()}
    assert {"森町（北海道）", "森町（静岡県）", "千代田区（東京都）", "北海道", "総務省"} <= labels


def test_agencies_belong_to_ministries_of_the_list() -> None:
    known = organisations()
    parents = {each.parent for each in known if each.parent}
    assert parents
    assert all(known.get(parent) is not None for parent in parents)
