"""From the form to the invitation: the whole way in, on a homeserver in memory, with real mail."""

from dataclasses import replace
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.sealing import new_key
from oshiyakusho_matrix.registration.cases import application_key
from oshiyakusho_matrix.registration.domain import Flag, State
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.registration.views import CodeResult, MailState, Ticket
from oshiyakusho_matrix.roster.affiliations import affiliations
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, TARO, Desk, form_of, open_desk
from tests.support.fake_city import HALL, OFFICE, SECRETARY, someone
from tests.support.mail import Mailbox


async def test_form_code_knock_card_approval_invitation(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.file()
    assert (await desk.status(ticket)).application.state is State.DRAFT
    assert (await desk.status(ticket)).mail is MailState.SENT
    assert await desk.prove(ticket, desk.code()) is CodeResult.PROVEN
    view = await desk.status(ticket)
    assert view.application.state is State.CLAIMING
    assert view.claim is not None
    assert not [e for e in desk.city.said() if ticket.reference in e["content"]["body"]]

    await desk.knock(TARO, f"入庁希望です。{view.claim}")
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    body = desk.card(ticket)["content"]["body"]
    for told in (ticket.reference, "小樽市", "財政課", "city.otaru.lg.jp", TARO):
        assert told in body
    for secret in ("試験", "しけん", "shiken.taro", view.claim):
        assert secret not in desk.city.heard()
    assert desk.membership(TARO) == "knock"

    await desk.react(ticket, "✅️")
    assert desk.membership(TARO) == "invite"
    assert (await desk.status(ticket)).application.state is State.ADMITTED
    assert "承認" in desk.city.heard()
    await desk.city.hs.join_as(TARO, HALL)
    await desk.city.settle()
    async with desk.city.app.store.reading() as connection:
        badge = (await affiliations(connection, [TARO]))[TARO]
    assert (badge.organisation, badge.prefecture, badge.reference) == ("012033", "01", ticket.reference)
    assert len(desk.mailbox.to(FORM.particulars.address)) == 2  # the code, and that it was approved


async def test_the_claim_code_in_a_direct_chat_proves_the_account_too(desk: Desk) -> None:
    ticket = await desk.proven()
    chat = await desk.chat(TARO)
    claim = (await desk.status(ticket)).claim
    answer = await desk.city.ask(f"コードは {(claim or '').lower()} です", sender=TARO, room=chat)
    assert ticket.reference in answer
    assert (await desk.status(ticket)).application.account == TARO
    await desk.city.ask(f"!application approve {ticket.reference}")
    assert desk.membership(TARO) == "invite"


async def test_a_claim_code_that_there_is_not_is_answered_and_ordinary_words_are_not_taken_for_one(desk: Desk) -> None:
    chat = await desk.chat(TARO)
    assert "コード" in await desk.city.ask("ABCD-EFGH", sender=TARO, room=chat)
    assert "会員" in await desk.city.ask("REMEMBER", sender=TARO, room=chat)


async def test_whoever_has_no_account_is_reviewed_first_and_claims_one_afterwards(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.proven(replace(FORM, has_account=False))
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    await desk.react(ticket, "✅")
    view = await desk.status(ticket)
    assert view.application.state is State.APPROVED
    assert view.claim is not None
    await desk.knock(TARO, view.claim)
    assert desk.membership(TARO) == "invite"
    assert (await desk.status(ticket)).application.state is State.ADMITTED


async def test_a_rejection_has_a_reason_that_the_applicant_alone_reads(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "❌")
    question = desk.city.said()[-1]
    await desk.reply(question["event_id"], "在籍が確認できませんでした。")
    view = await desk.status(ticket)
    assert (view.application.state, view.reason) == (State.REJECTED, "在籍が確認できませんでした。")
    assert view.application.decided_by == SECRETARY
    assert desk.membership(TARO) == "leave"
    mail = desk.mailbox.to(FORM.particulars.address)[-1]
    assert "在籍" not in mail.text
    assert ticket.reference in mail.subject


async def test_a_question_is_answered_and_the_application_comes_back(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "❓")
    await desk.reply(desk.city.said()[-1]["event_id"], "部署の代表番号を教えてください。")
    view = await desk.status(ticket)
    assert (view.application.state, view.question) == (State.ASKED, "部署の代表番号を教えてください。")
    await desk.do("answer", ticket, "0134-00-0000 です。")
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    assert "0134" not in desk.city.heard()
    await desk.react(ticket, "✅")
    assert desk.membership(TARO) == "invite"


async def test_the_first_decision_wins_and_the_second_secretary_reads_who_decided(desk: Desk) -> None:
    second = await desk.city.member("fukuda")
    await desk.city.ask(f"!member secretariat {second}")
    await desk.city.hs.join_as(second, "#cityhall-jimukyoku:city.example")
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "✅")
    answer = await desk.city.ask(f"!application reject {ticket.reference} 在籍不明", sender=second)
    assert SECRETARY in answer
    assert (await desk.status(ticket)).application.state is State.ADMITTED
    await desk.react(ticket, "✅", by=second)
    assert desk.city.said()[-1]["content"]["body"].count(SECRETARY)


async def test_a_member_who_is_not_of_the_secretariat_decides_nothing(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    member = await desk.city.member("hanako")
    card = desk.card(ticket)["event_id"]
    room = desk.city.hs.room("#cityhall-jimukyoku:city.example")
    desk.city.hs.world.impose(room, member, "m.room.member", member, {"membership": "join"})
    relation = {"rel_type": "m.annotation", "event_id": card, "key": "✅"}
    await desk.city.hs.send_as(member, "#cityhall-jimukyoku:city.example", "m.reaction", {"m.relates_to": relation})
    await desk.city.settle()
    assert desk.membership(TARO) == "knock"
    assert (await desk.status(ticket)).application.state is State.SUBMITTED


async def test_a_reaction_of_a_member_who_is_not_of_the_secretariat_asks_for_no_reason(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    member = await desk.city.member("hanako")
    desk.city.hs.world.impose(desk.city.hs.room(OFFICE), member, "m.room.member", member, {"membership": "join"})
    relation = {"rel_type": "m.annotation", "event_id": desk.card(ticket)["event_id"], "key": "❌"}
    await desk.city.hs.send_as(member, OFFICE, "m.reaction", {"m.relates_to": relation})
    await desk.city.settle()
    assert "却下する理由は" not in desk.city.heard()


async def test_whoever_was_removed_is_let_in_again_by_a_person_alone(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    """Even with the rule in force, and whatever of the application is deleted by then."""
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, automatic=True) as desk:
        await desk.city.ask(f"!member admit {TARO}")
        await desk.city.confirm(f"!member remove {TARO}")
        ticket = await desk.complete(TARO)
        assert (await desk.status(ticket)).application.flags == {Flag.REMOVED_BEFORE}
        assert desk.membership(TARO) == "knock"

        # Approved without an account, so nobody saw whose it would be.
        jiro = someone("q2m8t", "elsewhere.example")
        await desk.city.ask(f"!member admit {jiro}")
        await desk.city.confirm(f"!member remove {jiro}")
        later = await desk.proven(form_of("jiro", has_account=False), token="later")
        await desk.react(later, "✅")
        await desk.knock(jiro, (await desk.status(later)).claim or "")
        assert desk.membership(jiro) == "knock"
        assert (await desk.status(later)).application.account is None
        assert jiro in desk.city.said()[-1]["content"]["body"]


async def test_the_knock_for_another_application_outlives_the_one_that_was_withdrawn(desk: Desk) -> None:
    first = await desk.complete(TARO)
    await desk.do("withdraw", first)
    second = await desk.complete(TARO, token="two")
    async with desk.city.app.store.transaction() as tx:
        await desk.city.app.queue.ask(tx, application_key(first.reference))
    await desk.city.settle()
    assert desk.membership(TARO) == "knock"
    await desk.react(second, "✅")
    assert desk.membership(TARO) == "invite"


async def test_the_same_mailbox_is_recognised_after_the_key_was_changed(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    url, old, new = new_database("sqlite"), new_key(), new_key()
    async with open_desk(url, tmp_path, mailbox, keys=[old]) as desk:
        await desk.complete(TARO)
        hs = desk.city.hs
    async with open_desk(url, tmp_path, mailbox, keys=[new, old], hs=hs) as desk:
        ticket = await desk.complete(someone("q2m8t", "elsewhere.example"), token="two")
        assert Flag.SECOND_ACCOUNT in (await desk.status(ticket)).application.flags


async def test_an_application_that_cannot_be_read_hides_no_other(desk: Desk) -> None:
    broken = await desk.complete(TARO)
    sound = await desk.complete(someone("q2m8t", "elsewhere.example"), form_of("jiro"), token="two")
    async with desk.city.app.store.transaction() as tx:
        row = application.c.reference == broken.reference
        await tx.connection.execute(application.update().where(row).values(flags=["nonsense"]))
    assert sound.reference in await desk.city.ask("!application list")


async def test_the_same_form_sent_twice_is_one_application_and_one_mail(desk: Desk) -> None:
    first = await desk.file(token="same")
    assert await desk.file(token="same") == first
    assert len(desk.mailbox.received) == 1


async def test_the_status_is_shown_to_nobody_without_the_secret(desk: Desk) -> None:
    ticket = await desk.file()
    async with desk.city.app.store.reading() as connection:
        for wrong in (Ticket(ticket.reference, "X" * 16), Ticket("K7M2PQ4X", ticket.secret), Ticket("", "")):
            assert await desk.registration.desk.status(connection, wrong) is None
    with pytest.raises(Refused):
        await desk.do("withdraw", Ticket(ticket.reference, "X" * 16))
    assert (await desk.status(Ticket(ticket.reference, ticket.secret.lower()))).application.state is State.DRAFT


async def test_an_account_serves_one_application_and_members_need_none(desk: Desk) -> None:
    member = await desk.city.member("hanako")
    ticket = await desk.proven()
    claim = (await desk.status(ticket)).claim or ""
    chat = await desk.chat(member)
    assert "会員" in await desk.city.ask(claim, sender=member, room=chat)
    assert (await desk.status(ticket)).application.account is None
    await desk.knock(TARO, claim)
    second = await desk.proven(form_of("other"), token="two")
    chat = await desk.chat(TARO)
    await desk.city.ask((await desk.status(second)).claim or "", sender=TARO, room=chat)
    assert (await desk.status(second)).application.account is None


async def test_a_second_application_from_the_same_mailbox_is_flagged_for_the_reviewer_alone(either_desk: Desk) -> None:
    desk = either_desk
    await desk.complete(TARO)
    jiro = someone("q2m8t", "elsewhere.example")
    ticket = await desk.complete(jiro, token="two")
    flags = (await desk.status(ticket)).application.flags
    assert Flag.SECOND_ACCOUNT in flags
    assert "同じメール" in desk.card(ticket)["content"]["body"]


async def test_with_the_rule_in_force_who_fits_in_every_respect_needs_no_person(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, automatic=True) as desk:
        ticket = await desk.complete(TARO)
        assert desk.membership(TARO) == "invite"
        assert (await desk.status(ticket)).application.decided_by == desk.city.hs.bot
        jiro = someone("q2m8t", "elsewhere.example")
        tagged = await desk.complete(jiro, form_of("jiro", tagged=True), token="tagged")
        assert desk.membership(jiro) == "knock"
        assert (await desk.status(tagged)).application.state is State.SUBMITTED


async def test_a_stranger_who_asks_the_bot_is_sent_to_the_registration_page_in_their_language(desk: Desk) -> None:
    chat = await desk.chat(TARO)
    page = "https://cityhall.example.jp/register"
    japanese = await desk.city.ask("入れてください", sender=TARO, room=chat)
    assert f"[{page}]({page})" in japanese
    assert "ノック" not in japanese
    await desk.city.ask("!言語 en", sender=TARO, room=chat)
    assert "https://cityhall.example.jp/en/register" in await desk.city.ask("!audit", sender=TARO, room=chat)


async def test_who_is_admitted_by_command_while_their_application_waits_is_not_forgotten(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    before = desk.city.heard()
    await desk.city.ask(f"!member admit {TARO}")
    told = desk.city.heard()[len(before) :]
    assert f"申請 {ticket.reference} がまだ審査待ちです" in told
    assert desk.membership(TARO) == "invite"
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).application.state is State.ADMITTED
    assert "がまだ審査待ちです" not in desk.city.heard()[len(before) + len(told) :]
