"""Applications and what hangs on them, and the mapping of their rows. Table names are for ever.

``sealed`` columns hold what identifies the applicant, encrypted under the row's reference (``core.sealing``);
``mailbox`` and ``person`` are blind indexes, by which the same mailbox or name is found again without being read.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.registration.domain import Application, Flag, State
from oshiyakusho_matrix.registration.particulars import Employment, Particulars
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.rows import readable

#: ``secret`` and ``claim`` are digests. ``mail`` is what became of the last mail, whose Message-ID is ``mail_id``;
#: ``sealed_words`` what was asked, answered, and given as the reason; ``cards`` how many cards were shown, of which the
#: last one counts.
application = Table(
    "application",
    metadata,
    Column("reference", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("claim", String(64), nullable=False, unique=True),
    Column("organisation", String(32)),
    Column("organisation_name", String(255), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("mailbox", String(64), nullable=False),
    Column("person", String(64), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("tagged", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sealed_words", LargeBinary),
    Column("interests", JSON, nullable=False),
    Column("has_account", Boolean, nullable=False),
    Column("consent", String(32), nullable=False),
    Column("language", String(8), nullable=False),
    Column("flags", JSON, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("account", String(255)),
    Column("mail", String(16), nullable=False),
    Column("mail_id", String(255)),
    Column("tries", Integer, nullable=False),
    Column("mailbox_proven_at", Moment),
    Column("account_proven_at", Moment),
    Column("submitted_at", Moment),
    Column("reminded_at", Moment),
    Column("assigned_to", String(255)),
    Column("decided_by", String(255)),
    Column("decided_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index(None, "state"),
    Index(None, "mailbox"),
    Index(None, "person"),
    Index(None, "account"),
)

#: A code that was mailed: its digest. A newer one leaves the older ones valid. ``mailbox`` and ``domain`` are those of
#: the application, for the limits, and empty if the mail was withheld; the row outlives its use until the limits have
#: forgotten it.
application_code = Table(
    "application_code",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(
        "reference", String(16), ForeignKey("application.reference", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("digest", String(64), nullable=False),
    Column("mailbox", String(64), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("sent_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "mailbox", "sent_at"),
    Index(None, "domain", "sent_at"),
)

#: A message of ours in 事務局室 about an application, by its event id: a card (``purpose`` empty) with its ``number``,
#: or a question, to which the reply of ``asked_by`` is a reason (``reject``) or a question to the applicant (``ask``).
application_card = Table(
    "application_card",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("room_id", String(255), nullable=False),
    Column(
        "reference", String(16), ForeignKey("application.reference", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("purpose", String(16), nullable=False),
    Column("number", Integer),
    Column("asked_by", String(255)),
)

#: A one-time login to the review page: its digest.
review_login = Table(
    "review_login",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column(
        "reference", String(16), ForeignKey("application.reference", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("asked_by", String(255), nullable=False),
    Column("expires_at", Moment, nullable=False),
)

_WORDS: Final = ("question", "answer", "reason")


def seal_particulars(sealer: Sealer, reference: str, particulars: Particulars) -> bytes:
    """Return what identifies the applicant, sealed for the row of this reference."""
    values = asdict(particulars) | {"term_ends": particulars.term_ends and particulars.term_ends.isoformat()}
    return sealer.seal(json.dumps(values, ensure_ascii=False), f"application.sealed:{reference}")


def open_particulars(sealer: Sealer, row: Row[Any]) -> Particulars:
    """Return what identifies the applicant."""
    values = json.loads(sealer.open(row.sealed, f"application.sealed:{row.reference}"))
    ends = values["term_ends"]
    return Particulars(
        name=values["name"],
        yomi=values["yomi"],
        address=values["address"],
        department=values["department"],
        employment=Employment(values["employment"]),
        term_ends=date.fromisoformat(ends) if ends else None,
    )


def seal_words(sealer: Sealer, row: Row[Any], **changed: str) -> bytes:
    """Return the row's words to and from the applicant with some of them ``changed``, sealed."""
    words = open_words(sealer, row) | changed
    return sealer.seal(json.dumps(words, ensure_ascii=False), f"application.sealed_words:{row.reference}")


def open_words(sealer: Sealer, row: Row[Any]) -> dict[str, str | None]:
    """Return ``question``, ``answer`` and ``reason``; None for what was not said."""
    words: dict[str, str | None] = dict.fromkeys(_WORDS)
    if row.sealed_words is None:
        return words
    words |= json.loads(sealer.open(row.sealed_words, f"application.sealed_words:{row.reference}"))
    return words


def read_application(row: Row[Any]) -> Application:
    """Read a row without unsealing anything."""
    return Application(
        reference=row.reference,
        state=State(row.state),
        organisation=row.organisation,
        organisation_name=row.organisation_name,
        domain=row.domain,
        interests=tuple(row.interests),
        has_account=row.has_account,
        language=row.language,
        flags=frozenset(map(Flag, row.flags)),
        created_at=row.created_at,
        changed_at=row.changed_at,
        account=UserId(row.account) if row.account else None,
        mailbox_proven_at=row.mailbox_proven_at,
        account_proven_at=row.account_proven_at,
        submitted_at=row.submitted_at,
        reminded_at=row.reminded_at,
        assigned_to=UserId(row.assigned_to) if row.assigned_to else None,
        decided_by=UserId(row.decided_by) if row.decided_by else None,
        decided_at=row.decided_at,
        tries=row.tries,
    )


async def find_row(connection: AsyncConnection, reference: str, *, lock: bool = False) -> Row[Any] | None:
    """Return an application's row. ``lock``: until the transaction ends, nobody else changes it."""
    query = select(application).where(application.c.reference == reference)
    if lock:
        query = query.with_for_update()
    return (await connection.execute(query)).one_or_none()


async def find_by_claim(connection: AsyncConnection, digests: Sequence[str]) -> str | None:
    """Return the reference of the application that has this claim code."""
    query = select(application.c.reference).where(application.c.claim.in_(digests))
    found: str | None = await connection.scalar(query)
    return found


async def find_by_account(connection: AsyncConnection, account: str, states: Sequence[State]) -> list[str]:
    """Return the references of the applications in these states to which an account is tied."""
    query = select(application.c.reference).where(application.c.account == account, application.c.state.in_(states))
    return list((await connection.execute(query)).scalars())


async def in_states(connection: AsyncConnection, states: Sequence[State]) -> list[Application]:
    """Return the applications in these states, the oldest first."""
    query = select(application).where(application.c.state.in_(states)).order_by(application.c.created_at)
    return list(readable(await connection.execute(query), read_application))


async def others_like(
    connection: AsyncConnection, row: Row[Any], *, mailboxes: Sequence[str], people: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return other applications with a proven mailbox: those of the same mailbox, and those of the same person.

    The newest come first.
    """
    query = (
        select(application.c.reference, application.c.mailbox)
        .where(
            application.c.reference != row.reference,
            application.c.mailbox_proven_at.is_not(None),
            application.c.state != State.WITHDRAWN,
            or_(application.c.mailbox.in_(mailboxes), application.c.person.in_(people)),
        )
        .order_by(application.c.created_at.desc(), application.c.reference)
    )
    found = (await connection.execute(query)).all()
    same = [each.reference for each in found if each.mailbox in mailboxes]
    return same, [each.reference for each in found if each.reference not in same]


async def codes_since(connection: AsyncConnection, since: datetime, **of: str) -> int:
    """Return how many codes were mailed since a moment to a ``mailbox`` or ``domain``."""
    ((column, value),) = of.items()
    counted = application_code.c[column] == value, application_code.c.sent_at > since
    return await connection.scalar(select(func.count()).select_from(application_code).where(*counted)) or 0
