"""Which messages ran a command, since when work fails; transactions that cannot be read any more are parked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "command_run",
        sa.Column("event_id", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_command_run"),
    )
    op.add_column("work", sa.Column("failing_since", sa.DateTime(timezone=True)))
    op.add_column("inbox_event", sa.Column("thread_root", sa.String(length=255)))
    op.add_column("inbox_letter", sa.Column("parked_at", sa.DateTime(timezone=True)))
    op.add_column("inbox_letter", sa.Column("reference", sa.String(length=8)))
    op.add_column("inbox_letter", sa.Column("last_error", sa.Text()))
    # The ids of events tell repeats, whatever transaction they come in.
    op.drop_table("inbox_transaction")
