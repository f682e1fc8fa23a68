"""How much one client may send to the forms, and who one client is. Kept in memory alone.

A whole prefecture's public servants may sit behind one address (自治体情報セキュリティクラウド), so this is against
floods only. What is worth guessing (codes, secrets) is guarded where it is kept, by tries.
"""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final

from oshiyakusho_matrix.core.clock import JST, now

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once; one more after each ``refill``."""

    burst: int = 200
    refill: timedelta = timedelta(seconds=2)


#: Some hundred bytes each. The client that has been quiet longest is forgotten first.
MOST_CLIENTS: Final = 10_000


class RateLimits:
    """Counts what clients send, by a keyed hash of their address; each day has another key, and begins anew."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._day: date | None = None
        self._key = b""
        #: When a client's bucket will be full again (the generic cell rate algorithm, ITU-T I.371).
        self._full_at: OrderedDict[bytes, float] = OrderedDict()

    def wait(self, address: str) -> timedelta | None:
        """Count one thing sent from an address; if that is too much, return after how long it may be tried again."""
        client, present, refill = self._client(address), monotonic(), self._rate.refill.total_seconds()
        full_at = max(self._full_at.get(client, present), present)
        over = full_at - present - (self._rate.burst - 1) * refill
        if over > 0:
            return timedelta(seconds=over)
        self._full_at[client] = full_at + refill
        self._full_at.move_to_end(client)
        if len(self._full_at) > MOST_CLIENTS:
            self._full_at.popitem(last=False)
        return None

    def _client(self, address: str) -> bytes:
        today = now().astimezone(JST).date()
        if today != self._day:
            self._day, self._key = today, secrets.token_bytes(32)
            self._full_at.clear()
        return blake2b(_of_one_client(address).encode(), key=self._key, digest_size=16).digest()


def client_address(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Return who asks: the peer, or if that is a trusted proxy, the last one it names that is none itself.

    ``forwarded`` are the ``X-Forwarded-For`` headers. Whatever stands left of that entry, anybody may have written.
    """
    address = peer
    for entry in reversed([each.strip() for header in forwarded for each in header.split(",")]):
        read = _read(address)
        if read is None or not any(read in network for network in proxies):
            break
        if _read(entry) is None:
            break
        address = entry
    return address


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return read.ipv4_mapped or read if isinstance(read, IPv6Address) else read


def _of_one_client(address: str) -> str:
    """Return what all addresses of a client share: a network of IPv6 gives each machine as many as it wants."""
    read = _read(address)
    return str(IPv6Network((int(read), 64), strict=False)) if isinstance(read, IPv6Address) else str(read or address)
