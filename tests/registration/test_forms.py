"""What people type into the registration form, and what is said about it."""

import re
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib.resources import files

import pytest
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.registration.domain import KEPT, State
from oshiyakusho_matrix.registration.forms import CONSENT, FIELDS, Choice, Reading, choose, read_form
from oshiyakusho_matrix.registration.particulars import Employment, Form
from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.web.visits import Fields
from tests.web.documents import handbook, table

LIST = organisations()
TYPED = {
    "organisation": "小樽市",
    "department": "総務部財政課",
    "employment": "regular",
    "term_ends": "",
    "name": "試験 太郎",
    "yomi": "しけん たろう",
    "address": "shiken.taro@city.otaru.lg.jp",
    "interests": "zaisei",
    "has_account": "yes",
    "consent": CONSENT,
}


def read(**changed: str) -> Reading:
    return read_form(Fields(list({**TYPED, **changed}.items())), LIST, {"zaisei", "bosai"}, "ja")


def filled(**changed: str) -> Form:
    reading = read(**changed)
    assert reading.problems == {}
    assert reading.form is not None
    return reading.form


def chosen(**typed: str) -> Choice:
    return choose(Fields(list(typed.items())), LIST)


def test_the_form_has_at_most_ten_fields() -> None:
    assert len(FIELDS) == 10


def test_a_form_that_is_right_is_taken_as_it_is() -> None:
    form = filled()
    assert (form.organisation, form.organisation_name) == ("012033", "小樽市（北海道）")
    assert (form.particulars.name, form.particulars.yomi) == ("試験 太郎", "しけん たろう")
    assert (form.mailbox, form.domain, form.shared, form.tagged) == (
        "shiken.taro@city.otaru.lg.jp", "city.otaru.lg.jp", False, False,
    )  # fmt: skip
    assert form.interests == ("zaisei",)
    assert (form.has_account, form.consent, form.language) == (True, CONSENT, "ja")


@pytest.mark.parametrize("missing", [name for name in FIELDS if name not in ("interests", "term_ends")])
def test_each_field_that_is_missing_is_named_and_the_others_are_not(missing: str) -> None:
    assert list(read(**{missing: ""}).problems) == [missing]
    assert list(read(**{missing: " 　 "}).problems) == [missing]


def test_problems_come_in_the_order_of_the_page() -> None:
    problems = read_form(Fields([]), LIST, (), "ja").problems
    assert list(problems) == [name for name in FIELDS if name in problems]
    assert len(problems) == 8


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("小樽市", "012033"),
        ("012033", "012033"),
        ("０１２０３３", "012033"),
        ("小樽市（北海道）", "012033"),
        ("総務省", "go:soumu"),
    ],
)
def test_a_name_that_only_one_has_and_a_code_need_no_choosing(typed: str, code: str) -> None:
    assert chosen(organisation=typed).code == code


def test_homonyms_are_offered_with_their_prefecture() -> None:
    found = chosen(organisation="府中市")
    assert found.code is None
    assert [each.label for each in found.matches] == ["府中市（東京都）", "府中市（広島県）"]
    assert chosen(organisation="府中市", searched="府中市", choice=found.matches[1].code).name == "府中市（広島県）"


def test_a_choice_made_for_other_words_does_not_count() -> None:
    old = chosen(organisation="府中市").matches[1].code
    assert chosen(organisation="小樽市", searched="府中市", choice=old).code == "012033"
    assert chosen(organisation="森町", searched="府中市", choice=old).code is None


def test_a_code_that_is_not_in_the_list_is_no_choice() -> None:
    assert chosen(organisation="府中市", searched="府中市", choice="131008").code is None


def test_whoever_is_not_in_the_list_says_so() -> None:
    assert chosen(organisation="試験広域連合").problem is not None
    assert chosen(organisation="試験広域連合", choice="free") == Choice(None, "試験広域連合")
    # What is in the list under that very name is meant, whatever was ticked.
    assert chosen(organisation="小樽市", choice="free").code == "012033"


@pytest.mark.parametrize("typed", ["令和9年3月31日", "R9.3.31", "２０２７／３／３１", "2027-03-31"])
@time_machine.travel(datetime(2026, 11, 23, tzinfo=UTC), tick=False)
def test_the_end_of_a_term_is_read_in_both_calendars(typed: str) -> None:
    assert filled(employment="fixed term", term_ends=typed).particulars.term_ends == date(2027, 3, 31)


@time_machine.travel(datetime(2026, 11, 23, tzinfo=UTC), tick=False)
def test_the_end_of_a_term_is_asked_of_those_alone_who_have_one() -> None:
    assert filled(employment="regular", term_ends="いつか").particulars.term_ends is None
    assert list(read(employment="fixed term").problems) == ["term_ends"]
    assert list(read(employment="fixed term", term_ends="いつか").problems) == ["term_ends"]
    assert list(read(employment="fixed term", term_ends="3027/3/31").problems) == ["term_ends"]
    appointed = filled(employment="fiscal year").particulars
    assert (appointed.employment, appointed.term_ends) == (Employment.FISCAL_YEAR, date(2027, 3, 31))


@pytest.mark.parametrize("typed", ["シケン　タロウ", "ｼｹﾝ ﾀﾛｳ", " しけん  たろう "])
def test_a_reading_becomes_hiragana(typed: str) -> None:
    assert filled(yomi=typed).particulars.yomi == "しけん たろう"


@pytest.mark.parametrize("typed", ["shiken", "試験", "しけん1", "しけん\u202eたろう!"])
def test_a_reading_in_other_letters_is_refused(typed: str) -> None:
    assert list(read(yomi=typed).problems) == ["yomi"]


def test_a_name_is_kept_as_it_is_written_without_what_hides() -> None:
    assert filled(name="髙橋　﨑子\u202e").particulars.name == "髙橋 﨑子"
    assert list(read(name="あ" * 61).problems) == ["name"]


@pytest.mark.parametrize(
    "typed", ["a@b@city.otaru.lg.jp", "a b@city.otaru.lg.jp", "a@city.otaru.lg.jp\r\nBcc: x@example.com", "a@例.jp"]
)
def test_an_address_that_is_none_is_refused_and_not_repeated(typed: str) -> None:
    problem = read(address=typed).problems["address"]
    assert "otaru" not in problem.msgid
    assert not problem.values


def test_what_was_not_offered_is_no_interest() -> None:
    assert filled(interests="himitsu").interests == ()


def test_consent_is_to_the_version_that_was_shown() -> None:
    assert list(read(consent="2020-01-01").problems) == ["consent"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FIELDS), st.text(max_size=300))
@example("department", "A\xad")
@example("name", "試験\u200b 太郎")
def test_nothing_that_is_typed_into_any_field_does_harm(name: str, typed: str) -> None:
    reading = read(**{name: typed})
    assert (reading.form is None) is bool(reading.problems)
    if reading.form is not None:
        for value in (
            reading.form.organisation_name,
            reading.form.particulars.name,
            reading.form.particulars.department,
        ):
            assert value.isprintable()


@pytest.mark.parametrize("language", ["ja", "en"])
def test_how_long_things_are_kept_is_told_as_it_is(language: str) -> None:
    told = [
        int(number) for _, when in table(handbook(language, "privacy"), "kept") for number in re.findall(r"\d+", when)
    ]
    order = (State.DRAFT, State.ASKED, State.APPROVED, State.WITHDRAWN, State.REJECTED, State.FORMER)
    assert told == [KEPT[state].days for state in order]


def test_the_version_of_the_consent_changes_with_the_wording() -> None:
    """After a change of the notice or of handbook/privacy: give CONSENT the day's date, and put the new digest here."""
    web = files("oshiyakusho_matrix.web")
    papers = [web / "templates" / "registration" / f"notice.{language}.html" for language in ("ja", "en")]
    papers += [web / "handbook" / language / "privacy.md" for language in ("ja", "en")]
    digest = sha256(b"\0".join(paper.read_bytes() for paper in papers)).hexdigest()[:16]
    assert (CONSENT, digest) == ("2026-11-24", "8c754c89831d47cc")
    assert all(CONSENT in paper.read_text(encoding="utf-8") for paper in papers[2:])
