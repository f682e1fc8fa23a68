"""Writing and sending: in the commit of the reason, in order, once; what cannot go out is parked and said."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select, update

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import Content, Forbidden, NotDone
from oshiyakusho_matrix.outbox.interface import Outbox, ReplyTo
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.outbox.tables import SECRETARIAT, outbox_message
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.store.lanes import LEASE, MOST_FAILURES, Backlog, RowState
from oshiyakusho_matrix.store.unit_of_work import Store

RENDERER = Renderer({"ja": {"Done, {name}.": "{name}、完了しました。"}, "en": {}})
OFFICE = RoomId("!office")


class Rooms:
    """A messenger that remembers transaction ids as a homeserver does. ``refuse`` may raise instead."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Content]] = []
        self.known: dict[str, EventId] = {}
        self.calls = 0
        self.refuse: Callable[[RoomId, Content], None] = lambda _room, _content: None
        self.lose_answers = False

    async def send_event(
        self, room_id: RoomId, event_type: str, content: Content, *, transaction_id: str, sender: UserId | None = None
    ) -> EventId:
        self.calls += 1
        await asyncio.sleep(0)
        self.refuse(room_id, content)
        if transaction_id not in self.known:
            self.known[transaction_id] = EventId(f"$sent{len(self.known)}")
            self.said.append((room_id, content))
        if self.lose_answers:
            raise Temporary("the answer was lost")
        return self.known[transaction_id]

    def bodies(self, room_id: str) -> list[str]:
        return [content["body"] for room, content in self.said if room == room_id]


class Clock:
    """A clock that tests move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


class House:
    """An outbox with its sender on one database; ``restart`` makes the sender of the next process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rooms = Rooms()
        self.clock = Clock()
        self.office: RoomId | None = OFFICE
        self.restart()

    def restart(self) -> None:
        self.outbox = DatabaseOutbox(RENDERER, now=self.clock)
        self.sender = OutboxSender(self.store, self.rooms, self.where, self.outbox, now=self.clock)

    async def where(self) -> RoomId | None:
        return self.office

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await self.sender.stop()
            await task
            self.restart()

    async def settle(self) -> None:
        await asyncio.wait_for(self.sender.idle(), 10)

    async def send_all(self) -> None:
        async with self.sending():
            await self.settle()

    async def post(self, room: str, *words: str) -> None:
        async with self.store.transaction() as tx:
            for each in words:
                await self.outbox.post(tx, room, say("{words}", words=each))

    async def post_and_fail(self, room: str, words: str) -> None:
        async with self.store.transaction() as tx:
            await self.outbox.post(tx, room, say("{words}", words=words))
            raise ZeroDivisionError

    async def rows(self) -> list[Row[Any]]:
        async with self.store.reading() as connection:
            return list((await connection.execute(select(outbox_message).order_by(outbox_message.c.id))).all())

    async def states(self) -> list[str]:
        return [row.state for row in await self.rows()]


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def to(**more: Any) -> ReplyTo:
    return ReplyTo("!a", "$asked", "ja", **more)


async def test_an_answer_is_a_notice_that_replies_and_calls_nobody(house: House) -> None:
    outbox: Outbox = house.outbox
    async with house.store.transaction() as tx:
        await outbox.reply(tx, to(), say("Done, {name}.", name="花子<b>"), extra={"jp.oshiyakusho.confirmation": "X"})
    await house.send_all()
    ((room, content),) = house.rooms.said
    assert room == "!a"
    assert content == {
        "msgtype": "m.notice",
        "body": "花子<b>、完了しました。",
        "format": "org.matrix.custom.html",
        "formatted_body": "花子&lt;b&gt;、完了しました。",
        "m.mentions": {},
        "m.relates_to": {"m.in_reply_to": {"event_id": "$asked"}},
        "jp.oshiyakusho.confirmation": "X",
    }


async def test_an_answer_to_a_thread_stays_in_it(house: House) -> None:
    async with house.store.transaction() as tx:
        await house.outbox.reply(tx, to(thread_root="$root"), say("Done, {name}.", name="花子"))
    (row,) = await house.rows()
    assert row.content["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$asked"},
    }


@pytest.mark.parametrize("key", ["body", "m.relates_to", "msgtype"])
async def test_extras_cannot_replace_what_matrix_defines(house: House, key: str) -> None:
    with pytest.raises(ValueError, match="namespaced"):
        async with house.store.transaction() as tx:
            await house.outbox.reply(tx, to(), say("Done, {name}.", name="花子"), extra={key: "x"})
    assert await house.rows() == []


async def test_what_is_posted_is_a_notice_that_calls_nobody(house: House) -> None:
    await house.post("!a", "quiet")
    (row,) = await house.rows()
    assert (row.content["msgtype"], row.content["m.mentions"]) == ("m.notice", {})


async def test_what_was_rolled_back_is_never_said(house: House) -> None:
    async with house.sending():
        with pytest.raises(ZeroDivisionError):
            await house.post_and_fail("!a", "no")
        await house.post("!a", "yes")
        await house.settle()
    assert house.rooms.bodies("!a") == ["yes"]


async def test_goes_out_at_once_in_the_order_of_each_room(house: House) -> None:
    async with house.sending():
        await house.settle()
        words = [str(number) for number in range(45)]
        await house.post("!a", *words)
        await house.post("!b", "x")
        await house.settle()
    assert house.rooms.bodies("!a") == words
    assert house.rooms.bodies("!b") == ["x"]
    rows = await house.rows()
    assert {row.state for row in rows} == {"sent"}
    assert {row.event_id for row in rows} == set(house.rooms.known.values())


async def test_a_lost_answer_makes_no_double(house: House) -> None:
    await house.post("!a", "once", "twice")
    house.rooms.lose_answers = True
    await house.send_all()
    assert await house.states() == ["pending", "pending"]
    house.rooms.lose_answers = False
    house.clock.ahead = timedelta(minutes=1)
    await house.send_all()
    assert house.rooms.bodies("!a") == ["once", "twice"]
    assert await house.states() == ["sent", "sent"]
    assert house.rooms.calls == 3


async def test_a_crash_between_sending_and_noting_makes_no_double(house: House) -> None:
    await house.post("!a", "once")
    sent = asyncio.Event()

    def stop_here(_room: RoomId, _content: Content) -> None:
        if sent.is_set():
            return
        sent.set()
        raise asyncio.CancelledError  # the process dies while the answer is on its way

    house.rooms.refuse = stop_here
    task = asyncio.create_task(house.sender.run())
    await asyncio.wait_for(sent.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = await house.rows()
    assert row.state == "pending"
    assert row.first_attempt_at is not None
    house.clock.ahead += LEASE  # where processes share the work, the dead one still holds the room for so long
    house.restart()
    await house.send_all()
    assert house.rooms.bodies("!a") == ["once"]
    assert await house.states() == ["sent"]


async def test_the_room_waits_as_long_as_the_homeserver_says(house: House) -> None:
    def limited(room: RoomId, _content: Content) -> None:
        if room == "!a":
            raise Temporary("too many requests", timedelta(seconds=90))

    house.rooms.refuse = limited
    await house.post("!a", "first", "second")
    await house.post("!b", "other")
    await house.send_all()
    assert house.rooms.bodies("!b") == ["other"]
    first, second, _ = await house.rows()
    assert first.due_at - now() > timedelta(seconds=80)
    assert (first.attempts, first.last_error) == (1, "too many requests")
    assert first.first_attempt_at is None
    assert second.first_attempt_at is None
    house.rooms.refuse = lambda _room, _content: None
    house.clock.ahead = timedelta(seconds=91)
    await house.send_all()
    assert house.rooms.bodies("!a") == ["first", "second"]


@pytest.mark.parametrize("error", [Forbidden("the bot is not in the room"), Permanent("the event is too large")])
async def test_what_is_refused_is_parked_and_the_secretariat_hears_of_it(house: House, error: Permanent) -> None:
    def refuse(room: RoomId, content: Content) -> None:
        if content["body"] == "no":
            raise error

    house.rooms.refuse = refuse
    await house.post("!a", "no", "yes")
    await house.send_all()
    assert house.rooms.bodies("!a") == ["yes"]
    parked, sent, told = await house.rows()
    assert (parked.state, parked.last_error, sent.state) == ("parked", error.reason, "sent")
    assert told.address == SECRETARIAT
    (said,) = house.rooms.bodies(OFFICE)
    assert error.reason in said
    assert "!a" in said
    assert await house.sender.backlog() == Backlog(parked=1)


async def test_what_the_secretariats_room_refuses_is_not_told_to_it(house: House) -> None:
    def refuse(_room: RoomId, _content: Content) -> None:
        raise Permanent("too large")

    house.rooms.refuse = refuse
    async with house.store.transaction() as tx:
        await house.outbox.tell_secretariat(tx, say("{words}", words="hello"))
    await house.send_all()
    assert await house.states() == ["parked"]


async def test_what_is_for_the_secretariats_room_waits_while_the_bot_is_not_let_in(house: House) -> None:
    def refuse(_room: RoomId, _content: Content) -> None:
        raise Forbidden("not in the room")

    house.rooms.refuse = refuse
    async with house.store.transaction() as tx:
        await house.outbox.tell_secretariat(tx, say("{words}", words="hello"))
    for _ in range(3):
        await house.send_all()
        house.clock.ahead += timedelta(days=2)
    assert await house.states() == ["pending"]
    house.rooms.refuse = lambda _room, _content: None
    await house.send_all()
    assert house.rooms.bodies(OFFICE) == ["hello"]


async def test_a_bug_is_tried_again_then_parked(house: House) -> None:
    def bug(room: RoomId, _content: Content) -> None:
        if room == "!a":
            raise KeyError("secret")

    house.rooms.refuse = bug
    await house.post("!a", "x")
    for _ in range(MOST_FAILURES):
        await house.send_all()
        house.clock.ahead += timedelta(minutes=1)
    row, _told = await house.rows()
    assert (row.state, row.last_error, row.attempts) == ("parked", "KeyError", MOST_FAILURES)


async def test_the_secretariat_is_told_once_its_room_exists(house: House) -> None:
    house.office = None
    async with house.sending():
        async with house.store.transaction() as tx:
            await house.outbox.tell_secretariat(tx, say("{words}", words="one"))
            await house.outbox.tell_secretariat(tx, say("{words}", words="two"))
        await house.post("!a", "other")
        await house.settle()
        assert house.rooms.bodies("!a") == ["other"]
        assert (await house.states())[:2] == ["pending", "pending"]
        house.office = OFFICE
        house.clock.ahead = timedelta(days=3)
        house.sender.wake()
        await house.settle()
    assert house.rooms.bodies(OFFICE) == ["one", "two"]


async def test_what_may_have_been_said_yesterday_is_not_said_again(house: House) -> None:
    await house.post("!a", "perhaps", "behind")
    house.rooms.lose_answers = True
    await house.send_all()
    house.rooms.lose_answers = False
    house.rooms.known.clear()  # the homeserver has forgotten the transaction id
    house.clock.ahead = timedelta(hours=21)
    await house.send_all()
    assert house.rooms.bodies("!a") == ["perhaps", "behind"]
    perhaps, behind, told = await house.rows()
    assert (perhaps.state, behind.state, told.address) == ("parked", "sent", SECRETARIAT)
    assert "could double" in perhaps.last_error


async def test_what_was_never_tried_goes_out_however_old_it_is(house: House) -> None:
    await house.post("!a", "late")
    house.clock.ahead = timedelta(days=30)
    await house.send_all()
    assert house.rooms.bodies("!a") == ["late"]


async def test_an_outage_of_days_parks_nothing_because_nothing_was_sent(house: House) -> None:
    def nobody_there(_room: RoomId, _content: Content) -> None:
        raise NotDone("the homeserver cannot be reached")

    house.rooms.refuse = nobody_there
    await house.post("!a", "late")
    await house.send_all()
    house.rooms.refuse = lambda _room, _content: None
    house.clock.ahead = timedelta(days=3)
    await house.send_all()
    assert house.rooms.bodies("!a") == ["late"]
    assert await house.states() == ["sent"]


async def test_what_another_process_has_sent_meanwhile_stays_as_it_left_it(house: House) -> None:
    async def too_slow(*_where: object, **_what: object) -> EventId:
        async with house.store.transaction() as tx:
            await tx.connection.execute(update(outbox_message).values(state=RowState.SENT, sent_at=now()))
        raise Temporary("the answer was lost")

    house.rooms.send_event = too_slow  # type: ignore[method-assign]
    await house.post("!a", "x")
    await house.send_all()
    (row,) = await house.rows()
    assert (row.state, row.attempts, row.last_error) == ("sent", 0, None)


async def test_sent_messages_are_trimmed(house: House) -> None:
    await house.post("!a", "x")
    await house.send_all()
    await house.post("!a", "y")
    async with house.store.transaction() as tx:
        assert await house.sender.forget(tx, now() - timedelta(days=30)) == 0
        assert await house.sender.forget(tx, now() + timedelta(seconds=1)) == 1
    assert await house.states() == ["pending"]


async def test_stopping_finishes_the_message_in_hand(house: House) -> None:
    begun = asyncio.Event()

    class Slow(Rooms):
        async def send_event(
            self,
            room_id: RoomId,
            event_type: str,
            content: Mapping[str, Any],
            *,
            transaction_id: str,
            sender: UserId | None = None,
        ) -> EventId:
            begun.set()
            await asyncio.sleep(0.1)
            return await super().send_event(room_id, event_type, content, transaction_id=transaction_id, sender=sender)

    house.rooms = Slow()
    house.restart()
    await house.post("!a", "one", "two")
    task = asyncio.create_task(house.sender.run())
    await asyncio.wait_for(begun.wait(), 10)
    await house.sender.stop()
    await task
    one, two = await house.rows()
    assert (one.state, two.state) == ("sent", "pending")
    assert two.first_attempt_at is None
