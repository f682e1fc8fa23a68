"""Nothing begins beside a city hall that stands when the records of it are lost: it would put everybody out.

``serving.composed`` asks, so ``serve``, ``rooms apply`` and ``rooms plan`` refuse; ``rebuild`` is the way on.
"""

from sqlalchemy import Table, select

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.divisions.tables import space
from oshiyakusho_matrix.reconcile.found_rooms import knows_a_hall


class RecordsLost(Misconfigured):
    """The homeserver has a city hall of ours, and the database knows nothing of it."""


async def refuse_lost(app: CityHallApp) -> None:
    """Raise ``RecordsLost`` if nothing is on record although the bot is in rooms of a city hall.

    Raises whatever keeps the homeserver from answering: not knowing is no reason to begin.
    """
    if not await is_blank(app, space) or not await knows_a_hall(app.homeserver):
        return
    raise RecordsLost(
        "The homeserver has this city hall already, but the database is empty: nobody would be a member, and all "
        "would be put out. Bring back a backup with `oshiyakusho-matrix restore`; without one, `oshiyakusho-matrix "
        "rebuild` reads rooms and members from the homeserver."
    )


async def is_blank(app: CityHallApp, table: Table) -> bool:
    """Tell whether a table has no row."""
    async with app.store.reading() as connection:
        return (await connection.execute(select(table).limit(1))).first() is None
