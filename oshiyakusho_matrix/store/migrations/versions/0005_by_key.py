"""What is looked for is found by key, however many people and rooms there are."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (["secretariat"], ["standing", "hall"], ["standing", "changed_at"]):
        op.create_index("_".join(["ix_member", *column]), "member", column)
    op.create_index("ix_managed_room_role", "managed_room", ["role"])
    op.create_index("ix_space_parent", "space", ["parent"])
    op.create_index("ix_work_leased_until", "work", ["leased_until"])
