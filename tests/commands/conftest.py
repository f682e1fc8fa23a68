"""A town hall of fakes around the real command language, on a real database."""

from dataclasses import dataclass

import pytest_asyncio
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.commands.audit import audit_command
from oshiyakusho_matrix.commands.confirmation import CONTENT_KEY, Confirmations, PreviewEcho
from oshiyakusho_matrix.commands.dispatch import Dispatch
from oshiyakusho_matrix.commands.help import registry_with_help
from oshiyakusho_matrix.commands.language import LANGUAGE
from oshiyakusho_matrix.commands.reactions import Reactions
from oshiyakusho_matrix.commands.runner import Runner
from oshiyakusho_matrix.commands.tables import audit
from oshiyakusho_matrix.store.engine import WRITING
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.commands.fakes import (
    BOT,
    Clock,
    FakeAskers,
    FakeFollowUps,
    FakeOutbox,
    FakePlaces,
    Reply,
    event,
    porch_address,
)
from tests.commands.sample import COMMANDS, board


@dataclass
class Counter:
    """The command language as ``app`` would put it together, and what came out of it."""

    store: Store
    outbox: FakeOutbox
    follow_ups: FakeFollowUps
    askers: FakeAskers
    clock: Clock
    dispatch: Dispatch
    echo: PreviewEcho
    reactions: Reactions

    async def hear(self, happening: InboundEvent) -> list[Reply]:
        """Take one event through every listener, as the router does; return the answers to it."""
        before = len(self.outbox.replies)
        writes = [await listener(happening) for listener in (self.dispatch, self.echo, self.reactions)]
        async with self.store.transaction() as tx:
            for write in writes:
                if write is not None:
                    await write(tx)
        return self.outbox.replies[before:]

    async def answer(self, happening: InboundEvent) -> Reply:
        """As ``hear``; there is exactly one answer."""
        (reply,) = await self.hear(happening)
        return reply

    async def preview(self, happening: InboundEvent, *, echo_as: str) -> Reply:
        """Have a command ask for confirmation, and let the bot's echo come back under the event id ``$event<N>``."""
        reply = await self.answer(happening)
        number = int(echo_as.removeprefix("$event"))
        content = {"msgtype": "m.notice", "body": "…", CONTENT_KEY: reply.extra[CONTENT_KEY]}
        assert not await self.hear(event(content, sender=BOT, room=happening.room_id, number=number))
        return reply

    async def audited(self) -> list[Row[tuple[object, ...]]]:
        """Return the audit, the oldest entry first."""
        async with self.store.reading() as connection:
            return list((await connection.execute(select(audit).order_by(audit.c.id))).all())


@pytest_asyncio.fixture
async def counter(store: Store, engine: AsyncEngine) -> Counter:
    """The command language with the sample commands, on SQLite and on PostgreSQL."""
    async with engine.execution_options(**{WRITING: True}).begin() as connection:
        await connection.run_sync(board.metadata.create_all)
    outbox, follow_ups, askers, clock = FakeOutbox(), FakeFollowUps(), FakeAskers(), Clock()
    registry = registry_with_help((LANGUAGE, *COMMANDS, audit_command(lambda: registry, clock=clock)))
    runner = Runner(outbox=outbox, follow_ups=follow_ups, clock=clock)
    return Counter(
        store=store,
        outbox=outbox,
        follow_ups=follow_ups,
        askers=askers,
        clock=clock,
        dispatch=Dispatch(
            registry=registry,
            bot=BOT,
            bot_name="市役所",
            lookup=askers,
            places=FakePlaces(),
            outbox=outbox,
            runner=runner,
            confirmations=Confirmations(outbox=outbox, runner=runner, clock=clock),
            porch_address=porch_address,
            clock=clock,
        ),
        echo=PreviewEcho(bot=BOT),
        reactions=Reactions(store=store, registry=registry, lookup=askers, outbox=outbox, runner=runner, clock=clock),
    )
