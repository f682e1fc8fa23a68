"""The incremental search: whatever one types of a body finds it, the best first, quickly."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.roster.organisations import organisations


def first(text: str) -> str:
    found = organisations().search(text, 1)
    return found[0].label if found else ""


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("小樽", "小樽市（北海道）"), ("おたる", "小樽市（北海道）"), ("オタル", "小樽市（北海道）"),
        ("ｵﾀﾙ", "小樽市（北海道）"),
        ("otaru", "小樽市（北海道）"), ("OTARU-SHI", "小樽市（北海道）"), ("012033", "小樽市（北海道）"),
        ("０１２０３３", "小樽市（北海道）"), ("小樽市（北海道）", "小樽市（北海道）"),
        ("小樽市(北海道)", "小樽市（北海道）"),
        ("静岡 森", "森町（静岡県）"), ("森　静岡県", "森町（静岡県）"), ("しずおか もりまち", "森町（静岡県）"),
        ("静岡県森町", "森町（静岡県）"), ("広島 府中町", "府中町（広島県）"), ("津", "津市（三重県）"),
        ("茅ケ崎", "茅ヶ崎市（神奈川県）"), ("茅ヶ崎", "茅ヶ崎市（神奈川県）"), ("竜ヶ崎", "龍ケ崎市（茨城県）"),
        ("下条村", "下條村（長野県）"), ("oosaka", "大阪府"), ("osaka", "大阪府"), ("東京", "東京都"),
        ("総務", "総務省"), ("厚労省", "厚生労働省"), ("国交", "国土交通省"), ("デジタル", "デジタル庁"),
    ],
)  # fmt: skip
def test_it_is_found_however_it_is_typed(typed: str, label: str) -> None:
    assert first(typed) == label


@pytest.mark.parametrize("shape", ["檮原", "梼原", "梼原町"])
def test_old_and_new_shapes_of_a_character_find_the_same(shape: str) -> None:
    assert [each.code for each in organisations().search(shape)] == ["394050"]


def test_what_begins_so_comes_before_what_has_it_inside_and_then_codes_decide() -> None:
    found = [each.label for each in organisations().search("もり", 60)]
    assert found[:3] == ["森町（北海道）", "森町（静岡県）", "盛岡市（岩手県）"]
    assert found.index("守山市（滋賀県）") < found.index("青森県")
    begins = [each.code for each in organisations().search("守", 60) if each.name.startswith("守")]
    assert begins == sorted(begins)
    assert len(begins) == 3


def test_a_prefecture_narrows_down_and_does_not_stand_for_all_within_it() -> None:
    assert [each.label for each in organisations().search("北海道")] == ["北海道"]
    assert {each.prefecture for each in organisations().search("北海道 町", 200)} == {"北海道"}


@pytest.mark.parametrize("text", ["", "  ", "　", "\0", "存在しない市", "%", "_", "*", "北海道 青森市"])
def test_what_fits_nothing_finds_nothing(text: str) -> None:
    assert list(organisations().search(text)) == []


def test_no_more_than_asked_for() -> None:
    assert len(organisations().search("市", 7)) == 7
    assert list(organisations().search("市", 0)) == []


@given(st.text(max_size=80))
def test_anything_may_be_typed(text: str) -> None:
    assert len(organisations().search(text, 5)) <= 5


def test_every_body_is_found_by_its_name_and_by_its_reading() -> None:
    known = organisations()
    for each in list(known)[::7]:
        assert each in known.search(f"{each.prefecture} {each.name}", 3), each
        assert each in known.search(f"{each.kana} {each.prefecture}", 3), each


def test_names_and_labels_and_codes_name_exactly() -> None:
    known = organisations()
    assert [each.code for each in known.named("府中市")] == ["132063", "342084"]
    assert [each.code for each in known.named("府中市（広島県）")] == ["342084"]
    assert [each.code for each in known.named("go:soumu")] == ["go:soumu"]
    assert list(known.named("府中")) == []


def test_a_search_takes_a_few_milliseconds() -> None:
    known = organisations()
    queries = ["し", "北海道 森", "osaka", "zzz", "町", "茅ヶ崎"]
    best = min(_seconds(queries) for _ in range(5))
    print(f"one search: {best / len(queries) * 1000:.2f} ms, {len(list(known))} bodies")
    assert best / len(queries) < 0.02


def _seconds(queries: list[str]) -> float:
    start = time.perf_counter()
    for query in queries:
        organisations().search(query)
    return time.perf_counter() - start
