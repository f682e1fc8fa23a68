"""The composition root: the only file that knows everybody. Explicit lists, no registration at import.

``CityHallApp`` builds the house from an identity, a homeserver (real or fake) and a database, and runs its workers.
``operations/serving.py`` adds listeners, signals and the real homeserver.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.appservice.router import Router
from oshiyakusho_matrix.appservice.tables import lanes as inbox_lanes
from oshiyakusho_matrix.broadcasts.backstage.tables import is_backstage
from oshiyakusho_matrix.broadcasts.composition import Broadcasts
from oshiyakusho_matrix.broadcasts.links import LIVE_HOSTS
from oshiyakusho_matrix.commands.audit import audit_command
from oshiyakusho_matrix.commands.chats.controller import ChatController
from oshiyakusho_matrix.commands.chats.listeners import ChatWatch, SealedWatch
from oshiyakusho_matrix.commands.confirmation import Confirmations, PreviewEcho, expire
from oshiyakusho_matrix.commands.dispatch import MAX_AGE, Dispatch, first_of
from oshiyakusho_matrix.commands.help import registry_with_help
from oshiyakusho_matrix.commands.language import LANGUAGE
from oshiyakusho_matrix.commands.plain_talk import PlainTalk
from oshiyakusho_matrix.commands.reactions import Reactions
from oshiyakusho_matrix.commands.runner import Runner
from oshiyakusho_matrix.commands.runs import forget_runs
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.measures import Measures
from oshiyakusho_matrix.divisions.commands import division_commands, room_commands
from oshiyakusho_matrix.divisions.controller import RoomController
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.divisions.entrances import entrances
from oshiyakusho_matrix.divisions.heads import Heads
from oshiyakusho_matrix.divisions.listing import offices, some_of_each_group
from oshiyakusho_matrix.divisions.plan_controller import PlanController
from oshiyakusho_matrix.divisions.planner import Planner
from oshiyakusho_matrix.divisions.service import CityHall
from oshiyakusho_matrix.divisions.stages import house
from oshiyakusho_matrix.divisions.tables import forget_drift
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.homeserver.interface import Homeserver
from oshiyakusho_matrix.outbox.mail import MailSender, forget_mails
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.sender import OutboxSender
from oshiyakusho_matrix.outbox.tables import lanes as outbox_lanes
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.reconcile.follow_ups import DatabaseFollowUps, FollowUpController
from oshiyakusho_matrix.reconcile.housekeeping import EVERY_DAY, Housekeeper
from oshiyakusho_matrix.reconcile.loop import ControllerLoop
from oshiyakusho_matrix.reconcile.queue import WorkQueue
from oshiyakusho_matrix.reconcile.rooms import MAKING, RoomKeeper
from oshiyakusho_matrix.registration.composition import ClosedRegistration, Reception, Registration
from oshiyakusho_matrix.registration.domains.commands import domain_commands
from oshiyakusho_matrix.registration.domains.service import DomainRules
from oshiyakusho_matrix.registration.pages.interface import MOST_SUGGESTED, Suggested, asked_once_a_minute
from oshiyakusho_matrix.registration.pages.routes import registration_routes
from oshiyakusho_matrix.registration.welcome.controller import EntryController, WelcomeController
from oshiyakusho_matrix.registration.welcome.listeners import ChatJoins, GreetingEcho, Taps
from oshiyakusho_matrix.registration.welcome.service import Guide
from oshiyakusho_matrix.roster.askers import RosterAskers, RosterPlaces
from oshiyakusho_matrix.roster.commands import member_commands
from oshiyakusho_matrix.roster.controller import MemberController
from oshiyakusho_matrix.roster.events import Announcer
from oshiyakusho_matrix.roster.listeners import RoomWatch
from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.roster.service import Roster
from oshiyakusho_matrix.status.commands import status_commands
from oshiyakusho_matrix.status.figures import Status
from oshiyakusho_matrix.status.parking import Parking
from oshiyakusho_matrix.status.troubles import Troubles
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.visits import Route

logger = structlog.get_logger(__name__)


class CityHallApp:
    """The composed house. ``load_at_first`` reads the files for the first start; it may leave out what is wrong.

    Without a ``reception`` the registration desk is closed: the secretariat admits people by command.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        homeserver: Homeserver,
        engine: AsyncEngine,
        load: Callable[[], Declaration],
        load_at_first: Callable[[], Declaration] | None = None,
        concurrency: int = 8,
        making: timedelta = MAKING,
        max_age: timedelta = MAX_AGE,
        reception: Reception | None = None,
        live_hosts: Sequence[str] = LIVE_HOSTS,
    ) -> None:
        self.identity = identity
        self.homeserver = homeserver
        self.load = load
        self._load_at_first = load_at_first or load
        self.measures = measures = Measures()
        self.store = store = Store(engine)
        self.queue = queue = WorkQueue(store)
        self.outbox = outbox = DatabaseOutbox(Renderer())
        bot, server_name, name = identity.bot, identity.server_name, identity.display_name
        self.places = places = RosterPlaces(store=store, reader=homeserver, bot=bot, also=is_backstage)
        self.sender = OutboxSender(store, homeserver, places.office, outbox, hands=concurrency)
        keeper = RoomKeeper(homeserver, bot, making=making, measures=measures)
        self.planner = Planner(store=store, keeper=keeper, server_name=server_name, secretariat=identity.secretariat)
        heads = Heads(work=queue)
        self.hall = CityHall(work=queue, heads=heads, server_name=server_name, bot=bot)
        follow_ups = DatabaseFollowUps(queue, outbox)
        self.rules = rules = DomainRules(organisations())
        guide = Guide(work=queue, outbox=outbox, entrances=partial(entrances, server_name=server_name))
        askers = RosterAskers(store=store, reader=homeserver)
        broadcasts = Broadcasts(
            store=store, work=queue, outbox=outbox, house=house, lookup=askers, keeper=keeper, rooms=homeserver,
            bot=bot, live_hosts=live_hosts,
        )  # fmt: skip
        told = (self.hall.on_roster, lambda *a: self.registration.on_roster(*a), guide.on_roster, broadcasts.on_roster)
        self.roster = roster = Roster(work=queue, follow_ups=follow_ups, announcer=Announcer(told), bot=bot)
        self.registration: ClosedRegistration = ClosedRegistration(store=store, work=queue)
        if reception is not None:
            self.registration = Registration(
                reception,
                store=store,
                outbox=outbox,
                work=queue,
                roster=roster,
                rules=rules,
                bot=bot,
                hall=places.hall_address,
                porch=places.porch_address,
                doors=homeserver,
            )
        self.mailer = self.registration.mailer
        self.describe = describe = self.hall.describe
        self.troubles = Troubles(store=store, load=load)
        self.parking = Parking(queue=queue, inbox=lambda: self.inbox, sender=self.sender, describe=describe)
        runner = Runner(outbox=outbox, follow_ups=follow_ups)
        self.registry = registry = registry_with_help(
            (
                LANGUAGE,
                *status_commands(lambda: self.status.figures(), self.troubles.look, self.parking, describe),
                *division_commands(self.hall, heads),
                *member_commands(self.roster, accounts=homeserver, server_name=server_name, offices=offices),
                *domain_commands(rules),
                *self.registration.commands,
                *broadcasts.commands,
                *room_commands(self.hall, queue, load),
                audit_command(lambda: self.registry),
            )
        )
        confirmations = Confirmations(outbox=outbox, runner=runner)
        dispatch = Dispatch(
            registry=registry,
            bot=bot,
            bot_name=name,
            lookup=askers,
            places=places,
            outbox=outbox,
            runner=runner,
            confirmations=confirmations,
            porch_address=places.porch_address,
            register_at=None if reception is None else reception.policy.registration_page,
            max_age=max_age,
            overhear=first_of(*self.registration.overhear, guide.hear, broadcasts.hear),
        )
        reactions = Reactions(store=store, registry=registry, lookup=askers, outbox=outbox, runner=runner)
        listeners: dict[str, list[Listener]] = {
            "m.room.message": [PreviewEcho(bot=bot), GreetingEcho(guide=guide, bot=bot), dispatch],
            "m.reaction": [reactions, Taps(store=store, guide=guide, lookup=askers, runner=runner, bot=bot)],
            "m.room.encrypted": [SealedWatch(store=store, work=queue)],
        }
        own = self.registration.listeners(registry=registry, lookup=askers, runner=runner)
        for kind, more in (*own.items(), *broadcasts.listeners.items()):
            listeners.setdefault(kind, []).extend(more)
        router = Router(
            listeners,
            every_state=[
                RoomWatch(store=store, work=queue, outbox=outbox, expected=self.registration.expected),
                ChatWatch(store=store, work=queue, places=places, bot=bot),
                ChatJoins(store=store, work=queue),
            ],
        )
        sieve = PlainTalk(bot=bot, bot_name=name, attentive=(*self.registration.attentive, broadcasts.attentive))
        self.inbox = Inbox(store, router, outbox, bot=bot, sieve=sieve, hands=concurrency)
        chats = ChatController(
            store=store,
            rooms=homeserver,
            keeper=keeper,
            outbox=outbox,
            server_name=server_name,
            alias_prefix=places.hall_localpart,
            name=name,
        )
        self._parts: Sequence[Inbox | OutboxSender | MailSender] = (self.inbox, self.sender, *self.registration.parts)
        self.status = Status(store=store, inbox=self.inbox, sender=self.sender, queue=queue, mailer=self.mailer)
        self.loop = ControllerLoop(
            store=store,
            queue=queue,
            controllers=[
                WelcomeController(store=store, guide=guide, chats=chats, halls=homeserver),
                EntryController(store=store, guide=guide, halls=homeserver),
                RoomController(
                    store=store, keeper=keeper, work=queue, outbox=outbox, roster=roster, server_name=server_name
                ),
                MemberController(store=store, doors=homeserver, roster=self.roster, measures=measures),
                PlanController(planner=self.planner, load=load),
                *broadcasts.controllers,
                chats,
                FollowUpController(store, outbox),
                *self.registration.controllers,
                Housekeeper(
                    store=store,
                    forget=(self.inbox.forget, self.sender.forget, forget_mails, expire, forget_runs, forget_drift),
                    look_at_everything=self.hall.look_at_everything,
                ),
            ],
            follow_ups=follow_ups,
            outbox=outbox,
            describe=describe,
            # More keys than calls at once: while some read and write records, the homeserver has enough to do.
            concurrency=concurrency + concurrency // 2,
            measures=measures,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run inbox, controllers and outbox; leaving drains them within seconds. An error in one ends all."""
        parts = (self.loop, *self._parts)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part.run()) for part in parts]
            try:
                yield
            finally:
                for part in parts:
                    await part.stop()
                await asyncio.gather(*tasks)

    async def open(self) -> None:
        """Bring the records to where work can begin; what cannot be read is named in the log, and done without."""
        await self.troubles.log()
        async with self.store.transaction() as tx:
            # Before the files: they may name one of the secretariat as a head.
            await self.roster.bootstrap(tx, self.identity.secretariat)
            if await self.hall.is_empty(tx):
                declaration = await asyncio.to_thread(self._load_at_first)
                await self.hall.apply(tx, declaration, by=self.identity.bot)
                for trouble in await self.troubles.files():
                    await self.outbox.tell_secretariat(tx, trouble.left_out())
            # Due at once: what happened while we were away is looked for in every room.
            await self.queue.ask(tx, EVERY_DAY)
            await self.queue.hurry(tx)
            await self.registration.open(tx)
            for waiting, wake in ((inbox_lanes, self.inbox.wake), (outbox_lanes, self.sender.wake)):
                await waiting.hurry(tx.connection, now())
                # They may have looked already, and sleep until what they saw falls due.
                tx.after_commit(wake)

    async def announce(self) -> bool:
        """Ask the homeserver to deliver what it holds back; False (and logged) if it cannot reach us yet."""
        try:
            await self.homeserver.ping(self.identity.appservice_id, f"och-{secrets.token_hex(8)}")
        except (Temporary, Permanent) as error:
            logger.warning("the homeserver could not call back", reason=error.reason)
            return False
        return True

    async def routes(self, operator: str | None) -> Sequence[Route]:
        """Return the pages with forms; ``operator`` is who answers for personal data, as it stands on them."""
        return registration_routes(
            self.registration.desk,
            self.registration.decisions,
            store=self.store,
            rules=self.rules,
            suggestions=asked_once_a_minute(self._suggestions),
            porch=await self.places.porch_address(),
            operator=operator,
        )

    async def _suggestions(self) -> Sequence[Suggested]:
        async with self.store.reading() as connection:
            some = await some_of_each_group(connection, MOST_SUGGESTED)
        return [Suggested(each.slug, each.name.ja, each.name.en) for each in some]
