"""The worker that the inbox, the outbox and the controller loop share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.worker import Batch, Job, Worker, backoff, frames

Run = Callable[[], Awaitable[None]]


class Jobs:
    """A source in memory: keys in order, each with what to do; a job is gone once it was run to its end."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, Run]] = []
        self.later: Batch = Batch()
        self.fail_once: Exception | None = None

    async def take(self, busy: frozenset[Hashable], limit: int) -> Batch:
        if self.fail_once is not None:
            error, self.fail_once = self.fail_once, None
            raise error
        due: dict[str, Job] = {}
        for key, run in self.waiting:
            if key not in busy and key not in due:
                due[key] = Job(key, self._once(key, run))
        return Batch(list(due.values())[:limit], self.later.next_due)

    def _once(self, key: str, run: Run) -> Run:
        async def once() -> None:
            await run()
            self.waiting.remove((key, run))

        return once


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        await worker.stop()
        await task


async def test_runs_one_job_of_a_key_at_a_time_and_never_more_than_it_has_hands() -> None:
    jobs, at_once, keys_at_once, most = Jobs(), set[int](), list[str](), [0]

    def job(key: str, number: int) -> Run:
        async def run() -> None:
            assert key not in keys_at_once
            keys_at_once.append(key)
            at_once.add(number)
            most[0] = max(most[0], len(at_once))
            await asyncio.sleep(0.001)
            at_once.remove(number)
            keys_at_once.remove(key)

        return run

    jobs.waiting = [(f"room{number % 5}", job(f"room{number % 5}", number)) for number in range(25)]
    worker = Worker("test", jobs, hands=3)
    async with running(worker):
        await asyncio.wait_for(worker.idle(), 5)
    assert jobs.waiting == []
    assert most == [3]


async def test_is_woken_and_wakes_by_itself_when_the_next_job_falls_due() -> None:
    jobs, done = Jobs(), asyncio.Event()

    async def run() -> None:
        done.set()

    worker = Worker("test", jobs)
    async with running(worker):
        await asyncio.wait_for(worker.idle(), 5)
        jobs.waiting.append(("a", run))
        worker.wake()
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.wait_for(worker.idle(), 5)
        done.clear()
        jobs.later = Batch(next_due=now() + timedelta(seconds=0.2))
        worker.wake()
        await asyncio.wait_for(worker.idle(), 5)
        jobs.waiting.append(("a", run))  # nobody wakes it
        await asyncio.wait_for(done.wait(), 5)
        jobs.later = Batch()


async def test_a_broken_job_rests_while_others_run(caplog: pytest.LogCaptureFixture) -> None:
    jobs, tries, fine = Jobs(), [0], asyncio.Event()

    async def broken() -> None:
        tries[0] += 1
        raise KeyError("@hanako:example.jp")

    async def well() -> None:
        fine.set()

    jobs.waiting = [("broken", broken), ("well", well)]
    worker = Worker("test", jobs)
    async with running(worker):
        await asyncio.wait_for(fine.wait(), 5)
        await asyncio.wait_for(worker.idle(), 5)
        worker.wake()
        await asyncio.wait_for(worker.idle(), 5)
    assert tries == [1]
    assert "KeyError" in caplog.text
    assert "hanako" not in caplog.text


async def test_a_source_that_is_away_is_asked_again() -> None:
    jobs, done = Jobs(), asyncio.Event()

    async def run() -> None:
        done.set()

    jobs.waiting = [("a", run)]
    jobs.fail_once = Temporary("the database is restarting")
    async with running(Worker("test", jobs)):
        await asyncio.wait_for(done.wait(), 5)


async def test_a_source_with_a_bug_ends_the_worker() -> None:
    jobs = Jobs()
    jobs.fail_once = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await Worker("test", jobs).run()


async def test_stopping_waits_for_the_jobs_in_hand_and_cancels_what_takes_too_long() -> None:
    jobs, begun, release, ended = Jobs(), asyncio.Event(), asyncio.Event(), list[str]()

    async def quick() -> None:
        begun.set()
        await release.wait()
        ended.append("quick")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    jobs.waiting = [("quick", quick), ("endless", endless)]
    worker = Worker("test", jobs)
    task = asyncio.create_task(worker.run())
    await begun.wait()
    asyncio.get_running_loop().call_later(0.05, release.set)
    await worker.stop(grace=timedelta(seconds=0.3))
    await task
    assert ended == ["quick", "cancelled"]


async def test_stopping_what_never_ran_is_fine() -> None:
    await asyncio.wait_for(Worker("test", Jobs()).stop(), 1)


def test_backing_off_doubles_up_to_five_minutes_and_honours_what_was_asked_for() -> None:
    waits = [backoff(attempts).total_seconds() for attempts in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert backoff(10_000) == timedelta(minutes=5)
    assert backoff(1, timedelta(seconds=30)) == timedelta(seconds=30)


def test_the_log_says_where_without_quoting_the_message() -> None:
    try:
        int("hanako")
    except ValueError as error:
        said = frames(error)
    assert said.startswith("ValueError at test_worker.py:")
    assert "hanako" not in said
