"""Which keys a database needs: so that a lost or wrong key is found at the start, and not when somebody is waiting.

``app`` notes the key before anything is sealed with it; ``operations`` looks whether all are there. The keys themselves
never come into the database.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.tables import sealing_key
from oshiyakusho_matrix.store.unit_of_work import Transaction


async def note_key(tx: Transaction, sealer: Sealer, *, at: datetime) -> None:
    """Keep that from now on something may be sealed with the current key."""
    values = {"fingerprint": sealer.fingerprint, "since": at}
    known = upsert(tx.connection, sealing_key).values(values)
    await tx.connection.execute(known.on_conflict_do_nothing(index_elements=["fingerprint"]))


async def missing_keys(connection: AsyncConnection, sealer: Sealer | None) -> Sequence[str]:
    """Return the fingerprints of the keys that this database needs and that are not there, oldest first."""
    known = await connection.scalars(select(sealing_key.c.fingerprint).order_by(sealing_key.c.since))
    there = sealer.fingerprints if sealer else ()
    return [fingerprint for fingerprint in known if fingerprint not in there]


async def forget_key(tx: Transaction, fingerprint: str) -> bool:
    """Need a key no more; False if it was not needed. What is sealed with it can then be opened by nobody."""
    forgotten = await tx.connection.execute(delete(sealing_key).where(sealing_key.c.fingerprint == fingerprint))
    return bool(forgotten.rowcount)
