"""A city hall in memory whose registration desk is open: real mail on loopback, real records, invented people."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.interface import AccountProvider, NewRoom
from oshiyakusho_matrix.registration.composition import Policy, Reception, Registration
from oshiyakusho_matrix.registration.particulars import Employment, Form, Particulars
from oshiyakusho_matrix.registration.views import CodeResult, StatusView, Ticket
from tests.divisions.little_town import write_town
from tests.support.fake_city import OFFICE, PORCH, SECRETARY, FakeCity, fake_city, someone
from tests.support.mail import Mailbox

PARTICULARS = Particulars(
    name="試験 太郎",
    yomi="しけん たろう",
    address="shiken.taro@city.otaru.lg.jp",
    department="財政課",
    employment=Employment.REGULAR,
    term_ends=None,
)
FORM = Form(
    organisation="012033",
    organisation_name="小樽市（北海道）",
    particulars=PARTICULARS,
    mailbox=PARTICULARS.address,
    domain="city.otaru.lg.jp",
    shared=False,
    tagged=False,
    interests=("zaisei",),
    has_account=True,
    consent="2026-11",
    language="ja",
)

#: The token of a form is that of this one unless a test files another.
FIRST = "one"


def form_of(name: str, **changed: Any) -> Form:
    """Return the form of somebody of this (Latin) name at the same body."""
    address = f"{name}@{FORM.domain}"
    person = replace(PARTICULARS, address=address, yomi=name)
    return replace(FORM, **{"particulars": person, "mailbox": address, **changed})


@dataclass
class Desk:
    """The running city with its desk, and the mail server behind it."""

    city: FakeCity
    mailbox: Mailbox
    sealer: Sealer

    @property
    def registration(self) -> Registration:
        """The capability."""
        assert isinstance(self.city.app.registration, Registration)
        return self.city.app.registration

    async def file(self, form: Form = FORM, *, token: str = FIRST) -> Ticket:
        """Send a form, and wait for the mail."""
        async with self.city.app.store.transaction() as tx:
            ticket = await self.registration.desk.file(tx, form, token=token)
        await self.city.settle()
        return ticket

    async def prove(self, ticket: Ticket, code: str) -> CodeResult:
        """Type a code."""
        async with self.city.app.store.transaction() as tx:
            result = await self.registration.desk.prove_mailbox(tx, ticket, code)
        await self.city.settle()
        return result

    async def do(self, verb: str, ticket: Ticket, *arguments: Any) -> None:
        """Do something else that the status page offers."""
        async with self.city.app.store.transaction() as tx:
            await getattr(self.registration.desk, verb)(tx, ticket, *arguments)
        await self.city.settle()

    async def status(self, ticket: Ticket) -> StatusView:
        """Return what the status page shows."""
        async with self.city.app.store.reading() as connection:
            view = await self.registration.desk.status(connection, ticket)
        assert view is not None
        return view

    def code(self, form: Form = FORM, *, number: int = -1) -> str:
        """Return the code in a mail to somebody."""
        mail = self.mailbox.to(form.particulars.address)[number]
        found = re.search(r"\b\d{8}\b", mail.subject)
        assert found is not None, mail.subject
        return found.group()

    async def proven(self, form: Form = FORM, *, token: str = FIRST) -> Ticket:
        """File and prove the mailbox."""
        ticket = await self.file(form, token=token)
        assert await self.prove(ticket, self.code(form)) is CodeResult.PROVEN
        return ticket

    async def complete(self, user: UserId, form: Form = FORM, *, token: str = FIRST) -> Ticket:
        """File, prove the mailbox, and knock with the claim code."""
        ticket = await self.proven(form, token=token)
        await self.knock(user, (await self.status(ticket)).claim or "")
        return ticket

    async def knock(self, user: UserId, words: str) -> None:
        """Knock at the entrance with some words."""
        await self.city.hs.knock_as(user, PORCH, reason=words)
        await self.city.settle()

    def card(self, ticket: Ticket) -> dict[str, Any]:
        """Return the last card about an application in 事務局室."""
        cards = [e for e in self.city.said() if e["content"].get("jp.oshiyakusho.application") == ticket.reference]
        return cards[-1]

    async def react(self, ticket: Ticket, sign: str, *, by: UserId = SECRETARY) -> EventId:
        """Put a sign to the card."""
        return await self.sign(self.card(ticket)["event_id"], sign, by=by)

    async def sign(self, event_id: str, sign: str, *, by: UserId = SECRETARY) -> EventId:
        """Put a sign to a message in 事務局室."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": sign}
        sent = await self.city.hs.send_as(by, OFFICE, "m.reaction", {"m.relates_to": relation})
        await self.city.settle()
        return sent

    async def reply(self, event_id: str, words: str, *, by: UserId = SECRETARY) -> None:
        """Reply to a message in 事務局室."""
        content = {"msgtype": "m.text", "body": words, "m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}
        await self.city.hs.send_as(by, OFFICE, "m.room.message", content)
        await self.city.settle()

    async def chat(self, user: UserId) -> RoomId:
        """Have somebody open a direct chat with the bot."""
        room_id = await self.city.hs.create_room_as(user, NewRoom("12"))
        invited = {"membership": "invite", "is_direct": True}
        await self.city.hs.send_state_as(user, room_id, "m.room.member", self.city.hs.bot, invited)
        await self.city.settle()
        return room_id

    def membership(self, user: UserId) -> str | None:
        """Return where somebody stands in the hall; ``knock`` while they wait at the entrance."""
        waits = self.city.room("cityhall-genkan").membership(user) == "knock"
        return "knock" if waits else self.city.room("cityhall").membership(user)


@asynccontextmanager
async def open_desk(
    database_url: str,
    directory: Path,
    mailbox: Mailbox,
    *,
    keys: Sequence[str] = (),
    hs: FakeHomeserver | None = None,
    automatic: bool = False,
    accounts: AccountProvider | None = None,
) -> AsyncIterator[Desk]:
    """Run the little town with an open desk."""
    sealer = Sealer(*(keys or [new_key()]))
    reception = Reception(
        sealer=sealer,
        mail=mailbox.transport(),
        policy=Policy(public_url="https://cityhall.example.jp", automatic=automatic),
        accounts=accounts,
    )
    rooms = directory / "rooms"
    if not rooms.exists():
        write_town(rooms)
    async with fake_city(database_url, rooms, hs=hs, reception=reception) as city:
        yield Desk(city, mailbox, sealer)


TARO = someone("k7f3q", "elsewhere.example")
