"""Codes of local governments: their check digit, and that those of the list have it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.roster.organisations.codes import NATIONAL, check_digit


@pytest.mark.parametrize("code", ["010006", "011002", "130001", "131016", "182079", "131008", "011011"])
def test_the_last_digit_of_a_code_follows_from_the_others(code: str) -> None:
    assert check_digit(code[:5]) == code[5]


@given(st.integers(1, 99_999), st.integers(0, 4), st.integers(1, 9))
def test_one_wrong_digit_is_found_nearly_always(number: int, place: int, by: int) -> None:
    five = f"{number:05}"
    total = sum(weight * int(digit) for weight, digit in zip((6, 5, 4, 3, 2), five, strict=True))
    # As the ministry words it: subtract from 11, of a sum above 10 the remainder; of ten and more the last digit.
    assert check_digit(five) == str(11 - total if total < 11 else 11 - total % 11)[-1]
    wrong = five[:place] + str((int(five[place]) + by) % 10) + five[place + 1 :]
    if check_digit(wrong) == check_digit(five):
        # 0 and 10 have one digit: the one way in which a mistake goes unseen.
        assert check_digit(five) == "0" or check_digit(five) == "1"


@pytest.mark.parametrize("code", ["131008", "011011"])
def test_not_every_code_that_checks_is_that_of_a_body(code: str) -> None:
    assert organisations().get(code) is None


def test_every_local_government_of_the_list_has_a_code_that_checks() -> None:
    local = [each.code for each in organisations() if not each.code.startswith(NATIONAL)]
    assert len(local) == 1_788
    assert [code for code in local if not re.fullmatch("[0-9]{6}", code) or check_digit(code[:5]) != code[5]] == []
