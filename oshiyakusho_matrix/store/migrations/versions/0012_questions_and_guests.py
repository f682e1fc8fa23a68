"""Questions of talks, the messages that show them, and their votes; backstage rooms and guests."""

import sqlalchemy as sa
from alembic import op

from oshiyakusho_matrix.store.metadata import Moment

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "talk_question",
        sa.Column("talk", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("asker", sa.String(255), nullable=False),
        sa.Column("anonymous", sa.Boolean, nullable=False),
        sa.Column("merged_into", sa.Integer),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("changed_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["talk"], ["talk.number"], name="fk_talk_question_talk_talk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("talk", "number", name="pk_talk_question"),
    )
    op.create_table(
        "talk_question_post",
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("room_id", sa.String(255), nullable=False),
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("ours", sa.Boolean, nullable=False),
        _of_question("talk_question_post"),
        sa.PrimaryKeyConstraint("event_id", name="pk_talk_question_post"),
    )
    op.create_index("ix_talk_question_post_talk_number", "talk_question_post", ["talk", "number"])
    op.create_table(
        "talk_vote",
        sa.Column("reaction", sa.String(255), nullable=False),
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        _of_question("talk_vote"),
        sa.PrimaryKeyConstraint("reaction", name="pk_talk_vote"),
    )
    op.create_index("ix_talk_vote_talk_number", "talk_vote", ["talk", "number"])
    op.create_table(
        "talk_board",
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("event_id", sa.String(255)),
        sa.Column("says", sa.String(64), nullable=False),
        sa.Column("edits", sa.Integer, nullable=False),
        _of_talk("talk_board"),
        sa.PrimaryKeyConstraint("talk", name="pk_talk_board"),
    )
    op.create_table(
        "talk_backstage",
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("room_id", sa.String(255)),
        sa.Column("closes_at", Moment),
        sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
        _of_talk("talk_backstage"),
        sa.PrimaryKeyConstraint("talk", name="pk_talk_backstage"),
        sa.UniqueConstraint("room_id", name="uq_talk_backstage_room_id"),
    )
    op.create_table(
        "talk_guest",
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owed", sa.Boolean, nullable=False),
        sa.Column("invited_by", sa.String(255), nullable=False),
        sa.Column("invited_at", Moment, nullable=False),
        _of_talk("talk_guest"),
        sa.PrimaryKeyConstraint("talk", "user_id", name="pk_talk_guest"),
    )
    op.create_table(
        "talk_presence",
        sa.Column("talk", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(255), nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        _of_talk("talk_presence"),
        sa.PrimaryKeyConstraint("talk", "user_id", name="pk_talk_presence"),
    )


def _of_talk(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["talk"], ["talk.number"], name=f"fk_{table}_talk_talk", ondelete="CASCADE")


def _of_question(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["talk", "number"],
        ["talk_question.talk", "talk_question.number"],
        name=f"fk_{table}_talk_number_talk_question",
        ondelete="CASCADE",
    )
