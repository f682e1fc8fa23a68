"""What runs the house: inbox, work queue, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _appservice()
    _reconcile()
    _outbox()


def _appservice() -> None:
    op.create_table(
        "inbox_transaction",
        sa.Column("txn_id", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("txn_id", name="pk_inbox_transaction"),
    )
    op.create_table(
        "inbox_event",
        sa.Column("seq", _COUNTED, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("txn_id", sa.String(length=255), nullable=False),
        sa.Column("room_id", sa.String(length=255), nullable=False),
        sa.Column("sender", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("state_key", sa.String(length=255)),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("unsigned", sa.JSON(), nullable=False),
        sa.Column("origin_server_ts", sa.BigInteger(), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("reference", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_inbox_event"),
        sa.UniqueConstraint("event_id", name="uq_inbox_event_event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_event_reference", "inbox_event", ["reference"])
    op.create_index("ix_inbox_event_state_room_id_seq", "inbox_event", ["state", "room_id", "seq"])


def _reconcile() -> None:
    op.create_table(
        "work",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("asked_due", _MOMENT),
        sa.Column("lease", sa.String(length=32)),
        sa.Column("leased_until", _MOMENT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.JSON()),
        sa.Column("told_at", _MOMENT),
        sa.Column("told_parked", sa.Text()),
        sa.Column("parked_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_work"),
    )
    op.create_index("ix_work_due_at", "work", ["due_at"])
    op.create_table(
        "follow_up",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("reply_to", sa.JSON(), nullable=False),
        sa.Column("done", sa.JSON(), nullable=False),
        sa.Column("told_waiting", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("told_trouble", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_follow_up"),
    )
    op.create_table(
        "follow_up_key",
        sa.Column("follow_up_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["follow_up_id"], ["follow_up.id"], name="fk_follow_up_key_follow_up_id_follow_up", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("follow_up_id", "kind", "name", name="pk_follow_up_key"),
    )
    op.create_index("ix_follow_up_key_kind_name", "follow_up_key", ["kind", "name"])


def _outbox() -> None:
    op.create_table(
        "outbox_message",
        sa.Column("id", _COUNTED, autoincrement=True, nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("sender", sa.String(length=255)),
        sa.Column("event_type", sa.String(length=255), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("transaction_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.String(length=255)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("first_attempt_at", _MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_message"),
        sa.UniqueConstraint("transaction_id", name="uq_outbox_message_transaction_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_message_state_address_id", "outbox_message", ["state", "address", "id"])
