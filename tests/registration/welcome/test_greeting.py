"""Whoever was admitted and comes in is greeted once, with what may interest them; nobody else is."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import delete

from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.registration.welcome.tables import welcome
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, TARO, open_desk
from tests.registration.welcome.town import (
    HANAKO,
    admitted,
    entered,
    greetings,
    inside,
    open_chat,
    own_chats,
    signs,
    tap,
    welcome_of,
    welcoming_town,
)
from tests.support.fake_city import HALL, PORCH, SECRETARY, SERVER, FakeCity, alias
from tests.support.mail import Mailbox


async def test_the_greeting_names_circle_and_divisions_with_links_and_numbers(city: FakeCity) -> None:
    await admitted(city, prefecture="13")
    assert own_chats(city) == []  # an admission is one invite; the chat is for who has come in
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    (chat,) = own_chats(city)
    assert city.said(chat) == []  # a homeserver that is not in the chat yet would not hear of it
    await city.hs.join_as(HANAKO, chat)
    await city.settle()
    (one,) = greetings(city, chat)
    body = one["content"]["body"]
    links = [line for line in body.splitlines() if "matrix.to" in line]
    assert "ようこそ" in body
    assert "`!課 一覧`" in body
    # The circle; then one division of each group, and the next ones: other circles are no suggestions.
    wanted = [
        ("1", "東京都人会", "kenjinkai-13"),
        ("2", "みんなの財政課", "ka-zaisei"),
        ("3", "dxの課", "ka-dx"),
        ("4", "kohoの課", "ka-koho"),
    ]
    for line, (number, name, address) in zip(links, wanted, strict=True):
        assert line.startswith(number)
        assert f"[{name}](https://matrix.to/#/#{address}:{SERVER})" in line
    assert signs(city, chat) == ["1️⃣", "2️⃣", "3️⃣", "4️⃣"]
    # It calls the member, and says nothing about them.
    assert (one["content"]["msgtype"], one["content"]["m.mentions"]) == ("m.text", {"user_ids": [HANAKO]})
    assert [told for told in ("hanako", "試験組合", "K7M2PQ4X") if told in body] == []
    # The link is one tap.
    await city.hs.join_as(HANAKO, alias("ka-dx"))
    assert inside(city, "ka-dx") == "join"


async def test_who_is_admitted_by_command_is_greeted_without_a_circle(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    # Among the people in their client, not among the rooms.
    told = [e["content"] for e in city.hs.room(chat).timeline if e.get("state_key") == HANAKO]
    assert [one.get("is_direct") for one in told if one["membership"] == "invite"] == [True]
    assert "人会" not in city.heard(chat)
    assert signs(city, chat) == ["1️⃣", "2️⃣", "3️⃣"]


async def test_an_applicant_is_greeted_in_their_language_and_what_interests_them_comes_first(
    tmp_path: Path, new_database: NewDatabase, mailbox: Mailbox
) -> None:
    welcoming_town(tmp_path / "rooms")
    async with open_desk(new_database("sqlite"), tmp_path, mailbox) as desk:
        ticket = await desk.complete(TARO, replace(FORM, interests=("juumin", "gone", "koho"), language="en"))
        await desk.city.ask(f"!application approve {ticket.reference}")
        chat = await entered(desk.city, TARO)
        body = greetings(desk.city, chat)[0]["content"]["body"]
        links = [line for line in body.splitlines() if "matrix.to" in line]
        assert "Welcome to the city hall" in body
        names = ("Hokkaido Circle", "Residents Division", "The koho Division", "Everyone's Finance Division")
        assert [name for name, line in zip(names, links, strict=True) if f"[{name}]" not in line] == []
        assert "You are invited" in await tap(desk.city, chat, "1️⃣", user=TARO)


async def test_a_chat_that_they_have_opened_is_used(city: FakeCity) -> None:
    await admitted(city)
    theirs = await open_chat(city)
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    assert len(greetings(city, theirs)) == 1
    assert own_chats(city) == []
    assert "招待をお送りしました" in await tap(city, theirs, "2️⃣")


async def test_nobody_is_greeted_twice(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    await city.ask(f"!member admit {HANAKO}")
    await city.hs.leave_as(HANAKO, HALL)
    await city.settle()
    await city.hs.knock_as(HANAKO, PORCH)  # members are let back in
    await city.settle()
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    assert len(greetings(city, chat)) == 1
    assert own_chats(city) == [chat]


async def test_who_is_admitted_anew_after_a_removal_is_greeted_anew(city: FakeCity) -> None:
    chat = await entered(city, await admitted(city))
    await city.ask(f"!member remove {HANAKO} --yes")
    assert await welcome_of(city) is None
    await city.ask(f"!member admit {HANAKO}")
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    assert len(greetings(city, chat)) == 2


async def test_neither_who_was_inside_before_nor_the_secretariat_is_greeted(city: FakeCity) -> None:
    await admitted(city)
    async with city.app.store.transaction() as tx:
        await tx.connection.execute(delete(welcome))  # as an older version left it
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    await city.ask(f"!member admit {HANAKO}")
    assert (own_chats(city), own_chats(city, SECRETARY)) == ([], [])
    # A division is named, and entered, without a greeting all the same; a number says nothing.
    chat = await open_chat(city)
    assert "招待をお送りしました" in await city.ask("みんなの財政課", sender=HANAKO, room=chat)
    assert "わかりません" in await city.ask("1", sender=HANAKO, room=chat)


async def test_where_the_invitation_to_the_chat_is_refused_the_secretariat_is_told_and_can_have_it_tried_again(
    city: FakeCity,
) -> None:
    await admitted(city)
    city.hs.fail_next("invite", Forbidden("M_FORBIDDEN"))
    await city.hs.join_as(HANAKO, HALL)
    await city.settle()
    told = city.said()[-1]["content"]["body"]
    assert (f"welcome {HANAKO}" in told, "`！再試行`" in told) == (True, True)
    (parked,) = await city.parked()
    assert "welcome" in str(parked)
    await city.ask("!retry")
    (chat,) = own_chats(city)
    await city.hs.join_as(HANAKO, chat)
    await city.settle()
    assert len(greetings(city, chat)) == 1
    assert await city.parked() == []
