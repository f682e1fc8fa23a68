"""The rows of the work queue, and of the answers that wait for it. Table names are forever."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

from oshiyakusho_matrix.store.metadata import Moment, metadata

#: One row a key. ``asked`` counts the requests since the row was made; a run answers those it found when it began.
#: ``asked_due`` is when a key that was asked for while somebody worked on it is to run again.
#: ``attempts`` counts failed runs since the last good one, ``crashes`` those among them that were bugs;
#: ``failing_since`` is when the first of them ended.
#: ``told_at`` is when 事務局室 was told that it fails, ``told_parked`` for what reason it was told that it is parked:
#: the daily look tries it again, and says it again only if the reason is another. Reasons are a str or a Text as JSON.
#: ``reference`` is that of the event which asked for it last; a parked key has one in any case, by which it is named.
work = Table(
    "work",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("priority", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("asked_due", Moment),
    Column("lease", String(32)),
    Column("leased_until", Moment),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("failing_since", Moment),
    Column("last_error", JSON),
    Column("told_at", Moment),
    Column("told_parked", Text),
    Column("parked_at", Moment),
    Column("reference", String(16)),
    Column("created_at", Moment, nullable=False),
    Index(None, "due_at"),
    Index(None, "leased_until"),
)

#: An answer that is owed, for the event ``reference``. The flags say what the asker has read meanwhile, so that nothing
#: is said twice.
follow_up = Table(
    "follow_up",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("reply_to", JSON, nullable=False),
    Column("done", JSON, nullable=False),
    Column("told_waiting", Boolean, nullable=False, server_default=false()),
    Column("told_trouble", Boolean, nullable=False, server_default=false()),
    Column("failed", Boolean, nullable=False, server_default=false()),
    Column("reference", String(16)),
    Column("created_at", Moment, nullable=False),
)

#: The keys an answer waits for. A run counts if it found ``work.asked`` at ``asked`` or higher when it began.
follow_up_key = Table(
    "follow_up_key",
    metadata,
    Column("follow_up_id", String(32), ForeignKey("follow_up.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("name", String(512), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("settled", Boolean, nullable=False, server_default=false()),
    Column("said", JSON, nullable=False),
    Index(None, "kind", "name"),
)
