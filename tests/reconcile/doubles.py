"""What the loop's tests put in place of the house around it: an outbox that remembers, controllers that are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.reconcile.follow_ups import DatabaseFollowUps, FollowUpController
from oshiyakusho_matrix.reconcile.interface import Settled, WorkKey
from oshiyakusho_matrix.reconcile.loop import ControllerLoop
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.reconcile.clocks import Clock, Steady

ASKER = ReplyTo("!office:example.jp", "$question", "ja", asker="@hanako:example.jp")
LONG = timedelta(seconds=30)


class Watched:
    """Something that tests wait for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LONG.total_seconds()):
            while not condition():
                await self._changed.wait()


class RecordingOutbox(Watched):
    """Implements ``outbox.interface.Outbox``; what was rolled back was never said."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[tuple[ReplyTo, Text]] = []
        self.told: list[Text] = []

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        tx.after_commit(lambda: self.replies.append((to, text)))
        tx.after_commit(self.changed)

    async def post(self, tx: Transaction, room_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("nothing here posts")

    async def react(self, tx: Transaction, room_id: str, event_id: str, key: str) -> None:
        raise AssertionError("nothing here reacts")

    async def edit(self, tx: Transaction, room_id: str, event_id: str, text: Text, **how: Any) -> None:
        raise AssertionError("nothing is edited here")

    async def redact(self, tx: Transaction, room_id: str, event_id: str) -> None:
        raise AssertionError("nothing is taken back here")

    async def tell_secretariat(self, tx: Transaction, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        tx.after_commit(lambda: self.told.append(text))


class Scripted(Watched):
    """A controller that does for each run what the test says; it notes its runs."""

    def __init__(self, do: Callable[[str], Awaitable[Settled]], kind: str = "space") -> None:
        super().__init__()
        self._do = do
        self._kind = kind
        self.runs: list[str] = []
        self.inside: set[str] = set()

    @property
    def kind(self) -> str:
        return self._kind

    async def reconcile(self, name: str) -> Settled:
        self.inside.add(name)
        self.runs.append(name)
        self.changed()
        try:
            return await self._do(name)
        finally:
            self.inside.discard(name)
            self.changed()


class House:
    """A loop with everything around it."""

    def __init__(
        self, store: Store, controller: Scripted, clock: Clock, outbox: RecordingOutbox, **options: Any
    ) -> None:
        self.store = store
        self.clock = clock
        self.outbox = outbox
        self.queue = WorkQueue(store, clock=clock, lease_for=options.pop("lease_for", timedelta(minutes=2)))
        self.follow_ups = DatabaseFollowUps(self.queue, outbox, clock=clock)
        self.loop = ControllerLoop(
            store=store,
            queue=self.queue,
            controllers=[controller, FollowUpController(store, outbox)],
            follow_ups=self.follow_ups,
            outbox=outbox,
            clock=clock,
            random=Steady(),
            **options,
        )

    async def ask(self, *names: str) -> None:
        async with self.store.transaction() as tx:
            for name in names:
                await self.queue.ask(tx, WorkKey("space", name))

    async def promise(self, done: Text, *names: str) -> None:
        async with self.store.transaction() as tx:
            await self.follow_ups.promise(tx, to=ASKER, keys=[WorkKey("space", name) for name in names], done=done)

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and wait until the loop has done what fell due."""
        self.clock.advance(seconds)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until nothing is in hand and nothing is due (retries that wait for the clock do not count)."""
        self.loop.wake()
        async with asyncio.timeout(LONG.total_seconds()):
            await self.loop.idle()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["House"]:
        task = asyncio.create_task(self.loop.run())
        try:
            yield self
        finally:
            await self.loop.stop()
            await task
