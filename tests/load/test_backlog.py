"""A backlog after an outage is worked off in each room's order, and a fresh command does not wait for its end."""

import asyncio
import time
from collections import defaultdict

import pytest

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent, Write
from oshiyakusho_matrix.store.lanes import Backlog
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.appservice.fakes import BOT, RememberingOutbox, deliver, handling, message


class Reader:
    """A listener as a city hall has it: of a hundred events one is a command and leads to something written."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[str]] = defaultdict(list)
        self.handled = 0
        self.answered_after: int | None = None
        self.answered = asyncio.Event()

    async def __call__(self, event: InboundEvent) -> Write | None:
        if event.content["body"] == "talk":
            self._note(event)
            return None

        async def write(tx: Transaction) -> None:
            tx.after_commit(lambda: self._note(event))

        return write

    def _note(self, event: InboundEvent) -> None:
        self.handled += 1
        if event.event_id == "$fresh":
            self.answered_after = self.handled
            self.answered.set()
        self.rooms[event.room_id].append(event.event_id)


async def work_off(store: Store, events: int, *, rooms: int) -> tuple[Reader, float]:
    """Deliver a backlog, handle it, and have a fresh command come in; return what was seen, and events a second."""
    reader = Reader()
    inbox = Inbox(store, reader, RememberingOutbox(), bot=BOT)
    for start in range(0, events, 100):
        listed = range(start, min(start + 100, events))
        batch = [message(f"${n}", room=f"!{n % rooms}", body="talk" if n % 100 else "!command") for n in listed]
        await deliver(inbox, str(start), batch)
    began = time.perf_counter()
    async with handling(inbox):
        await deliver(inbox, "fresh", [message("$fresh", room="!quiet", body="!status")])
        await asyncio.wait_for(reader.answered.wait(), 600)
        await inbox.idle()
        took = time.perf_counter() - began
    assert await inbox.backlog() == Backlog()
    return reader, events / took


def assert_in_order(reader: Reader, events: int, rooms: int) -> None:
    assert reader.handled == events + 1
    for room in range(rooms):
        assert reader.rooms[f"!{room}"] == [f"${n}" for n in range(room, events, rooms)]


async def test_a_backlog_keeps_each_rooms_order_and_lets_a_fresh_command_through(store: Store) -> None:
    reader, _ = await work_off(store, 3000, rooms=60)
    assert_in_order(reader, 3000, 60)
    assert reader.answered_after is not None
    assert reader.answered_after < 1500, "it did not wait for the backlog"


@pytest.mark.soak
@pytest.mark.parametrize("rooms", [20, 500, 20_000])
async def test_a_hundred_thousand_events(store: Store, rooms: int) -> None:
    reader, rate = await work_off(store, 100_000, rooms=rooms)
    print(f"\n100,000 events in {rooms} rooms: {rate:.0f} a second; fresh command after {reader.answered_after}")
    assert_in_order(reader, 100_000, rooms)
    assert reader.answered_after is not None
    assert reader.answered_after < 10_000
