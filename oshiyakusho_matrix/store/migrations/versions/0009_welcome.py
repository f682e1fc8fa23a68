"""The welcome of those who were admitted and have come in."""

import sqlalchemy as sa
from alembic import op

from oshiyakusho_matrix.store.metadata import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "welcome",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("offers", sa.JSON, nullable=False),
        sa.Column("room_id", sa.String(255)),
        sa.Column("event_id", sa.String(255)),
        sa.Column("expected_at", Moment, nullable=False),
        sa.Column("greeted_at", Moment),
        sa.PrimaryKeyConstraint("user_id", name="pk_welcome"),
    )
