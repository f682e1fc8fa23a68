"""The one source of time. Everything stored is UTC; people read Asia/Tokyo."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)
