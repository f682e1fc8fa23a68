"""Looks for rooms of a city hall that the records know nothing of: made after the backup that was restored, say.

Called by ``examine``. Nobody looks after such a room: who comes in, and what others change there.
"""

from collections.abc import Collection
from contextlib import suppress

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import RoomId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.operations.doctor.findings import Examination, failed, fine, reason_of, warning
from oshiyakusho_matrix.reconcile.found_rooms import SPACE, Eyes
from oshiyakusho_matrix.reconcile.room_plan import LOCATOR


async def check_forgotten(eyes: Eyes, known: Collection[RoomId]) -> Examination:
    """Are there rooms with our label that are on no record? Only those that are on no record are asked about."""
    forgotten = list[str]()
    try:
        for room_id in sorted({*await eyes.joined_rooms()} - {*known}):
            with suppress(Forbidden):
                locator = await eyes.state_content(room_id, LOCATOR)
                if locator is not None and str(locator.get("key")).startswith(SPACE):
                    address = await eyes.state_content(room_id, "m.room.canonical_alias")
                    forgotten.append(str((address or {}).get("alias", room_id)))
    except CityHallError as error:
        return failed("forgotten rooms", reason_of(error), say("Run doctor again."))
    if not forgotten:
        return fine("forgotten rooms", say("Every room that was made is on record."))
    return warning(
        "forgotten rooms",
        say("Made, but not on record, so nobody looks after them: {rooms}", rooms=", ".join(sorted(forgotten))),
        say(
            "If they belong to a division that was made after the backup, make it again under the same short name: its "
            "rooms are found, not made twice. Else close them with a Matrix client."
        ),
    )
