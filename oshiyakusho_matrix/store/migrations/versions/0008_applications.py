"""Applications of public servants, and where members serve."""

import sqlalchemy as sa
from alembic import op

from oshiyakusho_matrix.store.metadata import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "application",
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("claim", sa.String(64), nullable=False),
        sa.Column("organisation", sa.String(32)),
        sa.Column("organisation_name", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("mailbox", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("tagged", sa.Boolean, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("sealed_words", sa.LargeBinary),
        sa.Column("interests", sa.JSON, nullable=False),
        sa.Column("has_account", sa.Boolean, nullable=False),
        sa.Column("consent", sa.String(32), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("flags", sa.JSON, nullable=False),
        sa.Column("cards", sa.Integer, nullable=False),
        sa.Column("account", sa.String(255)),
        sa.Column("mail", sa.String(16), nullable=False),
        sa.Column("mail_id", sa.String(255)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("mailbox_proven_at", Moment),
        sa.Column("account_proven_at", Moment),
        sa.Column("submitted_at", Moment),
        sa.Column("reminded_at", Moment),
        sa.Column("assigned_to", sa.String(255)),
        sa.Column("decided_by", sa.String(255)),
        sa.Column("decided_at", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("changed_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("reference", name="pk_application"),
        sa.UniqueConstraint("claim", name="uq_application_claim"),
    )
    for column in ("state", "mailbox", "person", "account"):
        op.create_index(f"ix_application_{column}", "application", [column])
    op.create_table(
        "application_code",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("mailbox", sa.String(64), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_application_code"),
        _of_application("application_code"),
    )
    op.create_index("ix_application_code_reference", "application_code", ["reference"])
    op.create_index("ix_application_code_mailbox_sent_at", "application_code", ["mailbox", "sent_at"])
    op.create_index("ix_application_code_domain_sent_at", "application_code", ["domain", "sent_at"])
    op.create_table(
        "application_card",
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("room_id", sa.String(255), nullable=False),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("asked_by", sa.String(255)),
        sa.PrimaryKeyConstraint("event_id", name="pk_application_card"),
        _of_application("application_card"),
    )
    op.create_index("ix_application_card_reference", "application_card", ["reference"])
    op.create_table(
        "review_login",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("asked_by", sa.String(255), nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_review_login"),
        _of_application("review_login"),
    )
    op.create_index("ix_review_login_reference", "review_login", ["reference"])
    op.create_table(
        "affiliation",
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("organisation", sa.String(32)),
        sa.Column("organisation_name", sa.String(255), nullable=False),
        sa.Column("prefecture", sa.String(2)),
        sa.Column("reference", sa.String(16), nullable=False),
        sa.Column("verified_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_affiliation"),
    )
    op.create_index("ix_affiliation_organisation", "affiliation", ["organisation"])


def _of_application(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["reference"], ["application.reference"], name=f"fk_{table}_reference_application", ondelete="CASCADE"
    )
