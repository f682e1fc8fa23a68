"""Who is admitted must exist, and an admission that cannot be carried out at once is told as it is."""

import asyncio

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.roster.tables import find_member
from tests.support.fake_city import HALL, SECRETARY, FakeCity, alias, someone

FAR = "elsewhere.example"


async def test_a_mistyped_account_of_our_own_is_refused_and_nothing_is_recorded(city: FakeCity) -> None:
    hanaco = someone("hanaco")
    city.hs.world.nobody.add(hanaco)
    invited = city.hs.calls["invite"]
    for flag in ("", " --secretariat"):
        answer = await city.ask(f"!member admit {hanaco}{flag}")
        assert "つづりを確かめてください" in answer
        assert "会員として承認しました" not in answer
    assert await standing(city, hanaco) is None
    assert city.hs.calls["invite"] == invited
    assert "拒否" in await city.ask("!audit 1")
    # Once there is such an account, it can be admitted.
    city.hs.world.nobody.clear()
    assert "会員として承認しました" in await city.ask(f"!member admit {hanaco}")


async def test_what_cannot_be_known_about_an_account_keeps_nobody_out(city: FakeCity) -> None:
    hanako, toku = someone("hanako"), someone("toku", FAR)
    city.hs.world.nobody |= {hanako, toku}
    city.hs.fail_next("has_account", Temporary("the homeserver is away"))
    assert "会員として承認しました" in await city.ask(f"!member admit {hanako}")
    # Of another server's accounts nobody asks ours.
    city.hs.calls.clear()
    assert "会員として承認しました" in await city.ask(f"!member admit {toku}")
    assert city.hs.calls["has_account"] == 0


async def test_a_server_that_is_away_is_told_in_the_language_of_who_asks(city: FakeCity) -> None:
    toku = someone("toku", FAR)
    city.hs.world.away.add(FAR)
    await city.hs.say_as(SECRETARY, alias("cityhall-jimukyoku"), f"!member admit {toku}")
    await heard(city, f"サーバー {FAR} に、今は接続できません")
    assert "会員として承認しました" not in city.heard()
    assert "502" not in city.heard()
    city.hs.world.away.clear()
    await city.settle()
    assert "会員として承認しました" in city.heard()
    assert city.hs.room(HALL).membership(toku) == "invite"


async def test_an_admission_that_was_overtaken_by_a_removal_says_so_and_not_that_it_came_about(city: FakeCity) -> None:
    toku = someone("toku", FAR)
    city.hs.world.away.add(FAR)
    admitted = await city.hs.say_as(SECRETARY, alias("cityhall-jimukyoku"), f"!member admit {toku}")
    await heard(city, "今は接続できません")
    removed = await city.hs.say_as(SECRETARY, alias("cityhall-jimukyoku"), f"!member remove {toku} --yes")
    await city.settle()
    of_admission, of_removal = answers(city, admitted), answers(city, removed)
    assert "承認しました" not in of_admission
    assert f"その間に、{SECRETARY} さんが {toku} さんを会員から外しました" in of_admission
    assert f"{toku} さんは会員ではなくなりました" in of_removal
    assert "その間に" not in of_removal
    assert await standing(city, toku) == "removed"


async def test_a_removal_that_was_overtaken_by_an_admission_says_so(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    kick, away = city.hs.kick, True

    async def fails(room_id: RoomId, user_id: UserId, reason: str = "", *, seen: str | None = None) -> None:
        if away:
            raise Temporary("a proxy is away")
        await kick(room_id, user_id, reason)

    city.hs.kick = fails  # type: ignore[method-assign]
    removed = await city.hs.say_as(SECRETARY, alias("cityhall-jimukyoku"), f"!member remove {hanako} --yes")
    await heard(city, "まだ完了していません")
    admitted = await city.hs.say_as(SECRETARY, alias("cityhall-jimukyoku"), f"!member admit {hanako}")
    await city.app.inbox.idle()  # or the removal, tried again, may be faster than the admission
    away = False
    await city.settle()
    assert "もう一度承認しました" in answers(city, removed)
    assert "会員ではなくなりました" not in answers(city, removed)
    assert "会員として承認しました" in answers(city, admitted)


async def test_the_offices_that_somebody_holds_are_shown(city: FakeCity) -> None:
    hanako = await city.member("hanako")
    assert "課長" not in await city.ask(f"!member show {hanako}")
    await city.ask(f"!division head zaisei {hanako} --until 2099-03-31")
    await city.ask(f"!division head juumin {hanako}")
    shown = await city.ask(f"!会員 詳細 {hanako}")
    assert "財政課（`zaisei`）の課長: 20" in shown
    assert "（任期は 2099-03-31 まで）" in shown
    assert "`juumin`" in shown
    await city.ask(f"!division head zaisei {hanako} --end")
    assert "`zaisei`" not in await city.ask(f"!member show {hanako}")


async def test_the_audit_is_not_read_out_where_others_read_along(city: FakeCity) -> None:
    await city.hs.join_as(SECRETARY, alias("ka-zaisei-danwa"))
    await city.settle()
    answer = await city.ask("!audit", room=alias("ka-zaisei-danwa"))
    assert "事務局室か、ほかにだれもいない私との個別チャットで" in answer
    assert "最近の記録" in await city.ask("!audit")


async def standing(city: FakeCity, user: UserId) -> str | None:
    """Return what is on record."""
    async with city.app.store.reading() as connection:
        member = await find_member(connection, user)
    return None if member is None else member.standing.value


async def heard(city: FakeCity, words: str) -> None:
    """Wait until the bot has said something in 事務局室 while other things are still being tried."""
    async with asyncio.timeout(60):
        while words not in city.heard():
            await city.hs.deliver_pending()
            await city.app.inbox.idle()
            await city.app.sender.idle()
            await asyncio.sleep(0.05)


def answers(city: FakeCity, event_id: str) -> str:
    """Return all that the bot said in answer to a message."""
    replies = [e["content"] for e in city.said()]
    return "\n".join(
        c["body"] for c in replies if c.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == event_id
    )
