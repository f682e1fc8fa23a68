"""The claim of a Matrix account: who can tie theirs to what, and what they are told."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.registration.domain import CLAIMABLE, ENDED, Application, Claimant, State, decide_claim
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, TARO, Desk, form_of, open_desk
from tests.registration.test_domain import COMPLETE
from tests.support.fake_city import SECRETARY
from tests.support.mail import Mailbox

STRANGER = Claimant(account=TARO, member=False, removed=False, elsewhere=False)


def unclaimed(state: State) -> Application:
    """Return an application in some state that has no account."""
    return replace(COMPLETE, state=state, account=None, account_proven_at=None)


@pytest.mark.parametrize("state", State)
def test_an_account_that_is_nothing_else_can_be_tied_while_the_application_takes_one(state: State) -> None:
    if state in CLAIMABLE:
        assert decide_claim(unclaimed(state), STRANGER)
        return
    with pytest.raises(Refused, match="takes no account now"):
        decide_claim(unclaimed(state), STRANGER)


@pytest.mark.parametrize("state", State)
def test_an_account_that_is_tied_already_is_not_tied_again_and_no_other_takes_its_place(state: State) -> None:
    tied = replace(COMPLETE, state=state, account=TARO)
    if state in ENDED:
        # They wait for nothing, and hear so; where they knock, the secretariat does.
        with pytest.raises(Refused, match="takes no account now"):
            decide_claim(tied, STRANGER)
    else:
        assert not decide_claim(tied, replace(STRANGER, member=True, elsewhere=True))
    with pytest.raises(Refused, match="takes no account now"):
        decide_claim(tied, replace(STRANGER, account=UserId("@jiro:elsewhere.example")))


@pytest.mark.parametrize("state", sorted(CLAIMABLE))
@pytest.mark.parametrize(
    ("who", "why"),
    [
        pytest.param(replace(STRANGER, member=True), "member already", id="member"),
        pytest.param(replace(STRANGER, elsewhere=True), "tied to another application", id="elsewhere"),
    ],
)
def test_members_and_applicants_tie_their_account_to_nothing_else(state: State, who: Claimant, why: str) -> None:
    with pytest.raises(Refused, match=why):
        decide_claim(unclaimed(state), who)


@pytest.mark.parametrize("state", sorted(CLAIMABLE))
def test_an_account_that_was_removed_is_tied_only_where_somebody_will_see_it(state: State) -> None:
    removed = replace(STRANGER, removed=True)
    if state is not State.APPROVED:
        assert decide_claim(unclaimed(state), removed)
        return
    with pytest.raises(Refused, match="removed") as refused:
        decide_claim(unclaimed(state), removed)
    assert refused.value.turn_to_others


async def test_one_account_that_shows_two_claim_codes_at_once_is_tied_to_one_application(either_desk: Desk) -> None:
    desk = either_desk
    tickets = [await desk.proven(form_of(name), token=name) for name in ("aya", "emi")]
    first, second = [(await desk.status(ticket)).claim or "" for ticket in tickets]

    async def claim(code: str) -> Text | None:
        async with desk.city.app.store.transaction() as tx:
            return await desk.registration.desk.claim(tx, TARO, code)

    async with desk.city.app.store.transaction() as tx:
        await desk.registration.desk.claim(tx, TARO, first)
        late = asyncio.create_task(claim(second))
        # It has to wait for the first, however long that takes: only a second account could be tied by now.
        await asyncio.wait({late}, timeout=0.5)
    with pytest.raises(Refused, match="tied to another application"):
        await late
    assert [(await desk.status(ticket)).application.account for ticket in tickets] == [TARO, None]


@pytest.mark.parametrize("dash", list("-－‐‑‒–—―−ーｰ"), ids=lambda dash: f"U+{ord(dash):04X}")
@pytest.mark.parametrize("door", ["chat", "knock"])
async def test_a_claim_code_is_read_with_whatever_dash_the_keyboard_has(desk: Desk, dash: str, door: str) -> None:
    ticket = await desk.proven()
    code = ((await desk.status(ticket)).claim or "").replace("-", dash)
    if door == "chat":
        assert ticket.reference in await desk.city.ask(f"コードは {code} です", sender=TARO, room=await desk.chat(TARO))
    else:
        await desk.knock(TARO, code)
    assert (await desk.status(ticket)).application.account == TARO


async def test_whoever_claims_an_account_is_told_what_comes_next(desk: Desk) -> None:
    """Whoever was approved before need not wait for the secretariat, and whoever was asked something should answer."""
    said = {}
    for name, sign in (("submitted", ""), ("asked", "❓"), ("approved", "✅")):
        user = UserId(f"@{name}:elsewhere.example")
        ticket = await desk.proven(form_of(name, has_account=False), token=name)
        if sign:
            await desk.react(ticket, sign)
        if sign == "❓":
            await desk.reply(desk.city.said()[-1]["event_id"], "部署の代表番号を教えてください。")
        claim = (await desk.status(ticket)).claim or ""
        said[name] = await desk.city.ask(claim, sender=user, room=await desk.chat(user))
    assert "事務局の審査のあと" in said["submitted"]
    assert "「申請の状況」のページでお答えください" in said["asked"]
    assert "承認されています" in said["approved"]
    assert "審査" not in said["approved"] + said["asked"]


async def test_whoever_is_approved_by_the_rule_is_told_so(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, automatic=True) as desk:
        ticket = await desk.proven()
        claim = (await desk.status(ticket)).claim or ""
        assert "承認されています" in await desk.city.ask(claim, sender=TARO, room=await desk.chat(TARO))


async def test_who_withdrew_after_an_approval_is_not_said_to_have_been_withdrawn_by_who_approved(desk: Desk) -> None:
    ticket = await desk.proven(replace(FORM, has_account=False))
    await desk.react(ticket, "✅")
    await desk.do("withdraw", ticket)
    answer = await desk.city.ask(f"!application approve {ticket.reference}")
    assert ("取下げ" in answer, SECRETARY in answer) == (True, False), answer


async def test_a_knock_with_the_code_of_ones_own_ended_application_is_told_to_the_secretariat(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    claim = (await desk.status(ticket)).claim or ""
    await desk.city.ask(f"!application reject {ticket.reference} 在籍が確認できません")
    before = len(desk.city.said())
    await desk.knock(TARO, claim)
    assert any(TARO in told["content"]["body"] for told in desk.city.said()[before:])
