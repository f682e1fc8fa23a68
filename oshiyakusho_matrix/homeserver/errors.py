"""What an answer of the homeserver means: success, absence, or one of the house's errors.

``wire`` reads each HTTP answer into an ``Answer``; ``client`` asks it what it means. Whatever did not come from a
homeserver (the HTML page of a reverse proxy, a cut-off body) is ``Temporary``: it says nothing about rooms.
Source: https://spec.matrix.org/v1.16/client-server-api/#api-standards
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Never

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.text import say, visible
from oshiyakusho_matrix.homeserver.interface import AliasTaken, Forbidden, NotDone

#: What a homeserver answers when another one, which it has to ask, does not answer it (Synapse: 502 M_UNKNOWN).
_OTHER_IS_AWAY = (502, 504)
_USER_ID = re.compile(r"@[^\s@:'\"]+:[^\s'\",)]+")
_LONGEST_WAIT = timedelta(days=1)
_BAD_TOKEN = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read but not yet judged. ``errcode`` is empty unless the homeserver itself refused."""

    call: str
    status: int
    content: Mapping[str, Any] | list[Any] = field(default_factory=dict)
    errcode: str = ""
    detail: str = ""
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        """Whether the homeserver did what was asked."""
        return 200 <= self.status < 300

    @property
    def absent(self) -> bool:
        """Whether the homeserver itself says that there is no such thing."""
        return self.status == 404 and self.errcode == "M_NOT_FOUND"

    def accept(self) -> Mapping[str, Any]:
        """Return the object that a success carries; raise what any other answer means."""
        if not self.ok:
            self._refuse()
        if isinstance(self.content, list):
            raise Temporary(f"{self.call}: the homeserver answered {self.status} with a list")
        return self.content

    def accept_list(self) -> list[Any]:
        """Return the list that a success carries; raise what any other answer means."""
        if not self.ok:
            self._refuse()
        if not isinstance(self.content, list):
            raise Temporary(f"{self.call}: the homeserver answered {self.status} without a list")
        return self.content

    def _refuse(self) -> Never:
        reason = f"{self.call}: the homeserver answered {self.status}"
        reason += f" {self.errcode}" if self.errcode else " without a Matrix error code"
        reason += f" ({self.detail})" if self.detail else ""
        if self.status == 429 or self.status >= 500:
            raise Temporary(reason, self.retry_after)
        if self.errcode in _BAD_TOKEN:
            # Nothing is wrong with what was asked: once the homeserver knows us again, all goes on by itself.
            raise NotDone(
                f"{reason}: it does not know the as_token of our registration; "
                "compare registration.yaml with the copy that the homeserver has loaded, then restart both"
            )
        if not self.errcode and self.status != 413:
            raise Temporary(f"{reason}: something in between answered in its place", self.retry_after)
        if self.status == 403:
            raise Forbidden(reason)
        if self.errcode == "M_ROOM_IN_USE":
            raise AliasTaken(reason)
        raise Permanent(reason)

    @property
    def other_is_away(self) -> bool:
        """Whether the homeserver itself, and no proxy before it, says that another one did not answer."""
        return self.status in _OTHER_IS_AWAY and bool(self.errcode)

    def text(self, key: str) -> str:
        """Return a string that a success must carry; ``Temporary`` if it does not."""
        value = self.accept().get(key)
        if not isinstance(value, str):
            raise Temporary(f"{self.call}: the homeserver answered {self.status} without {key}")
        return value


def away(server: str) -> Temporary:
    """Return what it means that another homeserver does not answer ours."""
    return Temporary(say("the server {server} cannot be reached at present", server=server))


def read_answer(call: str, status: int, headers: Mapping[str, str], body: bytes, *, secret: str = "") -> Answer:
    """Read an answer. ``secret`` is blotted out of what may be logged.

    Raises ``Temporary`` where a success is no JSON: it was cut off, or is no homeserver's.
    """
    content = _json(body)
    if not isinstance(content, dict | list):
        if 200 <= status < 300:
            raise Temporary(f"{call}: the homeserver answered {status} with something that is not JSON")
        return Answer(call, status, retry_after=_retry_after(headers, {}))
    if 200 <= status < 300:
        return Answer(call, status, content)
    if isinstance(content, list):
        content = {}
    errcode, error = content.get("errcode"), content.get("error")
    return Answer(
        call,
        status,
        content,
        errcode=visible(errcode, limit=80) if isinstance(errcode, str) else "",
        detail=_redacted(error, secret) if isinstance(error, str) else "",
        retry_after=_retry_after(headers, content),
    )


def _json(body: bytes) -> object:
    """Read JSON; None (which no answer is) if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _redacted(error: str, secret: str) -> str:
    """Keep the homeserver's sentence, without tokens and without user ids, which are personal data."""
    if secret:
        error = error.replace(secret, "…")
    return visible(_USER_ID.sub("@…", error), limit=200)


def _retry_after(headers: Mapping[str, str], content: Mapping[str, Any]) -> timedelta | None:
    """Read ``retry_after_ms``, or else Retry-After (seconds or a date, RFC 9110 section 10.2.3)."""
    milliseconds = content.get("retry_after_ms")
    if isinstance(milliseconds, int) and not isinstance(milliseconds, bool):
        return _bounded(milliseconds / 1000)
    header = headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdigit():
        return _bounded(float(header))
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return _bounded((_aware(moment) - now()).total_seconds())


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT.total_seconds()))
