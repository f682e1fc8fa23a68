"""The controller loop: runs keys, writes what follows in one commit, survives failures, kills and company."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import structlog.testing
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.text import plain, say
from oshiyakusho_matrix.reconcile.interface import Priority, Settled, WorkKey
from oshiyakusho_matrix.reconcile.leases import Counts, ParkedWork
from oshiyakusho_matrix.reconcile.loop import loggable
from oshiyakusho_matrix.reconcile.parked import parked_keys
from oshiyakusho_matrix.reconcile.reports import because
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.reconcile.clocks import Clock
from tests.reconcile.doubles import ASKER, LONG, House, RecordingOutbox, Scripted


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox() -> RecordingOutbox:
    return RecordingOutbox()


async def fine(_name: str) -> Settled:
    return Settled()


async def forever(_name: str) -> Settled:
    await asyncio.Event().wait()
    raise AssertionError("never reached")


async def down(_name: str) -> Settled:
    raise Temporary("the homeserver is down")


async def forbidden(_name: str) -> Settled:
    raise Permanent("the room says no")


async def broken(_name: str) -> Settled:
    raise KeyError("架空の太郎")


async def until_run(controller: Scripted, count: int = 1) -> None:
    """Wait until ``count`` runs have begun."""
    await controller.until(lambda: len(controller.runs) >= count)


async def parked_in(store: Store) -> list[ParkedWork]:
    async with store.reading() as connection:
        return await parked_keys(connection)


async def test_a_key_runs_once_and_again_when_it_said(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    async def daily(_name: str) -> Settled:
        return Settled(look_again=clock() + timedelta(days=1))

    controller = Scripted(daily)
    async with House(store, controller, clock, outbox).running() as house:
        await house.ask("zaisei")
        await house.quiet()
        assert controller.runs == ["zaisei"]
        await house.pass_time(24 * 3600 - 1)
        assert controller.runs == ["zaisei"]
        await house.pass_time(1)
        assert controller.runs == ["zaisei", "zaisei"]


async def test_the_homeserver_is_down_and_comes_back(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    async def down_six_times(name: str) -> Settled:
        return await (down(name) if len(controller.runs) <= 6 * 3 else fine(name))

    controller = Scripted(down_six_times)
    async with House(store, controller, clock, outbox).running() as house:
        await house.promise(say("{name} was made.", name="財政課"), "zaisei")
        await house.ask("koho", "somu")
        await house.quiet()
        assert outbox.replies == []
        for seconds in (1, 2, 4, 8, 16, 32):
            await house.pass_time(seconds)
        assert Counter(controller.runs) == {"zaisei": 7, "koho": 7, "somu": 7}
        assert await house.queue.counts() == Counts()
    # The asker read it once meanwhile, and then the outcome; the secretariat read of one key, not of three.
    assert [text.msgid.partition(" ")[0] for _, text in outbox.replies] == ["It", "{name}"]
    assert [text.msgid.partition(":")[0] for text in outbox.told] == [
        "Something has not worked for a while and is tried again by itself",
        "It works again",
    ]


async def test_what_is_forbidden_is_parked_told_and_tried_again_when_asked(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    controller = Scripted(forbidden)
    async with House(store, controller, clock, outbox).running() as house:
        await house.promise(say("done"), "zaisei")
        await house.quiet()
        await house.pass_time(3600)
        assert controller.runs == ["zaisei"]
        (parked,) = await parked_in(store)
        assert (parked.key, parked.why) == (WorkKey("space", "zaisei"), "the room says no")
        controller._do = fine
        await house.ask("zaisei")
        await house.quiet()
        assert await house.queue.counts() == Counts()
    what = say("{kind} {name}", kind="space", name="zaisei")
    (told,) = outbox.told
    assert (told.values, told.parts[0]) == ({"what": what}, because("the room says no"))
    ((to, reply),) = outbox.replies
    assert (to, reply.values, reply.parts) == (ASKER, {"what": what}, (because("the room says no"),))


async def test_what_is_parked_for_the_same_reason_again_is_told_once_and_anew_once_it_worked_meanwhile(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    async def another(_name: str) -> Settled:
        raise Permanent("the room says nothing")

    controller = Scripted(forbidden)
    async with House(store, controller, clock, outbox).running() as house:
        for behaviour in (forbidden, forbidden, another, forbidden, fine, forbidden):
            controller._do = behaviour
            await house.ask("zaisei")
            await house.quiet()
            await house.pass_time(24 * 3600)
    assert len(controller.runs) == 6
    assert [told.parts[0].values["why"] for told in outbox.told] == [
        "the room says no",
        "the room says nothing",
        "the room says no",
        "the room says no",
    ]


async def test_thirty_parked_keys_are_no_flood(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    async with House(store, Scripted(forbidden), clock, outbox).running() as house:
        await house.ask(*(f"s{number}" for number in range(30)))
        await house.quiet()
        assert (await house.queue.counts()).parked == 30
    assert len(outbox.told) == 6


async def test_a_bug_is_parked_after_four_runs_and_its_words_are_nowhere(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    controller = Scripted(broken)
    with structlog.testing.capture_logs() as logs:
        async with House(store, controller, clock, outbox).running() as house:
            await house.ask("@taro:example.jp")
            for seconds in (0, 1, 2, 4, 3600):
                await house.pass_time(seconds)
            (parked,) = await parked_in(store)
    assert len(controller.runs) == 4
    assert plain(parked.why) == "a bug in this program (KeyError)"
    assert " broken" in next(entry["at"] for entry in logs if "at" in entry)
    assert "架空の太郎" not in str(logs)
    assert "taro" not in str(logs)


async def test_a_killed_loop_loses_nothing(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    hanging, working = Scripted(forever), Scripted(fine)
    first = House(store, hanging, clock, outbox)
    task = asyncio.create_task(first.loop.run())
    await first.ask("zaisei")
    await until_run(hanging)
    task.cancel()  # as kill -9 would: nobody gives the key back
    await asyncio.wait({task})
    async with House(store, working, clock, outbox).running() as second:
        await second.pass_time(119)
        assert working.runs == []
        await second.pass_time(1)
        assert working.runs == ["zaisei"]
        assert await second.queue.counts() == Counts()


async def test_stopping_gives_back_what_cannot_end(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    controller = Scripted(forever)
    house = House(store, controller, clock, outbox)
    task = asyncio.create_task(house.loop.run())
    await house.ask("zaisei", "somu")
    await until_run(controller, 2)
    await house.loop.stop(timedelta(milliseconds=20))
    await task
    assert (controller.inside, await house.queue.counts()) == (set(), Counts(due=2))


async def test_stopping_waits_for_what_can_end(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    may_end = asyncio.Event()

    async def patient(_name: str) -> Settled:
        await may_end.wait()
        return Settled()

    controller = Scripted(patient)
    house = House(store, controller, clock, outbox, concurrency=1)
    task = asyncio.create_task(house.loop.run())
    await house.ask("zaisei", "somu")
    await until_run(controller)
    stopping = asyncio.create_task(house.loop.stop(LONG))
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(stopping, task)
    assert (len(controller.runs), await house.queue.counts()) == (1, Counts(due=1))


async def test_two_loops_share_the_work_and_never_one_key(
    engine: AsyncEngine, clock: Clock, outbox: RecordingOutbox
) -> None:
    both_at_it, at_it, inside, collisions = asyncio.Event(), set[str](), set[str](), list[str]()

    def worker(me: str) -> Scripted:
        async def do(name: str) -> Settled:
            collisions.extend({name} & inside)
            inside.add(name)
            at_it.add(me)
            if len(at_it) == 2:
                both_at_it.set()
            # With every hand: the others of one who has come first could do all the rest before the second looks.
            await both_at_it.wait()
            for _ in range(3):
                await asyncio.sleep(0)
            inside.discard(name)
            return Settled(look_again=clock() + timedelta(hours=1))

        return Scripted(do)

    first, second = worker("first"), worker("second")
    names = [f"s{number:02}" for number in range(30)]
    one, two = (House(Store(engine), each, clock, outbox, concurrency=3) for each in (first, second))
    await one.ask(*names)
    async with one.running(), two.running():
        for rounds in (1, 2):
            await asyncio.gather(one.quiet(), two.quiet())
            assert Counter(first.runs + second.runs) == Counter(names * rounds)
            clock.advance(3600)
    assert first.runs
    assert second.runs
    assert collisions == []


async def test_no_more_than_the_hands_it_has_and_the_gate_first(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    most = 0

    async def count(_name: str) -> Settled:
        nonlocal most
        most = max(most, len(controller.inside))
        await asyncio.sleep(0)
        return Settled()

    controller = Scripted(count)
    house = House(store, controller, clock, outbox, concurrency=2)
    await house.ask(*(f"s{number}" for number in range(10)))
    async with store.transaction() as tx:
        await house.queue.ask(tx, WorkKey("space", "gate"), priority=Priority.GATE)
    async with house.running():
        await house.quiet()
    assert (most, controller.runs[0], len(controller.runs)) == (2, "gate", 11)


async def test_a_run_whose_lease_is_lost_is_cut_off_and_writes_nothing(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    controller = Scripted(forever)
    house = House(store, controller, clock, outbox, lease_for=timedelta(milliseconds=60))
    async with house.running():
        await house.ask("zaisei")
        await until_run(controller)
        clock.advance(1)
        taken: list[object] = []
        while not taken:  # it renews by real time, and we must come in between
            clock.advance(1)
            taken += await house.queue.claim(1, kinds=["space"])
        await controller.until(lambda: not controller.inside)
        assert (await house.queue.counts()).leased == 1


async def test_a_run_that_hangs_is_cut_off_and_tried_again(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    controller = Scripted(forever)
    async with House(store, controller, clock, outbox, longest_run=timedelta(milliseconds=30)).running() as house:
        await house.ask("zaisei")
        await house.quiet()
        assert await house.queue.counts() == Counts(retrying=1)
        assert not controller.inside


async def test_settle_all_waits_for_everything_and_shows_progress(
    store: Store, clock: Clock, outbox: RecordingOutbox
) -> None:
    async def with_a_parent(name: str) -> Settled:
        if name != "hall":
            await house.ask("hall")
        return Settled()

    seen: list[tuple[int, int]] = []
    controller = Scripted(with_a_parent)
    house = House(store, controller, clock, outbox, concurrency=3)
    await house.ask(*(f"s{number}" for number in range(9)))
    async with house.running():
        counts = await house.loop.settle_all(LONG, lambda done, total: seen.append((done, total)))
    assert (counts.busy, controller.runs[-1]) == (0, "hall")
    assert seen[0] == (0, 9)
    assert seen[-1][0] == seen[-1][1] == len(controller.runs)


async def test_settle_all_gives_up_in_time(store: Store, clock: Clock, outbox: RecordingOutbox) -> None:
    async with House(store, Scripted(down), clock, outbox).running() as house:
        await house.ask("zaisei")
        counts = await house.loop.settle_all(timedelta(milliseconds=200))
    assert counts.busy == 1


def test_people_are_a_digest_in_logs() -> None:
    assert loggable(WorkKey("space", "zaisei")) == "space:zaisei"
    assert "taro" not in loggable(WorkKey("member", "@taro:example.jp"))
