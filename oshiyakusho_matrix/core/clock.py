"""The one source of time. Everything stored is UTC; people read Asia/Tokyo; the fiscal year begins on 1 April."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def fiscal_year(moment: datetime) -> int:
    """Return the Japanese fiscal year (1 April to 31 March, in Asia/Tokyo) as a Gregorian year."""
    local = moment.astimezone(JST)
    return local.year if local.month >= 4 else local.year - 1
