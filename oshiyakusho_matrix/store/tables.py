"""The table that belongs to the database as a whole: the keys under which something in it may be sealed."""

from sqlalchemy import Column, String, Table

from oshiyakusho_matrix.store.metadata import Moment, metadata

#: Fingerprints, no keys. Written and read by ``sealing``.
sealing_key = Table(
    "sealing_key",
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("since", Moment, nullable=False),
)
