"""One community in a process of its own, for ``test_size``: fills it, starts the house, and says what things cost.

Run as ``python -m tests.benchmarks.community_run MEMBERS ROOMS DIRECTORY``; prints one line of JSON. A time is two: the
milliseconds that passed, and those of the processor; medians where a thing is done several times. Memory, in MiB, is
what the house adds to the homeserver's own.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.catalogue import load_from
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.operations.metrics import Watch
from oshiyakusho_matrix.operations.monitoring import Health
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import prepare
from tests.benchmarks.community import Size, fill, write_files
from tests.benchmarks.floor import median
from tests.support.fake_city import OFFICE, SECRETARY, SERVER, deliver_to, someone
from tests.support.memory import forget_peak, resident_mib

#: How often a thing is done.
OFTEN = 20


#: Milliseconds that passed, and those of the processor.
Cost = tuple[float, float]


async def timed(work: Callable[[], Awaitable[object]]) -> Cost:
    """Return what something took."""
    began, busy = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - began) * 1000, (time.process_time() - busy) * 1000


class Costs:
    """Does what happens in a city hall, and times it."""

    def __init__(self, app: CityHallApp, hs: FakeHomeserver, size: Size, rooms: Sequence[RoomId]) -> None:
        self._app, self._hs, self._size, self._rooms = app, hs, size, rooms

    async def done(self) -> None:
        """Wait until nothing is in hand."""
        await self._app.inbox.idle()
        await self._app.loop.idle()
        await self._app.sender.idle()

    async def asked(self, body: str) -> None:
        """Give a command, and wait for all that comes of it."""
        await self._hs.say_as(SECRETARY, OFFICE, body)
        await self.done()

    async def often(self, one: Callable[[int], Awaitable[object]]) -> Cost:
        """Do something several times; return the medians. The first time is for warming up."""
        await one(0)
        costs = [await timed(partial(one, number)) for number in range(1, OFTEN + 1)]
        return median([passed for passed, _ in costs]), median([busy for _, busy in costs])

    async def plan(self) -> Cost:
        """Compare files, records and rooms."""

        async def plan() -> None:
            plan = await self._app.planner.plan(self._app.load())
            assert not plan.rooms, plan.rooms[:2]

        return await timed(plan)

    async def talk(self) -> Cost:
        """Return what a hundred plain messages in one transaction cost until they are dealt with."""
        world = self._hs.world
        home = world.rooms[self._rooms[0]]
        someone_in = next(user for user in home.joined() if user != self._hs.bot)

        async def hundred(number: int) -> None:
            for each in range(100):
                world.impose(
                    home, someone_in, "m.room.message", None, {"msgtype": "m.text", "body": f"{number}.{each}"}
                )
            await self._hs.deliver_pending()
            await self.done()

        return await self.often(hundred)

    async def join(self) -> Cost:
        """Return what it costs when a member joins a room."""

        async def join(number: int) -> None:
            room = self._hs.world.rooms[self._rooms[number]]
            members = (self._size.person(number) for number in range(self._size.members))
            user = next(user for user in members if room.membership(user) != "join")
            self._hs.world.impose(room, user, "m.room.member", user, {"membership": "join"})
            await self._hs.deliver_pending()
            await self.done()

        return await self.often(join)

    async def help(self) -> Cost:
        """Return what a command costs that changes nothing."""
        return await self.often(lambda _: self.asked("!help"))

    async def admit(self) -> Cost:
        """Return what an admission costs, from the command to the invite and the outcome in words."""
        cost = await self.often(lambda number: self.asked(f"!member admit {someone(f'new{number}')}"))
        assert self._hs.room(f"#cityhall:{SERVER}").membership(someone(f"new{OFTEN}")) == "invite"
        return cost

    async def remove(self) -> tuple[Cost, float]:
        """Return what a removal costs, and how many calls it makes."""
        before = sum(self._hs.calls.values())
        cost = await self.often(lambda number: self.asked(f"!member remove --yes {self._size.person(500 + number)}"))
        gone = self._size.person(500 + OFTEN)
        left = [r.room_id for r in self._hs.world.rooms.values() if r.membership(gone) == "join"]
        assert not left, left
        return cost, (sum(self._hs.calls.values()) - before) / (OFTEN + 1)

    async def metrics(self) -> Cost:
        """Return what ``/metrics`` costs."""
        watch = Watch.over(self._app, Health(self._app.store, self._hs))

        async def look(_: int) -> None:
            await watch.page()

        return await self.often(look)


async def main(size: Size, directory: Path) -> dict[str, float | Cost]:
    """Fill, start, measure."""
    files = write_files(directory / "rooms", size)
    hs = FakeHomeserver(UserId(f"@shiyakusho:{SERVER}"))
    engine = create_engine(f"sqlite+aiosqlite:///{directory / 'city.db'}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        await prepare(engine)
        rooms = await fill(Store(engine), hs, files, size)
        gc.collect()
        gc.freeze()
        forget_peak()
        before = resident_mib()
        identity = Identity(appservice_id="test", server_name=SERVER, bot=hs.bot, secretariat=(SECRETARY,))
        app = CityHallApp(identity=identity, homeserver=hs, engine=engine, load=load_from(files))
        hs.deliver = deliver_to(app)
        await stack.enter_async_context(app.working())
        costs = Costs(app, hs, size, rooms)
        found: dict[str, float | Cost] = {"rooms": len(hs.world.rooms)}
        found["start"] = await timed(app.open)
        found["first look"] = await timed(partial(app.loop.settle_all, timedelta(hours=1)))
        counts = await app.queue.counts()
        assert counts.busy == counts.parked == 0, counts
        found["memory, first look"] = resident_mib(peak=True) - before
        found["plan"] = await costs.plan()
        found["memory, plan"] = resident_mib(peak=True) - before
        forget_peak()
        found["100 messages"] = await costs.talk()
        found["join"] = await costs.join()
        found["command"] = await costs.help()
        found["admission"] = await costs.admit()
        found["removal"], found["removal, calls"] = await costs.remove()
        found["/metrics"] = await costs.metrics()
        found["memory, work"] = resident_mib(peak=True) - before
    return found


if __name__ == "__main__":
    members, rooms, where = sys.argv[1:]
    with (Path(where) / "log").open("w", encoding="utf-8") as log:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=log))
        print(json.dumps(asyncio.run(main(Size(int(members), int(rooms)), Path(where)))), flush=True)
