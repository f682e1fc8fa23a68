"""Who a client is, and how much it may send."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import time_machine

from oshiyakusho_matrix.web import limits
from oshiyakusho_matrix.web.limits import Rate, RateLimits, client_address

PROXIES = (ip_network("127.0.0.1"), ip_network("::1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["203.0.113.9, 192.0.2.7"], "192.0.2.7"),  # the left one anybody may have written
        ("127.0.0.1", ["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        ("127.0.0.1", ["192.0.2.7, 10.1.2.3"], "192.0.2.7"),  # a proxy behind a proxy
        ("::ffff:127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.7, "], "127.0.0.1"),
        ("192.0.2.1", ["192.0.2.7"], "192.0.2.1"),  # no proxy of ours
        ("", ["192.0.2.7"], ""),
    ],
)
def test_the_last_address_that_a_proxy_of_ours_names_is_who_asks(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 11, 23, 3, tzinfo=UTC), tick=False) as travelling:
        yield travelling


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that have passed, to be set."""
    seconds = [0.0]
    monkeypatch.setattr(limits, "monotonic", lambda: seconds[0])
    return seconds


def test_a_burst_and_then_one_after_each_refill(clock: time_machine.Traveller, passed: list[float]) -> None:
    limit = RateLimits(Rate(burst=3, refill=timedelta(seconds=2)))
    assert [limit.wait("192.0.2.7") for _ in range(4)] == [None, None, None, timedelta(seconds=2)]
    assert limit.wait("192.0.2.8") is None
    passed[0] = 1.5
    assert limit.wait("192.0.2.7") == timedelta(seconds=0.5)
    passed[0] = 2
    assert [limit.wait("192.0.2.7") for _ in range(2)] == [None, timedelta(seconds=2)]
    passed[0] = 100
    assert [limit.wait("192.0.2.7") for _ in range(4)] == [None, None, None, timedelta(seconds=2)]


def test_a_network_of_ipv6_is_one_client(clock: time_machine.Traveller, passed: list[float]) -> None:
    limit = RateLimits(Rate(burst=1))
    assert limit.wait("2001:db8::1") is None
    assert limit.wait("2001:db8::2") is not None
    assert limit.wait("2001:db8:0:1::1") is None


def test_addresses_are_kept_as_a_hash_that_changes_with_the_day(
    clock: time_machine.Traveller, passed: list[float]
) -> None:
    limit = RateLimits(Rate(burst=1))
    limit.wait("192.0.2.7")
    (first,) = limit._full_at
    assert b"192.0.2" not in first
    clock.move_to(datetime(2026, 11, 23, 15, 1, tzinfo=UTC))  # midnight in Japan has passed
    assert limit.wait("192.0.2.7") is None
    (second,) = limit._full_at
    assert first != second


def test_only_so_many_clients_are_remembered(
    clock: time_machine.Traveller, passed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_CLIENTS", 5)
    limit = RateLimits(Rate(burst=1))
    for number in range(20):
        assert limit.wait(f"192.0.2.{number}") is None
    assert len(limit._full_at) == 5
    assert limit.wait("192.0.2.19") is not None
