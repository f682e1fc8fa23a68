"""What a reviewer should look at, and what follows from it."""

from dataclasses import replace

import pytest

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.registration.domain import Flag, State
from oshiyakusho_matrix.registration.findings import Findings, approves_itself, decide_flags, decide_news, ties_domain
from tests.registration.test_domain import COMPLETE

EXACT = Findings(
    genuine=True, suspicious=False, tied_to="012033", tied_name="小樽市", mailbox_known=False, name_known=False
)


@pytest.mark.parametrize(
    ("shared", "tagged", "chosen", "found", "flags"),
    [
        (False, False, {}, {}, set()),
        (True, True, {}, {}, {Flag.SHARED_MAILBOX, Flag.TAGGED_ADDRESS}),
        (False, False, {}, {"genuine": False, "tied_to": None, "tied_name": None}, {Flag.UNKNOWN_DOMAIN}),
        (
            False,
            False,
            {},
            {"genuine": False, "suspicious": True, "tied_to": None, "tied_name": None},
            {Flag.SUSPICIOUS_DOMAIN},
        ),
        (False, False, {}, {"tied_to": None, "tied_name": None}, {Flag.UNTIED_DOMAIN}),
        (False, False, {}, {"tied_to": "011002"}, {Flag.OTHER_ORGANISATION}),
        (False, False, {"organisation": None}, {}, {Flag.FREE_ORGANISATION, Flag.OTHER_ORGANISATION}),
        (
            False,
            False,
            {"organisation": None, "organisation_name": "東部広域連合"},
            {"tied_to": None, "tied_name": "東部広域連合"},
            set(),
        ),
        (
            False,
            False,
            {"organisation": None, "organisation_name": "西部広域連合"},
            {"tied_to": None, "tied_name": "東部広域連合"},
            {Flag.FREE_ORGANISATION, Flag.OTHER_ORGANISATION},
        ),
        (False, False, {"organisation": "go:a"}, {"tied_to": "go:m", "ministry": "go:m"}, set()),
        (False, False, {"organisation": "go:a"}, {"tied_to": "go:m", "ministry": "go:n"}, {Flag.OTHER_ORGANISATION}),
        (
            False,
            False,
            {},
            {"tied_to": None, "tied_name": None, "candidates": ("012033", "011002")},
            {Flag.UNTIED_DOMAIN},
        ),
        (False, False, {}, {"tied_to": None, "tied_name": None, "candidates": ("011002",)}, {Flag.OTHER_ORGANISATION}),
        (
            False,
            False,
            {"organisation": None},
            {"tied_to": None, "tied_name": None, "candidates": ("011002",)},
            {Flag.FREE_ORGANISATION, Flag.UNTIED_DOMAIN},
        ),
        (False, False, {}, {"term_over": True}, {Flag.TERM_OVER}),
        (False, False, {}, {"removed_before": True}, {Flag.REMOVED_BEFORE}),
        (False, False, {}, {"mailbox_known": True, "name_known": True}, {Flag.SECOND_ACCOUNT, Flag.SIMILAR_NAME}),
    ],
)
def test_what_a_reviewer_should_look_at(
    shared: bool, tagged: bool, chosen: dict[str, str | None], found: dict[str, object], flags: set[Flag]
) -> None:
    one = replace(COMPLETE, **chosen)  # type: ignore[arg-type]
    assert decide_flags(shared, tagged, one, replace(EXACT, **found)) == flags  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lacking",
    [
        {"state": State.ASKED},
        {"organisation": None},
        {"mailbox_proven_at": None},
        {"account_proven_at": None},
        {"assigned_to": UserId("@hanako:city.example")},
        *({"flags": frozenset({flag})} for flag in Flag),
    ],
)
def test_only_who_fits_in_every_respect_approves_itself(lacking: dict[str, object]) -> None:
    assert approves_itself(COMPLETE)
    assert not approves_itself(replace(COMPLETE, **lacking))  # type: ignore[arg-type]


@pytest.mark.parametrize("flag", sorted(set(Flag) - {Flag.TAGGED_ADDRESS}))
def test_what_has_come_up_is_told_before_an_approval_unless_it_came_with_a_later_application(flag: Flag) -> None:
    later = flag in (Flag.SECOND_ACCOUNT, Flag.SIMILAR_NAME)
    assert decide_news({Flag.TAGGED_ADDRESS}, {Flag.TAGGED_ADDRESS, flag}) == (set() if later else {flag})
    assert not decide_news({flag}, {flag})
    assert not decide_news({flag}, set())


def test_an_approval_ties_a_domain_to_a_body_of_the_list_if_it_was_tied_to_none() -> None:
    untied = replace(COMPLETE, flags=frozenset({Flag.UNTIED_DOMAIN}))
    assert ties_domain(untied)
    assert not ties_domain(replace(untied, organisation=None))
    assert not ties_domain(replace(untied, flags=frozenset({Flag.OTHER_ORGANISATION})))
