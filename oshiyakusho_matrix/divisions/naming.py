"""Names what work is about by what people call it. For reports, ``!status`` and the command line."""

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.service import CityHall
from oshiyakusho_matrix.divisions.tables import title
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.reconcile.reports import Describe, describe_plainly
from oshiyakusho_matrix.store.unit_of_work import Transaction


def describe_with(hall: CityHall) -> Describe:
    """Return what names rooms by their titles, and the rest plainly."""

    async def describe(tx: Transaction, key: WorkKey) -> Text:
        if key.kind == "room":
            found = (await hall.picture(tx, around=key.name)).find(key.name)
            if found is not None:
                return say("the room {name}", name=title(*found))
        return await describe_plainly(tx, key)

    return describe
