"""Talks, who comes to them, where they were announced, and who has the word on a stage."""

import sqlalchemy as sa
from alembic import op

from oshiyakusho_matrix.store.metadata import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "speaker",
        sa.Column("alias_localpart", sa.String(255), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("alias_localpart", "user_id", name="pk_speaker"),
    )
    op.create_table(
        "talk",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("guests", sa.JSON, nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("starts_at", Moment, nullable=False),
        sa.Column("ends_at", Moment, nullable=False),
        sa.Column("questions_minutes", sa.Integer, nullable=False),
        sa.Column("live_url", sa.Text),
        sa.Column("divisions", sa.JSON, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("reminded_at", Moment),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("changed_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_talk"),
    )
    op.create_index("ix_talk_state_starts_at", "talk", ["state", "starts_at"])
    op.create_table(
        "talk_interest",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("reaction", sa.String(255), nullable=False),
        sa.Column("since", Moment, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["talk.number"], name="fk_talk_interest_number_talk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", "user_id", name="pk_talk_interest"),
    )
    op.create_index("ix_talk_interest_reaction", "talk_interest", ["reaction"])
    op.create_table(
        "talk_post",
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("room_id", sa.String(255), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["number"], ["talk.number"], name="fk_talk_post_number_talk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("event_id", name="pk_talk_post"),
    )
    op.create_index("ix_talk_post_number", "talk_post", ["number"])
