"""Which mail domains belong to which public body, as far as people wrote it down."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "domain_rule",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("organisation", sa.String(length=32)),
        sa.Column("name", sa.String(length=255)),
        sa.Column("proves", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("added_by", sa.String(length=255), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("domain", name="pk_domain_rule"),
    )
