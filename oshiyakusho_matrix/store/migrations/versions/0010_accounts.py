"""Accounts that approved applicants are offered."""

import sqlalchemy as sa
from alembic import op

from oshiyakusho_matrix.store.metadata import Moment

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_offer",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("made_at", Moment),
        sa.Column("taken_at", Moment),
        sa.PrimaryKeyConstraint("reference", name="pk_account_offer"),
        sa.ForeignKeyConstraint(
            ["reference"],
            ["application.reference"],
            name="fk_account_offer_reference_application",
            ondelete="CASCADE",
        ),
    )
