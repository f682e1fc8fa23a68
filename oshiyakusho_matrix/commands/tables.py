"""Tables of the command language: the audit, what ran, what waits for ✅, who reads which language. Names are for ever.

The audit is append-only by triggers: ``APPEND_ONLY`` holds their statements for the migration, and ``create_all`` of
the tests runs the same ones.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import DDL, JSON, BigInteger, Boolean, Column, Integer, String, Table, Text, event, false

from oshiyakusho_matrix.store.metadata import Moment, metadata

#: ``arguments`` holds what the command declares and does not mark as private; ``target`` what was acted on.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    Column("actor", String(255), nullable=False),
    Column("command", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reference", String(16), nullable=False, index=True),
)

#: ``id`` is the reference of the message that asked. ``arguments`` are emptied once nothing waits any more.
confirmation = Table(
    "confirmation",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("asker", String(255), nullable=False),
    Column("command", String(64), nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("room_id", String(255), nullable=False),
    Column("reply_to", JSON, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("preview_event_id", String(255), nullable=True, unique=True),
    Column("state", String(16), nullable=False),
)

#: Messages that ran a command or asked for a ✅: editing them runs nothing any more. ``told`` is whether that was said.
command_run = Table(
    "command_run",
    metadata,
    Column("event_id", String(255), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("told", Boolean, nullable=False, server_default=false()),
)

language_preference = Table(
    "language_preference",
    metadata,
    Column("user_id", String(255), primary_key=True),
    Column("language", String(8), nullable=False),
    Column("changed_at", Moment, nullable=False),
)

#: By dialect, in this order: what makes the audit refuse every change and removal of what it holds.
APPEND_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "sqlite": (
        "CREATE TRIGGER audit_refuses_update BEFORE UPDATE ON audit"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        "CREATE TRIGGER audit_refuses_delete BEFORE DELETE ON audit"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        # INSERT OR REPLACE removes the old row without asking the trigger on DELETE.
        "CREATE TRIGGER audit_refuses_replace BEFORE INSERT ON audit"
        " WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$",
        "CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON audit"
        " FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
        "CREATE TRIGGER audit_refuses_truncate BEFORE TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
}

for _dialect, _statements in APPEND_ONLY.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]
