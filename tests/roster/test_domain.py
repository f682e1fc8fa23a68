"""Whether to invite, as a table."""

import pytest

from oshiyakusho_matrix.roster.domain import HallState, ManagedRoom, decide_invite

PENDING, INVITED, JOINED, LEFT = HallState.PENDING, HallState.INVITED, HallState.JOINED, HallState.LEFT


@pytest.mark.parametrize("before", HallState)
@pytest.mark.parametrize(
    ("seen", "invite", "after"),
    [("join", False, JOINED), ("invite", False, INVITED), ("knock", True, INVITED)],
)
def test_what_is_seen_decides_whatever_was_before(seen: str, invite: bool, after: HallState, before: HallState) -> None:
    assert decide_invite(seen, before) == (invite, after)


@pytest.mark.parametrize("seen", [None, "leave", "ban"])
@pytest.mark.parametrize(
    ("before", "expected"),
    [(PENDING, (True, INVITED)), (INVITED, (False, LEFT)), (JOINED, (False, LEFT)), (LEFT, (False, LEFT))],
)
def test_who_is_outside_is_invited_once(seen: str | None, before: HallState, expected: tuple[bool, HallState]) -> None:
    assert decide_invite(seen, before) == expected


@pytest.mark.parametrize(("audience", "gated"), [("members", True), ("secretariat", True), ("anyone", False)])
def test_all_rooms_but_those_for_anyone_are_gated(audience: str, gated: bool) -> None:
    assert ManagedRoom("x", "space:x", "", audience).gated is gated
