"""Dates as officials write them: both calendars, whatever the keyboard gave."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.dates import read_date, written


@pytest.mark.parametrize(
    "typed",
    [
        *("令和8年3月31日", "R8.3.31", "r8/3/31", "2026/3/31", "2026-03-31", "20260331", "2026年3月31日", "2026.03.31"),
        *(
            "２０２６／３／３１",
            "Ｒ８．３．３１",
            "令和８年３月３１日",
            "㋿8年3月31日",
            "２０２６－０３－３１",
            "令和08年03月31日",
        ),
        " 令和 8 年 3 月 31 日 ",
    ],
)
def test_a_day_is_read_however_it_is_typed(typed: str) -> None:
    assert read_date(typed) == date(2026, 3, 31)


def test_the_first_year_of_the_era_has_a_name_of_its_own() -> None:
    assert read_date("令和元年5月1日") == read_date("R1.5.1") == date(2019, 5, 1)
    assert written(date(2019, 5, 1), "ja") == "令和元年5月1日(水)(2019-05-01)"


@pytest.mark.parametrize(
    "typed",
    ["", "来年", "2026/2/29", "令和8年13月1日", "R0.1.1", "R1.4.30", "8.3.31", "2026", "202631", "2026/3/31/1", "\0"],
)
def test_what_is_no_day_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        read_date(typed)


def test_a_day_is_written_in_both_calendars() -> None:
    assert written(date(2026, 4, 1), "ja") == "令和8年4月1日(水)(2026-04-01)"
    assert written(date(2026, 4, 1), "en") == "1 April 2026 (Wed)"
    assert written(date(2019, 4, 30), "ja") == "2019年4月30日(火)"


@given(st.integers(0, 365 * 60))
def test_what_is_written_for_people_can_be_typed_again(days: int) -> None:
    day = date(2019, 5, 1) + timedelta(days=days)
    assert read_date(written(day, "ja").partition("(")[0]) == day


@given(st.text(max_size=20))
def test_nothing_that_is_typed_does_harm(typed: str) -> None:
    try:
        assert isinstance(read_date(typed), date)
    except ValueError:
        return
