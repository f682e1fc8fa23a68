"""Use cases of a programme: plan, change, cancel, and move on, by hand or by the clock.

Called by commands, by the controller and by listeners. Nothing here talks to the homeserver: what is said goes to the
outbox, who has the word goes on record, and both in the commit of the step.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import func, insert, select, update

from oshiyakusho_matrix.broadcasts import words
from oshiyakusho_matrix.broadcasts.domain import (
    DOORS_BEFORE,
    ON,
    PLANNED,
    PUBLIC,
    PUNCTUAL,
    REMINDERS,
    State,
    Step,
    Talk,
    advance,
    decide_times,
    due_reminder,
    due_step,
    overlapping,
    steps_to,
)
from oshiyakusho_matrix.broadcasts.links import decide_link
from oshiyakusho_matrix.broadcasts.tables import find_talk, talk, talk_post, talks_in
from oshiyakusho_matrix.broadcasts.telling import Telling
from oshiyakusho_matrix.commands.interface import Asker, Role
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.roster.stages import House, Houses, Stage, give_word
from oshiyakusho_matrix.roster.tables import current_among
from oshiyakusho_matrix.store.statements import one_at_a_time, upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

logger = structlog.get_logger(__name__)

KIND: Final = "talk"
#: What ``one_at_a_time`` calls this: who has the word on a stage depends on all its talks. Taken before any row.
_PROGRAMME: Final = 6


def talk_key(number: int) -> WorkKey:
    """Return the key of a talk: due whenever the clock wants something of it."""
    return WorkKey(KIND, str(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A talk as somebody plans it. ``stage`` None: the first one."""

    title: str
    starts_at: datetime
    ends_at: datetime | None
    host: UserId
    guests: Sequence[str] = ()
    stage: str | None = None
    questions: timedelta = timedelta()
    live_url: str | None = None
    divisions: Sequence[str] = ()


class Programme:
    """Plans talks and moves them on. ``house`` reads the stages."""

    def __init__(self, *, work: Work, telling: Telling, house: Houses, live_hosts: Collection[str]) -> None:
        self._work, self._telling, self._live_hosts = work, telling, live_hosts
        self.house = house

    async def plan(self, tx: Transaction, plan: Plan, *, by: Asker) -> Talk:
        """Write a draft. ``Refused`` if the time, the stage or the host will not do."""
        await one_at_a_time(tx.connection, _PROGRAMME)
        house, present = await self.house(tx.connection), now()
        self._check_host(house, None, by)
        starts_at, ends_at = decide_times(plan.starts_at, plan.ends_at, present=present)
        stage = _stage_named(house, plan.stage)
        _check_divisions(house, plan.divisions)
        await self._check_member(tx, plan.host)
        await self._check_free(tx, house, stage.name, starts_at, ends_at)
        number: int = 1 + (await tx.connection.scalar(select(func.max(talk.c.number))) or 0)
        row = insert(talk).values(
            number=number,
            state=State.DRAFT,
            title=plan.title,
            host=plan.host,
            guests=list(plan.guests),
            stage=stage.name,
            starts_at=starts_at,
            ends_at=ends_at,
            questions_minutes=int(plan.questions.total_seconds()) // 60,
            live_url=None if plan.live_url is None else decide_link(plan.live_url, self._live_hosts),
            divisions=list(plan.divisions),
            version=0,
            created_by=by.user_id,
            created_at=present,
            changed_at=present,
        )
        await tx.connection.execute(row)
        return await self.take_up(tx, number)

    async def change(self, tx: Transaction, number: int, *, by: Asker, **values: Any) -> tuple[Talk, Sequence[WorkKey]]:
        """Change what was planned; everybody who was told of it is told so. Columns of ``talk`` by name."""
        house, before = await self.take_up_as_host(tx, number, by=by)
        if before.state not in PLANNED:
            advance(before.state, Step.CANCEL, number=number)
        starts_at, ends_at = values.get("starts_at", before.starts_at), values.get("ends_at", before.ends_at)
        if "starts_at" in values:
            if before.state in ON - {State.DOORS}:
                raise Refused(say("Talk {number} has begun. Its end can be moved: --end", number=number))
            starts_at, ends_at = decide_times(starts_at, values.get("ends_at"), present=now())
            if values.get("ends_at") is None:
                ends_at = starts_at + (before.ends_at - before.starts_at)
            values |= {"starts_at": starts_at, "ends_at": ends_at, "reminded_at": now()}
        if "host" in values:
            await self._check_member(tx, values["host"])
        if "live_url" in values:
            values["live_url"] = decide_link(values["live_url"], self._live_hosts)
        stage = _stage_named(house, values.get("stage", before.stage))
        await self._check_free(tx, house, stage.name, starts_at, ends_at, but=number)
        if before.state in PUBLIC:
            values["version"] = before.version + 1
        await tx.connection.execute(update(talk).where(talk.c.number == number).values(**values, changed_at=now()))
        after = await self.take_up(tx, number)
        if before.state is State.DOORS and now() < after.starts_at - DOORS_BEFORE:
            after = await self._move(tx, after, Step.PUT_OFF)
        keys = [*await self._give_word(tx, house, after.stage)]
        if after.stage != before.stage:
            keys += await self._give_word(tx, house, before.stage)
        if before.state in PUBLIC:
            await self._telling.of_change(tx, before, after, house)
        await self._work.ask(tx, talk_key(number))
        return after, keys

    async def go(self, tx: Transaction, number: int, step: Step, *, by: Asker) -> tuple[Talk, Sequence[WorkKey]]:
        """Move a talk on by hand; what lies between is done with it. ``OutOfOrder`` if it cannot get there."""
        house, one = await self.take_up_as_host(tx, number, by=by)
        keys: list[WorkKey] = []
        *between, last = steps_to(one.state, step, number=number)
        for each in between:
            one, more = await self._step(tx, one, each, house, said=False)
            keys += more
        one, more = await self._step(tx, one, last, house, opened=Step.OPEN in between)
        keys += more
        return one, list(dict.fromkeys(keys))

    async def cancel(self, tx: Transaction, number: int, *, reason: str, by: Asker) -> tuple[Talk, Sequence[WorkKey]]:
        """Cancel a talk; everybody who was told of it is told so."""
        house, before = await self.take_up_as_host(tx, number, by=by)
        after = await self._move(tx, before, Step.CANCEL)
        await self._work.ask(tx, talk_key(number))
        keys = await self._give_word(tx, house, after.stage)
        if before.state in PUBLIC:
            await self._telling.of_end(tx, before, house, reason)
        return after, keys

    async def catch_up(self, tx: Transaction, number: int) -> datetime | None:
        """Do what the clock wants of a talk by now; return when it wants something again."""
        present = now()
        await one_at_a_time(tx.connection, _PROGRAMME)
        one = await find_talk(tx.connection, number, lock=True)
        if one is None:
            return None
        house = await self.house(tx.connection)
        while (due := due_step(one)) is not None and due[1] <= present:
            one, _ = await self._step(tx, one, due[0], house, due=due[1])
        missed = None
        while (reminder := due_reminder(one, after=missed or one.starts_at - 2 * REMINDERS[0])) and reminder <= present:
            missed = reminder
        if missed is not None and present < one.starts_at:
            await tx.connection.execute(update(talk).where(talk.c.number == number).values(reminded_at=missed))
            await self._telling.remind(tx, one, house, missed)
            one = await self.take_up(tx, number)
        step, reminder = due_step(one), due_reminder(one, after=present)
        return min((each for each in (None if step is None else step[1], reminder) if each is not None), default=None)

    async def came_back(self, tx: Transaction, number: int, room_id: RoomId, event_id: EventId) -> None:
        """Note under which id an announcement stands, and put a hand under it, so that one tap is enough."""
        if await find_talk(tx.connection, number) is None:
            return
        row = upsert(tx.connection, talk_post).values(event_id=event_id, room_id=room_id, number=number)
        noted = await tx.connection.execute(row.on_conflict_do_nothing(index_elements=["event_id"]))
        if noted.rowcount:
            await self._telling.hand(tx, room_id, event_id)

    async def take_up(self, tx: Transaction, number: int) -> Talk:
        """Return a talk, which nobody else changes until the transaction ends. ``Refused`` if there is none."""
        found = await find_talk(tx.connection, number, lock=True)
        if found is None:
            raise Refused(say("There is no talk {number}. `!talk list` shows those to come.", number=number))
        return found

    async def take_up_as_host(self, tx: Transaction, number: int, *, by: Asker) -> tuple[House, Talk]:
        """Return the house and a talk for whoever leads it: nothing of the programme changes meanwhile."""
        await one_at_a_time(tx.connection, _PROGRAMME)
        house, one = await self.house(tx.connection), await self.take_up(tx, number)
        self._check_host(house, one, by)
        return house, one

    async def _step(
        self,
        tx: Transaction,
        one: Talk,
        step: Step,
        house: House,
        *,
        due: datetime | None = None,
        said: bool = True,
        opened: bool = False,
    ) -> tuple[Talk, Sequence[WorkKey]]:
        """Take a step, and say so. ``due``: by the clock, since then. ``opened``: the doors opened with it, unsaid."""
        late = timedelta() if due is None or now() - due <= PUNCTUAL else now() - due
        after = await self._move(tx, one, step, **({"reminded_at": now()} if step is Step.ANNOUNCE else {}))
        keys = await self._give_word(tx, house, after.stage)
        logger.info("a talk moved on", talk=one.number, step=step.value, late=round(late.total_seconds()))
        if said:
            await self._telling.of_step(tx, after, step, house, late=late, opened=opened)
        await self._work.ask(tx, talk_key(one.number))
        return after, keys

    async def _move(self, tx: Transaction, one: Talk, step: Step, **values: Any) -> Talk:
        state = advance(one.state, step, number=one.number)
        await tx.connection.execute(
            update(talk).where(talk.c.number == one.number).values(state=state, changed_at=now(), **values)
        )
        return await self.take_up(tx, one.number)

    async def _give_word(self, tx: Transaction, house: House, name: str) -> Sequence[WorkKey]:
        """Have those write on a stage whose talk is on air; with none on air, those whose doors are open."""
        stage = house.stages.get(name)
        if stage is None:
            return []
        here = [each for each in await talks_in(tx.connection, ON) if each.stage == name]
        on_air = [each for each in here if each.state is not State.DOORS] or here
        return [*await give_word(tx, self._work, stage.studio, {each.host for each in on_air})]

    async def _check_free(
        self,
        tx: Transaction,
        house: House,
        stage: str,
        starts_at: datetime,
        ends_at: datetime,
        *,
        but: int | None = None,
    ) -> None:
        others = [each for each in await talks_in(tx.connection, PLANNED) if each.number != but]
        found = overlapping(others, stage=stage, starts_at=starts_at, ends_at=ends_at)
        if found:
            free = [
                each
                for each in house.stages.values()
                if not overlapping(others, stage=each.name, starts_at=starts_at, ends_at=ends_at)
            ]
            raise Refused(words.taken(found, house, free))

    @staticmethod
    async def _check_member(tx: Transaction, user_id: UserId) -> None:
        if user_id not in await current_among(tx.connection, [user_id]):
            raise Refused(say("{user} is not a member, so they cannot host a talk.", user=user_id))

    @staticmethod
    def _check_host(house: House, one: Talk | None, by: Asker) -> None:
        if by.role >= Role.SECRETARIAT or by.user_id in house.hosts or (one is not None and by.user_id == one.host):
            return
        raise Refused(say("Only the secretariat, hosts and the host of the talk can do that."), turn_to_others=True)


def _stage_named(house: House, name: str | None) -> Stage:
    if not house.stages:
        raise Refused(say("No stage is declared; one is made by a room with posting: speakers."), turn_to_others=True)
    if name is None:
        return next(iter(house.stages.values()))
    found = [each for each in house.stages.values() if name in (each.name, each.ja, each.en)]
    if not found:
        names = "、".join(f"{each.name} ({each.ja})" for each in house.stages.values())
        raise Refused(say("There is no stage {name}. The stages are: {stages}", name=name, stages=names))
    return found[0]


def _check_divisions(house: House, slugs: Sequence[str]) -> None:
    unknown = [slug for slug in slugs if slug not in house.news]
    if unknown:
        raise Refused(
            say(
                "There is no division {slug} with a room for news. `!division list` shows the short names.",
                slug=unknown[0],
            )
        )
