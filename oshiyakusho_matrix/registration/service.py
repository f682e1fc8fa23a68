"""The applicant's side of the registration desk: file, prove, claim, answer, withdraw.

Called by ``pages`` and ``listeners``. Each use case is one transaction; what it says by mail or to 事務局 is written in
it. ``mailbox`` proves the mailbox, ``decisions`` is the secretariat's side.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId, reference_of, spelt
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.reconcile.interface import Work
from oshiyakusho_matrix.registration.accounts.service import Offers
from oshiyakusho_matrix.registration.addresses import Address
from oshiyakusho_matrix.registration.cases import application_key, move, take_up
from oshiyakusho_matrix.registration.domain import (
    ANSWER_WITHIN,
    CLAIMABLE,
    CLAIMED,
    CODE_TRIES,
    RESEND_AFTER,
    Claimant,
    State,
    Step,
    decide_claim,
    ends_at,
)
from oshiyakusho_matrix.registration.mailbox import MailboxProof
from oshiyakusho_matrix.registration.particulars import Form, person_of
from oshiyakusho_matrix.registration.tables import (
    application,
    application_code,
    find_by_account,
    find_by_claim,
    find_row,
    open_particulars,
    open_words,
    read_application,
    seal_particulars,
    seal_words,
)
from oshiyakusho_matrix.registration.views import CodeResult, MailState, StatusView, Ticket
from oshiyakusho_matrix.roster.tables import find_member
from oshiyakusho_matrix.store.statements import one_at_a_time, upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

logger = structlog.get_logger(__name__)

#: What a row without a secret has instead, so that looking for no row takes as long as for one.
_NOBODY = "0" * 32


class Submissions(Protocol):
    """What follows once everything that the applicant can do is done; see ``decisions``."""

    async def submitted(self, tx: Transaction, row: Row[Any], *, answered: bool = False) -> None:
        """Show an application to the secretariat (again). ``answered``: because the applicant answered."""

    async def account_came(self, tx: Transaction, row: Row[Any]) -> None:
        """Go on with an application to which the account was tied after it was submitted."""


class RegistrationDesk:
    """``porch`` returns the address at which people knock, ``hall`` that of the root space."""

    def __init__(
        self,
        *,
        sealer: Sealer,
        mailbox: MailboxProof,
        submissions: Submissions,
        work: Work,
        bot: UserId,
        hall: Callable[[], Awaitable[str]],
        porch: Callable[[], Awaitable[str]],
        offers: Offers,
    ) -> None:
        self._sealer, self._mailbox, self._submissions = sealer, mailbox, submissions
        self._work, self._bot, self._offers = work, bot, offers
        self._hall, self._porch = hall, porch

    async def file(self, tx: Transaction, form: Form, *, token: str) -> Ticket:
        """Keep a form and mail the code. The same ``token`` again is the same application, and changes nothing."""
        reference = reference_of("application", token)
        ticket = Ticket(reference, spelt(int(self._sealer.digest(token, "application.ticket"), 16), 16))
        present = now()
        claim = spelt(int(self._sealer.index(reference, "application.claim"), 16), 8)
        new = await tx.connection.scalar(
            upsert(tx.connection, application)
            .values(
                reference=reference,
                state=State.DRAFT.value,
                secret=self._sealer.digest(ticket.secret, f"application.secret:{reference}"),
                claim=self._sealer.index(claim, "application.claim.code"),
                organisation=form.organisation,
                organisation_name=form.organisation_name,
                sealed=seal_particulars(self._sealer, reference, form.particulars),
                interests=list(form.interests),
                has_account=form.has_account,
                consent=form.consent,
                language=form.language,
                flags=[],
                cards=0,
                mail=MailState.WAITING.value,
                tries=0,
                created_at=present,
                changed_at=present,
                person=self._sealer.index(
                    person_of(form.particulars, form.organisation or form.organisation_name), "application.person"
                ),
                mailbox=self._sealer.index(form.mailbox, "application.mailbox"),
                domain=form.domain,
                shared=form.shared,
                tagged=form.tagged,
            )
            .on_conflict_do_nothing(index_elements=["reference"])
            .returning(application.c.reference)
        )
        if new is not None:
            logger.info("an application was filed", application=reference)
            await self._mailbox.send(tx, await take_up(tx, reference))
            await self._work.ask(tx, application_key(reference))
        return ticket

    async def status(self, connection: AsyncConnection, ticket: Ticket) -> StatusView | None:
        """Return what the status page shows; None if the reference or the secret is not right."""
        row = await find_row(connection, ticket.reference)
        if not self._fits(row, ticket) or row is None:
            return None
        one, words = read_application(row), open_words(self._sealer, row)
        last = await connection.scalar(
            select(application_code.c.sent_at)
            .where(application_code.c.reference == row.reference)
            .order_by(application_code.c.sent_at.desc())
            .limit(1)
        )
        ends = ends_at(one)
        claim = self._claim(row) if one.account is None and one.state in CLAIMABLE else None
        return StatusView(
            application=one,
            mailbox=masked(open_particulars(self._sealer, row).address),
            mail=MailState(row.mail),
            claim=claim,
            # Looked up only where they are shown: the longer the answer to a draft takes, the more of it is spent while
            # its mail goes out, and that tells whether there is one.
            hall=await self._hall() if one.state is State.ADMITTED else None,
            porch=await self._porch() if claim is not None else None,
            bot=self._bot,
            may_resend_at=None if last is None else last + RESEND_AFTER,
            tries_left=max(CODE_TRIES - one.tries, 0),
            question=words["question"] if one.state is State.ASKED else None,
            reason=words["reason"] if one.state is State.REJECTED else None,
            answer_by=None if one.submitted_at is None else (one.submitted_at + ANSWER_WITHIN).astimezone(JST).date(),
            deleted_on=None if ends is None else ends.astimezone(JST).date(),
            offer=await self._offers.offer(connection, one),
        )

    async def prove_mailbox(self, tx: Transaction, ticket: Ticket, code: str) -> CodeResult:
        """Try a code as it was typed."""
        before = await self._with(tx, ticket)
        result, row = await self._mailbox.prove(tx, before, code)
        if row.state != before.state:
            await self._went_on(tx, row)
        return result

    async def resend(self, tx: Transaction, ticket: Ticket) -> None:
        """Mail another code; see ``MailboxProof.again``."""
        await self._mailbox.again(tx, await self._with(tx, ticket))

    async def change_address(self, tx: Transaction, ticket: Ticket, address: Address) -> None:
        """Put another address in the place of a mistyped one; see ``MailboxProof.elsewhere``."""
        await self._mailbox.elsewhere(tx, await self._with(tx, ticket), address)

    async def answer(self, tx: Transaction, ticket: Ticket, words: str) -> None:
        """Answer what the secretariat asked; the application is theirs again."""
        row = await self._with(tx, ticket)
        row = await move(
            tx, row, Step.ANSWER, sealed_words=seal_words(self._sealer, row, answer=words), submitted_at=now()
        )
        await self._submissions.submitted(tx, row, answered=True)
        await self._work.ask(tx, application_key(row.reference))

    async def withdraw(self, tx: Transaction, ticket: Ticket) -> None:
        """Take an application back; what identifies the applicant is deleted a day later."""
        row = await self._with(tx, ticket)
        await move(tx, row, Step.WITHDRAW)
        await self._work.ask(tx, application_key(row.reference))

    async def renew_offer(self, tx: Transaction, ticket: Ticket) -> None:
        """Ask for another registration token; see ``Offers.renew``."""
        row = await self._with(tx, ticket)
        await self._offers.renew(tx, row.reference)

    async def claim(self, tx: Transaction, user_id: UserId, code: str) -> Text | None:
        """Tie a Matrix account to the application whose claim code it showed; return what to say.

        None if there is no such code. ``Refused`` if that account or that application is taken.
        """
        digests = self._sealer.indexes(code.replace("-", ""), "application.claim.code")
        reference = await find_by_claim(tx.connection, digests)
        if reference is None:
            return None
        row = await take_up(tx, reference)
        before = read_application(row)
        if before.state in CLAIMABLE and before.account is None:
            # Nobody else ties the account to something now. After the row, as an approval does; a removal comes the
            # other way round, and takes up none of these.
            await one_at_a_time(tx.connection, 3)
        if not decide_claim(before, await self._claimant(tx, user_id)):
            return say("Your account is tied to application {reference} already.", reference=reference)
        row = await move(tx, row, Step.PROVE_ACCOUNT, account=user_id, account_proven_at=now())
        logger.info("an account was proven", application=reference)
        if before.state is State.CLAIMING:
            await self._went_on(tx, row)
        else:
            await self._submissions.account_came(tx, row)
        return say(
            "Thank you: this account is yours, and belongs to application {reference} now. {next}",
            reference=reference,
            next=CLAIMED[State((await take_up(tx, reference)).state)],
        )

    @staticmethod
    async def _claimant(tx: Transaction, user_id: UserId) -> Claimant:
        """Return what is known of an account."""
        known = await find_member(tx.connection, user_id)
        return Claimant(
            account=user_id,
            member=known is not None and known.current,
            removed=known is not None and not known.current,
            elsewhere=bool(await find_by_account(tx.connection, user_id, sorted(CLAIMABLE))),
        )

    async def _went_on(self, tx: Transaction, row: Row[Any]) -> None:
        if row.state == State.SUBMITTED.value:
            await tx.connection.execute(
                update(application).where(application.c.reference == row.reference).values(submitted_at=now())
            )
            await self._submissions.submitted(tx, await take_up(tx, row.reference))
        await self._work.ask(tx, application_key(row.reference))

    async def _with(self, tx: Transaction, ticket: Ticket) -> Row[Any]:
        row = await find_row(tx.connection, ticket.reference, lock=True)
        if not self._fits(row, ticket) or row is None:
            raise Refused(say("There is no application with this reference number and this secret."))
        return row

    def _fits(self, row: Row[Any] | None, ticket: Ticket) -> bool:
        known = _NOBODY if row is None else row.secret
        secret = fold(ticket.secret).upper().replace("-", "").replace(" ", "")
        return self._sealer.is_digest(known, secret, f"application.secret:{ticket.reference}")

    def _claim(self, row: Row[Any]) -> str | None:
        for number in self._sealer.indexes(row.reference, "application.claim"):
            code = spelt(int(number, 16), 8)
            if row.claim in self._sealer.indexes(code, "application.claim.code"):
                return f"{code[:4]}-{code[4:]}"
        return None


def masked(address: str) -> str:
    """Return an address with all but the first character of its local part hidden."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
