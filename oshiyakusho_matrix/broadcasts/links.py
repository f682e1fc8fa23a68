"""Where members may be sent to listen: to services that the operators know, by https."""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import say

#: Where live links may lead, unless the settings say otherwise; what lies below these names, too.
LIVE_HOSTS: Final = (
    "zoom.us", "youtube.com", "youtu.be", "teams.microsoft.com", "teams.live.com", "webex.com", "meet.google.com",
    "meet.jit.si", "call.element.io",
)  # fmt: skip


def decide_link(url: str, hosts: Collection[str]) -> str:
    """Decide whether members are sent to a link. ``Refused`` unless it is https to one of ``hosts``, or below one."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").casefold()
        plain = parts.scheme == "https" and parts.username is None and parts.port in (None, 443)
    except ValueError:
        host, plain = "", False
    written = url.strip()
    clean = written.isascii() and not any(sign.isspace() for sign in written)
    if plain and clean and any(host == each or host.endswith(f".{each}") for each in hosts):
        return written
    raise Refused(
        say(
            "A link for listening begins with https:// and leads to one of these: {hosts}. The operators can allow "
            "others.",
            hosts=", ".join(sorted(hosts)),
        )
    )
