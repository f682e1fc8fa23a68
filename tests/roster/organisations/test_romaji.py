"""Romanised names: Hepburn, and the spellings that are one."""

import pytest

from oshiyakusho_matrix.roster.organisations.romaji import reduced, romanised


@pytest.mark.parametrize(
    ("kana", "latin"),
    [
        ("おたる", "otaru"), ("とうきょう", "toukyou"), ("しちがしゅく", "shichigashuku"), ("ちゃたん", "chatan"),
        ("じゅうもんじ", "juumonji"), ("ひゅうが", "hyuuga"), ("さっぽろ", "sapporo"),
        ("はっちょうぼり", "hacchoubori"),
        ("にせこ", "niseko"), ("えりも", "erimo"), ("いっしょ", "issho"), ("でーた", "deeta"),
    ],
)  # fmt: skip
def test_kana_become_hepburn(kana: str, latin: str) -> None:
    assert romanised(kana) == latin


@pytest.mark.parametrize(
    ("kana", "spellings"),
    [
        ("おおた", ["ota", "oota", "ohta", "outa", "OTA"]), ("おおだ", ["ohda", "oda"]),
        ("とうきょう", ["tokyo", "toukyou"]),
        ("なんば", ["namba", "nanba"]), ("じんせき", ["jinseki", "zinseki"]),
        ("ふちゅう", ["fuchu", "hutyuu", "fuchuu"]),
        ("つしま", ["tsushima", "tusima"]), ("しゅうなん", ["shunan", "syunan"]), ("はっちょう", ["hatcho", "haccho"]),
        ("みなみあわじ", ["minami-awaji", "minamiawaji"]), ("こうのす", ["kounosu", "konosu", "kohnosu"]),
        ("おんな", ["onna"]), ("しんおんせん", ["shin-onsen", "shinonsen"]), ("ちちぶ", ["chichibu", "titibu"]),
    ],
)  # fmt: skip
def test_all_spellings_of_a_name_are_one(kana: str, spellings: list[str]) -> None:
    assert {reduced(spelling) for spelling in spellings} == {reduced(romanised(kana))}


@pytest.mark.parametrize(("one", "other"), [("otaru", "ataru"), ("sakai", "saka"), ("tosu", "tsu"), ("kami", "kani")])
def test_other_names_stay_others(one: str, other: str) -> None:
    assert reduced(one) != reduced(other)
