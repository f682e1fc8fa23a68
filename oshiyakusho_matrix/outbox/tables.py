"""What is to be said, and what was: one row a message, written in the commit of its reason. Table names are forever."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

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
