"""What the database holds that needs a person: records that cannot be read, and what was set aside after errors.

Called by ``examine``. ``!status`` tells the secretariat the same.
"""

from collections.abc import Awaitable, Callable, Sequence

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.operations.doctor.findings import Examination, failed, fine, reason_of, warning
from oshiyakusho_matrix.status.parking import Parked
from oshiyakusho_matrix.status.troubles import Trouble


async def check_records(records: Callable[[], Awaitable[Sequence[Trouble]]]) -> list[Examination]:
    """Can every record be read? One examination for each that cannot."""
    try:
        found = await records()
    except CityHallError as error:
        return [failed("records", reason_of(error), say("Run doctor again."))]
    if not found:
        return [fine("records", say("Every record can be read."))]
    return [
        failed("records", say("This cannot be read: {what} ({cause})", what=each.what, cause=each.cause), each.cure)
        for each in found
    ]


async def check_parked(parked: Callable[[], Awaitable[Sequence[Parked]]]) -> list[Examination]:
    """Does anything wait for a person? One examination for each that does."""
    try:
        found = await parked()
    except CityHallError as error:
        return [failed("parked", reason_of(error), say("Run doctor again."))]
    if not found:
        return [fine("parked", say("Nothing was set aside."))]
    return [warning("parked", _waits(each), _mend(each)) for each in found]


def _waits(parked: Parked) -> Text:
    return say(
        "{reference} waits for a person: {what} ({why})", reference=parked.reference, what=parked.what, why=parked.why
    )


def _mend(parked: Parked) -> Text:
    return say(
        "Mend the cause; then `!retry {reference}` in the secretariat's room tries again, and `!drop {reference}` "
        "gives it up.",
        reference=parked.reference,
    )
