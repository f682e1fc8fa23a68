"""Several processes share inbox and outbox: who works on which lane. Events know which event they are about."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lane_lease",
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("lane", sa.String(length=255), nullable=False),
        sa.Column("holder", sa.String(length=16), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue", "lane", name="pk_lane_lease"),
    )
    for table in ("work", "outbox_message", "follow_up"):
        op.add_column(table, sa.Column("reference", sa.String(length=16)))
    op.add_column("managed_room", sa.Column("outsiders", sa.Integer(), server_default="0", nullable=False))
    op.add_column("inbox_event", sa.Column("refers_to", sa.String(length=255)))
    op.create_index("ix_inbox_event_refers_to", "inbox_event", ["refers_to"])
    op.create_table(
        "inbox_letter",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("txn_id", sa.String(length=255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_inbox_letter"),
        sqlite_autoincrement=True,
    )
