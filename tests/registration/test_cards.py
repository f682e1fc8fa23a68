"""Cards in 事務局室: what is decided on them is what they say, by whoever was asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.registration.domain import FLAGS, Flag, State
from oshiyakusho_matrix.registration.particulars import Form
from oshiyakusho_matrix.registration.views import Ticket
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, PARTICULARS, TARO, Desk, form_of, open_desk
from tests.support.fake_city import OFFICE, SECRETARY, someone
from tests.support.mail import Mailbox

JIRO = someone("q2m8t", "elsewhere.example")
REMOVED = Renderer().render(FLAGS[Flag.REMOVED_BEFORE], "ja").body
#: Whose this is cannot be told from the domain: there are four towns of the name, and 小樽市 is none of them.
SOMEWHERE_IN_IKEDA = "soumu.town.ikeda.lg.jp"


async def removed(desk: Desk, user: UserId) -> None:
    """Have somebody be a member, and be removed."""
    await desk.city.ask(f"!member admit {user}")
    await desk.city.confirm(f"!member remove {user}")


async def claimed_by_removed(desk: Desk) -> tuple[Ticket, str]:
    """Return an application without an account that a removed person has claimed since, and its first card."""
    await removed(desk, JIRO)
    ticket = await desk.proven(replace(FORM, has_account=False))
    first = desk.card(ticket)["event_id"]
    await desk.knock(JIRO, (await desk.status(ticket)).claim or "")
    return ticket, first


async def second_secretary(desk: Desk) -> UserId:
    """Return another one of the secretariat, in 事務局室."""
    second = await desk.city.member("fukuda")
    await desk.city.ask(f"!member secretariat {second}")
    await desk.city.hs.join_as(second, OFFICE)
    await desk.city.settle()
    return second


def from_ikeda(**changed: str) -> Form:
    """Return a form with a mailbox of one of the towns called 池田町."""
    form = form_of("x", domain=SOMEWHERE_IN_IKEDA, **changed)
    particulars = replace(form.particulars, address=f"x@{SOMEWHERE_IN_IKEDA}")
    return replace(form, particulars=particulars, mailbox=particulars.address)


def line_of(desk: Desk, ticket: Ticket, flag: Flag) -> str:
    """Return what a card says of a flag."""
    words = Renderer().render(FLAGS[flag], "ja").body
    body: str = desk.card(ticket)["content"]["body"]
    (line,) = [each for each in body.splitlines() if words in each]
    return line.partition(words)[2]


async def whose(desk: Desk, domain: str) -> str | None:
    """Return the code of the body that a domain is tied to."""
    async with desk.city.app.store.reading() as connection:
        return (await desk.city.app.rules.look(connection, domain)).organisation


@pytest.mark.parametrize("sign", ["✅", "❌", "❓"], ids=["approve", "reject", "ask"])
async def test_a_card_decides_nothing_once_there_is_a_newer_one(desk: Desk, sign: str) -> None:
    ticket, first = await claimed_by_removed(desk)
    assert REMOVED in desk.card(ticket)["content"]["body"]
    await desk.sign(first, sign)
    assert desk.membership(JIRO) == "knock"
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    assert "新しいカード" in desk.city.said()[-1]["content"]["body"]
    await desk.react(ticket, "✅")
    assert desk.membership(JIRO) == "invite"


async def test_on_an_old_card_too_a_second_secretary_reads_who_decided(desk: Desk) -> None:
    ticket, first = await claimed_by_removed(desk)
    await desk.react(ticket, "✅")
    await desk.sign(first, "✅")
    assert f"{SECRETARY} さんが" in desk.city.said()[-1]["content"]["body"]


async def test_what_the_card_does_not_say_yet_is_seen_before_it_is_approved(either_desk: Desk) -> None:
    desk = either_desk
    ticket = await desk.complete(TARO)
    first = desk.card(ticket)["event_id"]
    await removed(desk, TARO)
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    assert REMOVED in desk.city.said()[-1]["content"]["body"]
    assert REMOVED in await desk.city.ask(f"!application approve {ticket.reference}")
    assert desk.membership(TARO) == "leave"

    await desk.city.ask(f"!application show {ticket.reference}")
    assert desk.card(ticket)["event_id"] != first
    assert REMOVED in desk.card(ticket)["content"]["body"]
    await desk.city.ask(f"!application show {ticket.reference}")
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).application.state is State.ADMITTED


async def test_an_application_waits_for_no_second_look_because_others_apply_later(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    later = await desk.complete(JIRO, token="later")
    assert Flag.SECOND_ACCOUNT in (await desk.status(later)).application.flags
    await desk.react(ticket, "✅")
    assert desk.membership(TARO) == "invite"


async def test_what_a_person_asked_a_person_decides_even_with_the_rule_in_force(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    async with open_desk(new_database("sqlite"), tmp_path, mailbox, automatic=True) as desk:
        ticket = await desk.proven(replace(FORM, has_account=False))
        await desk.react(ticket, "❓")
        await desk.reply(desk.city.said()[-1]["event_id"], "係はどちらですか。")
        await desk.knock(TARO, (await desk.status(ticket)).claim or "")
        await desk.do("answer", ticket, "そのような係はありません。")
        assert (await desk.status(ticket)).application.state is State.SUBMITTED
        assert desk.membership(TARO) == "knock"


async def test_the_card_after_an_answer_looks_like_no_other_application(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    before = desk.card(ticket)["content"]["body"]
    assert "回答" not in before
    await desk.react(ticket, "❓")
    await desk.reply(desk.city.said()[-1]["event_id"], "係はどちらですか。")
    await desk.do("answer", ticket, "財政係です。")
    head, *rest = desk.card(ticket)["content"]["body"].splitlines()
    assert ticket.reference in head
    assert "申請者から回答がありました" in head
    assert f"回答は審査のページにあります：！申請　詳細　{ticket.reference}" in "".join(rest).replace("`", "")
    assert "財政係" not in "".join(rest)
    await desk.react(ticket, "✅")
    assert desk.membership(TARO) == "invite"


async def test_secretaries_alone_take_applications_in_hand_and_the_list_says_who(desk: Desk) -> None:
    second, member = await second_secretary(desk), await desk.city.member("aoki")
    ticket = await desk.complete(TARO)
    assert "担当" not in await desk.city.ask("!application list")
    for other in (member, someone("nobody", "elsewhere.example")):
        refused = await desk.city.ask(f"!application assign {ticket.reference} {other}")
        assert f"{other} さんは事務局の人ではありません" in refused
        assert (await desk.status(ticket)).application.assigned_to is None
    for mine, who in (("", SECRETARY), (f" {second}", second)):
        await desk.city.ask(f"!application assign {ticket.reference}{mine}")
        assert f"担当：{who} さん" in await desk.city.ask("!application list")


async def test_the_reason_is_the_reply_of_whoever_was_asked_for_it(desk: Desk) -> None:
    second = await second_secretary(desk)
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "❌")
    question = desk.city.said()[-1]
    assert SECRETARY in question["content"]["body"]
    await desk.reply(question["event_id"], "待ってください、電話をしてから決めましょう", by=second)
    assert (await desk.status(ticket)).application.state is State.SUBMITTED
    await desk.reply(question["event_id"], "在籍が確認できませんでした。")
    assert (await desk.status(ticket)).reason == "在籍が確認できませんでした。"


async def test_what_is_said_in_a_thread_about_the_question_is_not_the_reason(desk: Desk) -> None:
    ticket = await desk.complete(TARO)
    await desk.react(ticket, "❌")
    question = desk.city.said()[-1]["event_id"]
    relation = {"rel_type": "m.thread", "event_id": question, "m.in_reply_to": {"event_id": question}}
    for falls_back, state in ((True, State.SUBMITTED), (False, State.REJECTED)):
        content = {"msgtype": "m.text", "body": "在籍不明", "m.relates_to": relation | {"is_falling_back": falls_back}}
        await desk.city.hs.send_as(SECRETARY, OFFICE, "m.room.message", content)
        await desk.city.settle()
        assert (await desk.status(ticket)).application.state is state


async def test_a_domain_of_one_of_several_bodies_is_tied_to_none_that_cannot_have_it(desk: Desk) -> None:
    ticket = await desk.complete(TARO, from_ikeda())
    assert (await desk.status(ticket)).application.flags == {Flag.OTHER_ORGANISATION}
    assert "town.ikeda.lg.jp を" not in desk.card(ticket)["content"]["body"]
    await desk.react(ticket, "✅")
    assert desk.membership(TARO) == "invite"
    assert await whose(desk, SOMEWHERE_IN_IKEDA) is None


async def test_the_card_says_that_the_approval_ties_the_domain(desk: Desk) -> None:
    name = "池田町（北海道）"
    ticket = await desk.complete(TARO, from_ikeda(organisation="016446", organisation_name=name))
    assert (await desk.status(ticket)).application.flags == {Flag.UNTIED_DOMAIN}
    assert f"town.ikeda.lg.jp を {name} のドメインとして" in desk.card(ticket)["content"]["body"]
    await desk.react(ticket, "✅")
    assert await whose(desk, "zaisei.town.ikeda.lg.jp") == "016446"
    other = await desk.complete(JIRO, replace(from_ikeda(organisation="183822"), tagged=True), token="other")
    assert Flag.OTHER_ORGANISATION in (await desk.status(other)).application.flags
    assert "のドメインとして" not in desk.card(other)["content"]["body"]


async def test_the_card_names_the_newest_others_of_the_same_mailbox_or_name_by_their_references(desk: Desk) -> None:
    alike = replace(FORM, particulars=replace(PARTICULARS, yomi="よそ"), has_account=False)
    with time_machine.travel(datetime(2026, 11, 10, 3, 0, tzinfo=UTC)) as clock:
        tickets = list[Ticket]()
        for number in range(5):
            clock.shift(timedelta(hours=1))
            tickets.append(await desk.proven(alike, token=f"same {number}"))
        namesake = await desk.proven(
            form_of(
                "other",
                particulars=replace(form_of("other").particulars, yomi="よそ"),
                has_account=False,
                mailbox="other@city.otaru.lg.jp",
            ),
            token="namesake",
        )
    first, second, third, fourth, last = (each.reference for each in tickets)
    assert Flag.SECOND_ACCOUNT not in (await desk.status(tickets[0])).application.flags
    assert line_of(desk, tickets[3], Flag.SECOND_ACCOUNT) == f"：{third}, {second}, {first}"
    assert line_of(desk, tickets[4], Flag.SECOND_ACCOUNT) == f"：{fourth}, {third}, {second} ほか 1 件"
    assert line_of(desk, namesake, Flag.SIMILAR_NAME) == f"：{last}, {fourth}, {third} ほか 2 件"
    assert f"{last}, {fourth}, {second} ほか 1 件" in await desk.city.ask(f"!application show {third}")
    assert "よそ" not in desk.city.heard()
    assert PARTICULARS.address not in desk.city.heard()


@pytest.mark.parametrize(
    ("domain", "flag", "why"),
    [
        ("gmail.com", Flag.UNKNOWN_DOMAIN, "だれでも持てる"),
        ("mori.example", Flag.UNKNOWN_DOMAIN, "まだ何もわかっていません"),
        ("pending.example", Flag.UNKNOWN_DOMAIN, "登録がありますが"),
        ("city-kobe-lg.jp", Flag.SUSPICIOUS_DOMAIN, "だれでも取得できる"),
    ],
    ids=["free mail", "unknown", "known for review", "imitation"],
)
async def test_the_card_says_why_a_mail_domain_proves_nothing(desk: Desk, domain: str, flag: Flag, why: str) -> None:
    await desk.city.ask("!domain add pending.example 012033 --review")
    address = f"shiken.taro@{domain}"
    form = replace(FORM, particulars=replace(PARTICULARS, address=address), mailbox=address, domain=domain)
    ticket = await desk.complete(TARO, form)
    assert why in line_of(desk, ticket, flag)
    assert why in await desk.city.ask(f"!application show {ticket.reference}")
