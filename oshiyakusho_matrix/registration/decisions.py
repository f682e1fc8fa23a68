"""The secretariat's side of the registration desk: see, ask, approve, reject; and the rule that approves by itself.

Called by ``commands`` (which reactions to a card run too), ``controller`` and the applicant's side. The first decision
wins: the lifecycle refuses a second one, and the refusal says who made the first. Only an approval that let nobody in
yet can be taken back, and never by a reaction.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, delete, insert, select, update

from oshiyakusho_matrix.commands.audit import note_opened
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId, spelt
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import Text, fold, say
from oshiyakusho_matrix.outbox.interface import Outbox
from oshiyakusho_matrix.reconcile.interface import Work, WorkKey
from oshiyakusho_matrix.registration.cards import Mark, card, flag_lines, moment, take_back_hint
from oshiyakusho_matrix.registration.cases import application_key, move, take_up
from oshiyakusho_matrix.registration.correspondence import Correspondence
from oshiyakusho_matrix.registration.domain import (
    OPEN,
    STATES,
    Application,
    Flag,
    OutOfOrder,
    State,
    Step,
)
from oshiyakusho_matrix.registration.domains import DomainRules
from oshiyakusho_matrix.registration.examiner import Examiner
from oshiyakusho_matrix.registration.findings import approves_itself, decide_news, ties_domain
from oshiyakusho_matrix.registration.mails import approved_letter, question_letter, rejected_letter
from oshiyakusho_matrix.registration.tables import (
    application,
    find_row,
    open_particulars,
    open_words,
    read_application,
    review_login,
    seal_words,
)
from oshiyakusho_matrix.registration.views import ReviewView
from oshiyakusho_matrix.roster.affiliations import Affiliation, affiliate
from oshiyakusho_matrix.roster.organisations import Organisations
from oshiyakusho_matrix.roster.service import Roster, member_key
from oshiyakusho_matrix.roster.tables import find_member
from oshiyakusho_matrix.store.unit_of_work import Transaction

logger = structlog.get_logger(__name__)

#: How long a login to the review page can be used.
LOGIN_LASTS: Final = timedelta(minutes=10)
#: How long a notice to an applicant is tried to be delivered.
_NOTICE_LASTS: Final = timedelta(days=2)


class Decisions:
    """``automatic``: the rule of ``findings.approves_itself`` is in force, and ``bot`` decides by it."""

    def __init__(
        self,
        *,
        sealer: Sealer,
        correspondence: Correspondence,
        rules: DomainRules,
        organisations: Organisations,
        roster: Roster,
        outbox: Outbox,
        work: Work,
        bot: UserId,
        automatic: bool = False,
    ) -> None:
        self._sealer, self._correspondence = sealer, correspondence
        self._rules, self._organisations = rules, organisations
        self._examiner = Examiner(sealer=sealer, rules=rules)
        self._roster, self._outbox, self._work = roster, outbox, work
        self._bot, self._automatic = bot, automatic

    async def submitted(self, tx: Transaction, row: Row[Any], *, answered: bool = False) -> None:
        """Look at an application that is complete, and show it to the secretariat or approve it by the rule."""
        row = await self._set(tx, row, flags=sorted(await self._examiner.flags(tx.connection, row)))
        if self._automatic and approves_itself(read_application(row)):
            await self._approve(tx, row, by=self._bot)
            return
        await self._show(tx, row, answered=answered)

    async def account_came(self, tx: Transaction, row: Row[Any]) -> None:
        """Admit whoever was approved already; else tell the secretariat."""
        if row.state == State.APPROVED.value:
            await self._admit(tx, row, by=UserId(row.decided_by))
        else:
            await self.submitted(tx, row)

    async def approve(self, tx: Transaction, reference: str, *, by: UserId) -> tuple[Application, Sequence[WorkKey]]:
        """Approve; return the application and the keys of what follows from it.

        ``Refused`` if there is more to look at now than the last card says: an account that was removed meanwhile.
        """
        row = await self._undecided(tx, reference)
        if row.state in OPEN:
            news = decide_news(read_application(row).flags, await self._examiner.flags(tx.connection, row))
            if news:
                raise Refused(
                    say(
                        "Since the card about application {reference} there is more to look at. `!application show "
                        "{reference}` brings a new card; please decide with that.",
                        *flag_lines(news),
                        reference=reference,
                    )
                )
        return await self._approve(tx, row, by=by)

    async def reject(self, tx: Transaction, reference: str, *, by: UserId, reason: str) -> Application:
        """Reject for a reason that the applicant reads."""
        row = await self._undecided(tx, reference)
        return await self._reject(tx, row, Step.REJECT, by=by, reason=reason)

    async def take_back(
        self, tx: Transaction, reference: str, *, by: UserId, reason: str
    ) -> tuple[Application, str | None]:
        """Reject what was approved, as long as nobody was let in by it.

        Return the application, and the domain that still counts as that of its body, if the approval said so.
        """
        row = await take_up(tx, reference)
        if row.state != State.APPROVED.value:
            row = await self._undecided(tx, reference)
        one = await self._reject(tx, row, Step.TAKE_BACK, by=by, reason=reason)
        verdict = await self._rules.look(tx.connection, row.domain)
        remembered = ties_domain(one) and verdict.organisation == one.organisation
        return one, verdict.anchor if remembered else None

    async def ask(self, tx: Transaction, reference: str, *, by: UserId, question: str) -> Application:
        """Ask the applicant something; the application waits for the answer."""
        row = await self._undecided(tx, reference)
        words = seal_words(self._sealer, row, question=question)
        row = await self._move(tx, row, Step.ASK, sealed_words=words, assigned_to=row.assigned_to or by)
        await self._tell(tx, row, question_letter(reference=reference, page=self._correspondence.page(row)))
        return read_application(row)

    async def assign(self, tx: Transaction, reference: str, *, to: UserId) -> Application:
        """Put an application into the hands of a secretary. ``Refused`` for anybody else: only they can decide it."""
        row = await self._undecided(tx, reference)
        known = await find_member(tx.connection, to)
        if known is None or not known.current or not known.secretariat:
            raise Refused(say("{user} is not of the secretariat; only a secretary can take it in hand.", user=to))
        return read_application(await self._set(tx, row, assigned_to=to))

    async def look(self, tx: Transaction, reference: str) -> tuple[Application, Row[Any]]:
        """Return an application and its row. If there is more to look at than its last card says, show another one."""
        row = await take_up(tx, reference)
        if row.state in OPEN:
            seen, flags = read_application(row).flags, await self._examiner.flags(tx.connection, row)
            row = await self._set(tx, row, flags=sorted(flags))
            if decide_news(seen, flags):
                await self._show(tx, row)
                row = await take_up(tx, reference)
        return read_application(row), row

    async def details(self, tx: Transaction, row: Row[Any]) -> Mapping[Flag, Text]:
        """Return what else there is to say of some flags, as things stand now."""
        return await self._examiner.details(tx.connection, row)

    async def hand_out_login(self, tx: Transaction, reference: str, *, to: UserId) -> str:
        """Return a login to the review page of an application, for one use within ten minutes."""
        await tx.connection.execute(delete(review_login).where(review_login.c.expires_at < now()))
        login = spelt(secrets.randbits(80), 16)
        await tx.connection.execute(
            insert(review_login).values(
                digest=self._sealer.digest(login, f"review:{reference}"),
                reference=reference,
                asked_by=to,
                expires_at=now() + LOGIN_LASTS,
            )
        )
        return login

    async def review(self, tx: Transaction, reference: str, login: str) -> ReviewView | None:
        """Use a login up and return what the review page shows; None if it is none (any more)."""
        row = await find_row(tx.connection, reference, lock=True)
        granted = await self._use_up(tx, reference, login)
        if granted is None or row is None or granted.expires_at < now():
            return None
        logger.info("an application was reviewed", application=reference)
        await note_opened(tx, "application show", reference, actor=granted.asked_by, at=now())
        words = open_words(self._sealer, row)
        others = await self._examiner.others(tx.connection, row)
        return ReviewView(
            application=read_application(row),
            particulars=open_particulars(self._sealer, row),
            domain_says=(await self._rules.look(tx.connection, row.domain)).reason,
            question=words["question"],
            answer=words["answer"],
            others=[reference for found in others.values() for reference in found],
        )

    async def _use_up(self, tx: Transaction, reference: str, login: str) -> Row[Any] | None:
        words = fold(login).upper()
        waiting = await tx.connection.execute(select(review_login).where(review_login.c.reference == reference))
        for each in waiting.all():
            if self._sealer.is_digest(each.digest, words, f"review:{reference}"):
                await tx.connection.execute(delete(review_login).where(review_login.c.digest == each.digest))
                return each
        return None

    async def _approve(self, tx: Transaction, row: Row[Any], *, by: UserId) -> tuple[Application, Sequence[WorkKey]]:
        row = await self._move(tx, row, Step.APPROVE, decided_by=by, decided_at=now())
        if ties_domain(read_application(row)):
            await self._rules.tie(tx, row.domain, row.organisation, by=by, note=row.reference)
        keys: Sequence[WorkKey] = ()
        if row.account is not None:
            row, keys = await self._admit(tx, row, by=by)
        letter = approved_letter(
            reference=row.reference, page=self._correspondence.page(row), has_account=row.account is not None
        )
        await self._tell(tx, row, letter)
        return read_application(row), keys

    async def _reject(self, tx: Transaction, row: Row[Any], step: Step, *, by: UserId, reason: str) -> Application:
        words = seal_words(self._sealer, row, reason=reason)
        row = await self._move(tx, row, step, sealed_words=words, decided_by=by, decided_at=now())
        await self._tell(tx, row, rejected_letter(reference=row.reference, page=self._correspondence.page(row)))
        return read_application(row)

    async def _admit(self, tx: Transaction, row: Row[Any], *, by: UserId) -> tuple[Row[Any], Sequence[WorkKey]]:
        user_id = UserId(row.account)
        await self._roster.admit(tx, user_id, by=by)
        body = self._organisations.get(row.organisation) if row.organisation else None
        await affiliate(
            tx,
            Affiliation(
                user_id=user_id,
                organisation=row.organisation,
                organisation_name=row.organisation_name,
                prefecture=body.code[:2] if body is not None and body.code[:2].isdigit() else None,
                reference=row.reference,
                verified_at=row.mailbox_proven_at,
            ),
        )
        row = await self._move(tx, row, Step.ADMIT)
        return row, (member_key(user_id),)

    async def _undecided(self, tx: Transaction, reference: str) -> Row[Any]:
        row = await take_up(tx, reference)
        # Who decided has not withdrawn it: that was the applicant.
        if row.decided_by is not None and row.state != State.WITHDRAWN.value:
            way_back = [take_back_hint(reference)] if row.state == State.APPROVED.value else []
            raise OutOfOrder(
                say(
                    "Application {reference} is {state}: {user} decided so at {when}.",
                    *way_back,
                    reference=reference,
                    state=STATES[State(row.state)],
                    user=row.decided_by,
                    when=moment(row.decided_at),
                )
            )
        return row

    async def _move(self, tx: Transaction, row: Row[Any], *steps: Step, **values: Any) -> Row[Any]:
        row = await move(tx, row, *steps, **values)
        await self._work.ask(tx, application_key(row.reference))
        return row

    @staticmethod
    async def _set(tx: Transaction, row: Row[Any], **values: Any) -> Row[Any]:
        await tx.connection.execute(
            update(application).where(application.c.reference == row.reference).values(**values)
        )
        return await take_up(tx, row.reference)

    async def _show(self, tx: Transaction, row: Row[Any], *, answered: bool = False) -> None:
        row = await self._set(tx, row, cards=row.cards + 1)
        one, department = read_application(row), open_particulars(self._sealer, row).department
        anchor = (await self._rules.look(tx.connection, row.domain)).anchor if ties_domain(one) else ""
        details = await self._examiner.details(tx.connection, row)
        text = card(one, department=department, details=details, remembers=anchor, answered=answered)
        await self._outbox.tell_secretariat(tx, text, extra=Mark(row.reference, row.cards).content())

    async def _tell(self, tx: Transaction, row: Row[Any], letter: Any) -> None:
        await self._correspondence.write(tx, row, letter, lasts=_NOTICE_LASTS)
