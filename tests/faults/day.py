"""One day of the city hall before a real Synapse, whatever goes wrong.

``live_through`` puts a proxy on either side of the service and has people go through the same day (``script``) under
each plan. What people see themselves is not disturbed: they are elsewhere. On SQLite, because half of what breaks
within the process is SQLite's (``breaking``).
"""

import sqlite3
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.endings import differences, look
from tests.faults.keeping import DATABASE, Keeper
from tests.faults.meddling import PATIENCE, Meddler
from tests.faults.notices import may_differ
from tests.faults.plans import Plan, Where
from tests.faults.runner import OUTPUT, Order
from tests.faults.script import Command, Script
from tests.faults.sites import SynapseSite
from tests.faults.town import tiny_town
from tests.support.ports import ReservedPort
from tests.support.proxy import Proxy
from tests.support.users import MatrixUser


@dataclass(frozen=True, slots=True)
class Day:
    """How a day ended: the facts (``endings.look``), the commands, and what went wrong on the way.

    ``counted`` are the requests to the homeserver and the transactions from it.
    """

    facts: list[str]
    commands: list[Command]
    happened: list[str]
    counted: tuple[int, int]


async def live_through(plan: Plan, site: SynapseSite, people: Mapping[str, MatrixUser], directory: Path) -> Day:
    """Have the day happen under a plan; ``directory`` is there and empty. AssertionError where people are let down."""
    outward = Meddler(plan.of_row(Where.OUTWARD))
    inward = Meddler(plan.of_row(Where.INWARD), "/transactions/")
    port = ReservedPort()
    async with AsyncExitStack() as stack:
        stack.callback(port.release)
        behind = port.open_to_listeners()
        address = await stack.enter_async_context(Proxy(site.installation.homeserver_url, outward).running())
        await stack.enter_async_context(Proxy(f"http://127.0.0.1:{behind}", inward).running(site.installation.port))
        prefix = site.installation.alias_prefix
        database_url = f"sqlite+aiosqlite:///{directory / DATABASE}"
        keeper = Keeper(
            Order(
                directory=directory,
                database_url=database_url,
                installation=replace(site.installation, homeserver_url=address, port=behind),
                declaration=tiny_town(directory / "rooms", prefix),
                edited=tiny_town(directory / "edited-rooms", prefix, edited=True),
                secretary=site.secretary,
                hands=plan.hands,
                timeout=PATIENCE,
            ),
            plan,
        )
        stack.callback(keeper.kill)
        script = Script(plan, site, people, directory, keeper)
        try:
            await script.live()
            facts = [script.plain(line) for line in await look(site, database_url)]
            await _nothing_said_twice(site, directory / DATABASE)
        except Exception as error:
            happened = "\n".join([*outward.happened, *inward.happened, *keeper.happened])
            output = (directory / OUTPUT).read_text("utf-8")
            raise AssertionError(f"{error!r}\nhappened:\n{happened}\nthe service said:\n{output[-5000:]}") from error
        return Day(
            sorted(line for line in facts if not may_differ(line)),
            script.commands,
            [*outward.happened, *inward.happened, *keeper.happened],
            (outward.number, inward.number),
        )


async def _nothing_said_twice(site: SynapseSite, database: Path) -> None:
    """Whatever the bot said in a room it says that it has said, and nothing besides: also where texts may differ."""
    bot = site.installation.bot
    heard = {e["event_id"] for room in await site.rooms() for e in room.messages if e["sender"] == bot}
    with closing(sqlite3.connect(database)) as connection:
        sent = "SELECT event_id FROM outbox_message WHERE state = 'sent' AND event_type = 'm.room.message'"
        said = {row[0] for row in connection.execute(sent)}
    assert heard == said, f"said without knowing: {heard - said}; not heard: {said - heard}"


def otherwise(expected: Day, day: Day, plan: Plan) -> list[str]:
    """Return in what a day ended otherwise than the undisturbed one: lost or doubled replies, and other facts."""
    facts, complaints = list(expected.facts), list[str]()
    for wanted, command in zip(expected.commands, day.commands, strict=True):
        if command.failed and plan.refuses and not command.said:
            # It was said that it failed, so its outcome never was; after ``!retry`` all else is as it must be.
            facts.remove(next(line for line in facts if line.endswith(f" message of BOT: {wanted.said[0]}")))
        elif command.said != wanted.said or command.failed:
            complaints.append(f"to {wanted.text}: {command.said} (failed: {command.failed}) instead of {wanted.said}")
    return [*complaints, *differences(facts, day.facts)]
