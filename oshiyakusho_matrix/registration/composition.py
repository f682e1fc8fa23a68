"""Puts the registration desk together, so that ``app`` has one line for each of its ways in.

Open only where there is a key to seal with and a mail server: without them the secretariat admits people by command.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.appservice.interface import Listener
from oshiyakusho_matrix.commands.dispatch import Overhear
from oshiyakusho_matrix.commands.interface import AskerLookup, Command
from oshiyakusho_matrix.commands.plain_talk import Attentive
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.commands.runner import Runner
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.homeserver.interface import AccountProvider
from oshiyakusho_matrix.outbox.interface import MailTransport, Outbox
from oshiyakusho_matrix.outbox.mail import MailOutbox, MailSender
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.reconcile.interface import Controller, Work
from oshiyakusho_matrix.registration.accounts.controller import AccountController
from oshiyakusho_matrix.registration.accounts.service import KIND as ACCOUNT
from oshiyakusho_matrix.registration.accounts.service import Offers
from oshiyakusho_matrix.registration.cards import still_open
from oshiyakusho_matrix.registration.commands import application_commands
from oshiyakusho_matrix.registration.controller import (
    EVERY_MORNING,
    ApplicationController,
    Doors,
    Morning,
    next_morning,
)
from oshiyakusho_matrix.registration.correspondence import Correspondence, Withholding, note_end
from oshiyakusho_matrix.registration.decisions import Decisions
from oshiyakusho_matrix.registration.domain import OPEN
from oshiyakusho_matrix.registration.domains.service import DomainRules
from oshiyakusho_matrix.registration.listeners import CardEcho, CardReactions, CardReplies, Claims
from oshiyakusho_matrix.registration.mailbox import MailboxProof
from oshiyakusho_matrix.registration.retention import Rest, Retention, close_files
from oshiyakusho_matrix.registration.service import RegistrationDesk
from oshiyakusho_matrix.registration.tables import find_by_account
from oshiyakusho_matrix.roster.events import Happened, MemberAdmitted
from oshiyakusho_matrix.roster.listeners import Expected
from oshiyakusho_matrix.roster.service import Roster
from oshiyakusho_matrix.roster.tables import room_in_role
from oshiyakusho_matrix.store.sealing import note_key
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from oshiyakusho_matrix.web.layout import in_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an installation decides about registration. ``public_url`` is where the pages are.

    ``automatic``: who fits in every respect is approved without a person (``findings.approves_itself``).
    """

    public_url: str
    automatic: bool = False

    def registration_page(self, language: str) -> str:
        """Return where the form is."""
        return self.public_url.rstrip("/") + in_language(language, "/register")

    def status_page(self, language: str) -> str:
        """Return how people type the address of the status page: mails carry no links."""
        return self.public_url.partition("://")[2].rstrip("/") + in_language(language, "/register/status")

    @property
    def review_url(self) -> str:
        """Where the review page is."""
        return self.public_url.rstrip("/") + "/review"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What the registration desk needs: a key to seal with, a mail server, and what the installation decided.

    Without ``accounts`` those who have no Matrix account bring one from elsewhere.
    """

    sealer: Sealer
    mail: MailTransport
    policy: Policy
    accounts: AccountProvider | None = None


class ClosedRegistration:
    """No desk: the pages say how to come in otherwise. Files of an earlier one are closed and deleted all the same."""

    controllers: tuple[Controller, ...]
    commands: tuple[Command[Any], ...] = ()
    overhear: tuple[Overhear, ...] = ()
    expected: Expected | None = None
    attentive: tuple[Attentive, ...] = ()
    mailer: MailSender | None = None
    parts: tuple[MailSender, ...] = ()
    desk: RegistrationDesk | None = None
    decisions: Decisions | None = None
    sign_form: Callable[[str], str] | None = None

    def __init__(self, *, store: Store, work: Work) -> None:
        self._store, self._work = store, work
        self.controllers = (Retention(store=store), Rest(EVERY_MORNING.kind), Rest(ACCOUNT))

    def listeners(self, *, registry: Registry, lookup: AskerLookup, runner: Runner) -> Mapping[str, Sequence[Listener]]:
        """Return what listens to events, by their type."""
        return {}

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """Close the files of those who are members no more."""
        await close_files(tx, self._work, happened)

    async def open(self, tx: Transaction) -> None:
        """Begin, at each start."""


class Registration(ClosedRegistration):
    """The desk with its ways in. ``doors`` is the homeserver; ``hall`` and ``porch`` return addresses."""

    desk: RegistrationDesk
    decisions: Decisions
    mailer: MailSender

    def __init__(
        self,
        reception: Reception,
        *,
        store: Store,
        outbox: Outbox,
        work: Work,
        roster: Roster,
        rules: DomainRules,
        bot: UserId,
        hall: Callable[[], Awaitable[str]],
        porch: Callable[[], Awaitable[str]],
        doors: Doors,
    ) -> None:
        super().__init__(store=store, work=work)
        self._outbox, self._bot = outbox, bot
        self._sealer = sealer = reception.sealer
        mail = MailOutbox(sealer, reception.mail.sender)
        offers = Offers(sealer=sealer, work=work, provider=reception.accounts)
        correspondence = Correspondence(
            sealer=sealer,
            mail=mail,
            words=Renderer().words,
            page=reception.policy.status_page,
        )
        self.decisions = Decisions(
            sealer=sealer,
            correspondence=correspondence,
            rules=rules,
            organisations=rules.organisations,
            roster=roster,
            outbox=outbox,
            work=work,
            bot=bot,
            automatic=reception.policy.automatic,
        )
        self.desk = RegistrationDesk(
            sealer=sealer,
            mailbox=MailboxProof(sealer=sealer, correspondence=correspondence),
            submissions=self.decisions,
            work=work,
            bot=bot,
            hall=hall,
            porch=porch,
            offers=offers,
        )
        self.mailer = MailSender(store, Withholding(reception.mail), mail, sealer, on_end=[note_end])
        self.parts = (self.mailer,)
        claims = Claims(self.desk)
        self.overhear = (claims.in_chat,)
        self.expected = claims.in_knock
        self.attentive = (_office_alone,)
        self.sign_form = lambda words: sealer.digest(words, "web.form")
        self.commands = application_commands(self.decisions, sealer=sealer, review_url=reception.policy.review_url)
        self.controllers = (
            ApplicationController(store=store, outbox=outbox, doors=doors, offers=offers),
            AccountController(store=store, sealer=sealer, provider=reception.accounts),
            Morning(store=store, outbox=outbox),
        )

    def listeners(self, *, registry: Registry, lookup: AskerLookup, runner: Runner) -> Mapping[str, Sequence[Listener]]:
        """Return what listens to events, by their type."""
        echo = CardEcho(bot=self._bot, outbox=self._outbox)
        replies = CardReplies(store=self._store, registry=registry, lookup=lookup, runner=runner, bot=self._bot)
        reactions = CardReactions(
            store=self._store, registry=registry, lookup=lookup, outbox=self._outbox, runner=runner, bot=self._bot
        )
        return {"m.room.message": (echo, replies), "m.reaction": (reactions,)}

    async def on_roster(self, tx: Transaction, happened: Happened) -> None:
        """Close files as ever; say what else waits of somebody who was admitted by command."""
        await super().on_roster(tx, happened)
        if isinstance(happened, MemberAdmitted):
            for reference in await find_by_account(tx.connection, happened.user_id, sorted(OPEN)):
                await self._outbox.tell_secretariat(tx, still_open(reference, user=happened.user_id))

    async def open(self, tx: Transaction) -> None:
        """Begin the days, try mails at once, and note which key seals from now on."""
        # A morning that went by while nobody served is made up for: then the key is due since.
        await self._work.ask(tx, EVERY_MORNING, due=next_morning(now()))
        await self.mailer.hurry(tx)
        await note_key(tx, self._sealer, at=now())


async def _office_alone(connection: AsyncConnection) -> Collection[str]:
    """Return the room in which nothing is plain talk: replies to our questions are ordinary messages."""
    office = await room_in_role(connection, "office")
    return () if office is None or office.room_id is None else (office.room_id,)
