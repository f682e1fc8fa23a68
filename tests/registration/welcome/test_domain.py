"""What a welcome offers, and what words mean to it."""

from dataclasses import dataclass
from itertools import product

import pytest

from oshiyakusho_matrix.registration.welcome.domain import (
    LIFECYCLE,
    SIGNS,
    State,
    Step,
    decide_offers,
    division_in,
    number_in,
    says_stop,
)


@dataclass(frozen=True)
class Division:
    slug: str
    group: str
    circle: bool = False
    ja: str = ""
    en: str = ""


HALL = [
    Division("zaisei", "kikaku", ja="みんなの財政課", en="Everyone's Finance Division"),
    Division("koho", "kikaku", ja="広報課", en="Public Relations"),
    Division("shiminzei", "zei", ja="市民税課", en="Taxes"),
    Division("kaikei", "zei", ja="Taxes", en="Accounts"),
    Division("kenjinkai-13", "kenjinkai", circle=True, ja="東京都人会", en="Tokyo Circle"),
    Division("kenjinkai-01", "kenjinkai", circle=True, ja="北海道人会", en="Hokkaido Circle"),
]


def test_the_circle_comes_first_then_interests_then_one_of_each_group() -> None:
    offers = decide_offers(HALL, prefecture="01", interests=["kaikei", "gone", "kenjinkai-13"])
    assert offers == ["kenjinkai-01", "kaikei", "zaisei", "shiminzei"]


def test_who_has_no_prefecture_or_one_without_a_circle_gets_divisions_alone() -> None:
    for prefecture in (None, "47"):
        assert decide_offers(HALL, prefecture=prefecture, interests=[]) == ["zaisei", "shiminzei", "koho"]
    assert decide_offers(HALL[:1], prefecture=None, interests=["zaisei", "zaisei"]) == ["zaisei"]
    assert decide_offers([], prefecture="13", interests=["zaisei"]) == []


@pytest.mark.parametrize("words", ["2", "２", " 2番 ", "２番目", "2.", "2️⃣", "2⃣", "②"])
def test_a_number_is_read_in_any_form(words: str) -> None:
    assert number_in(words) == 1


@pytest.mark.parametrize("words", ["", "0", "12", "2課", "二", "👍", "2 3", "-2"])
def test_what_is_no_number_is_none(words: str) -> None:
    assert number_in(words) is None


def test_the_signs_are_the_numbers() -> None:
    assert [number_in(sign) for sign in SIGNS] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "words", ["みんなの財政課", "「みんなの財政課」", "everyone's finance division", "ＺＡＩＳＥＩ", "!zaisei"]
)
def test_a_division_is_known_by_its_names(words: str) -> None:
    found = division_in(words, HALL)
    assert found is not None
    assert found.slug == "zaisei"


@pytest.mark.parametrize("words", ["", "「」", "財政", "みんなの財政課に入りたい", "Taxes"])
def test_what_names_no_division_or_more_than_one_is_none(words: str) -> None:
    assert division_in(words, HALL) is None


def test_no_reminder_is_wanted_in_several_words() -> None:
    assert all(map(says_stop, ("stop", "ＳＴＯＰ", "Stop!", "不要", "「不要」", "いりません。", "`不要`")))
    assert not any(map(says_stop, ("", "don't stop", "不要不急", "停止線")))


def test_nothing_happens_that_the_table_does_not_say() -> None:
    allowed = {
        (State.EXPECTED, Step.ENTER),
        (State.DUE, Step.GREET),
        *product([State.GIVEN], [Step.REMIND, Step.ARRIVE, Step.STOP]),
    }
    assert set(LIFECYCLE) == allowed
    assert {state for state, _ in LIFECYCLE} | set(LIFECYCLE.values()) == set(State)
