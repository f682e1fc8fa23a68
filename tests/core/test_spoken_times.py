"""Moments as people say them: what is read, what is refused and why, wherever the machine thinks it is."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.spoken_times import Span, read_moment, read_span
from oshiyakusho_matrix.core.text import plain
from tests.core.spoken import READ, REFUSED

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=JST)


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Kiritimati"])
def _elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the machine be somewhere."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def written(span: Span) -> str:
    """Write what was read, in Japan."""
    moments = (span.start,) if span.end is None else (span.start, span.end)
    return " 〜 ".join(f"{each.astimezone(JST):%Y-%m-%d %H:%M}" for each in moments)


def test_there_are_enough_of_them_and_half_are_wrong() -> None:
    assert len(READ) + len(REFUSED) >= 200
    assert len(REFUSED) >= 100


@pytest.mark.usefixtures("_elsewhere")
def test_what_is_said_is_read() -> None:
    assert {words: written(read_span(words, present=NOON)) for words in READ} == dict(READ)


@pytest.mark.usefixtures("_elsewhere")
def test_what_is_wrong_is_refused_and_why() -> None:
    for words, why in REFUSED.items():
        with pytest.raises(Refused) as refused:
            read_span(words, present=NOON)
        assert plain(refused.value.text).startswith(why), words


@pytest.mark.parametrize(("hour", "minute", "day"), [(14, 59, "2026-11-25"), (15, 1, "2026-11-26")])
def test_the_day_is_that_of_japan(hour: int, minute: int, day: str) -> None:
    present = datetime(2026, 11, 24, hour, minute, tzinfo=UTC)
    assert written(read_span("明日19時", present=present)) == f"{day} 19:00"


def test_a_moment_has_no_end() -> None:
    assert read_moment("12/1 19:00", present=NOON) == datetime(2026, 12, 1, 19, 0, tzinfo=JST)
    with pytest.raises(Refused, match="without an end"):
        read_moment("12/1 19:00-20:00", present=NOON)


def test_what_was_read_can_be_read_again() -> None:
    for words in READ:
        span = read_span(words, present=NOON)
        ends = "" if span.end is None else f" - {span.end.astimezone(JST).isoformat()}"
        assert read_span(f"{span.start.astimezone(JST).isoformat()}{ends}", present=NOON) == span, words


@given(
    st.text(
        alphabet=st.sampled_from("0123456789:/-〜年月日時分半金曜来週明今午後夜令和rz+.() から") | st.characters(),
        max_size=60,
    )
)
def test_whatever_is_said_is_read_or_refused(words: str) -> None:
    try:
        span = read_span(words, present=NOON)
    except Refused:
        return
    assert span.start > NOON
    assert span.end is None or span.end > span.start
