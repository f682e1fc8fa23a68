"""What is to be said, and what was: one row a message, written in the commit of its reason. Table names are forever."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from oshiyakusho_matrix.store.lanes import Lanes
from oshiyakusho_matrix.store.metadata import Moment, metadata

#: The address that is not a room id: 事務局室, wherever it is by then.
SECRETARIAT = "secretariat"

#: ``first_attempt_at`` is set before the first attempt whose outcome may stay unknown: see ``sender``.
#: ``reference`` is that of the event which led to it; a parked message has one in any case, by which it is named.
#: ``attempts`` counts every try that did not end well, ``failures`` only those that waiting does not explain.
outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("address", String(255), nullable=False),
    Column("sender", String(255)),
    Column("event_type", String(255), nullable=False),
    Column("content", JSON, nullable=False),
    Column("transaction_id", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("event_id", String(255)),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("first_attempt_at", Moment),
    Column("last_error", Text),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("reference", String(16)),
    Index(None, "state", "address", "id"),
    sqlite_autoincrement=True,
)

lanes = Lanes("outbox", outbox_message, order=outbox_message.c.id, lane=outbox_message.c.address)

#: E-mail. ``sealed`` holds recipient, subject and text, and nothing once the mail has ended; ``reference`` is that of
#: what it is about. ``message_id`` is fixed when it is written, so that a repeat can be told for one by mail programs.
#: ``due_at`` also keeps others away while one sends: see ``mail``. ``last_error`` is a reply code or a word of ours.
mail_message = Table(
    "mail_message",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("reference", String(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("message_id", String(255), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("last_error", String(64)),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("outcome", String(16)),
    Index(None, "state", "message_id", "id"),
    sqlite_autoincrement=True,
)

#: A lane for each mail: a slow recipient holds nobody back.
mail_lanes = Lanes("mail", mail_message, order=mail_message.c.id, lane=mail_message.c.message_id)
