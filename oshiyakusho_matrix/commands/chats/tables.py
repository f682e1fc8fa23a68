"""The table of direct chats. Names are for ever."""

from sqlalchemy import Boolean, Column, String, Table, false

from oshiyakusho_matrix.store.metadata import Moment, metadata

#: Rooms of two: the bot and one other; ``own`` are those the bot opened.
#: States: wanted, invited, open, led on, leaving, left.
direct_chat = Table(
    "direct_chat",
    metadata,
    Column("reference", String(16), primary_key=True),
    Column("room_id", String(255), nullable=True, unique=True),
    Column("user_id", String(255), nullable=False, index=True),
    Column("direct", Boolean, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    Column("own", Boolean, nullable=False, default=False, server_default=false()),
    Column("state", String(16), nullable=False),
    Column("since", Moment, nullable=False),
)
