"""A demo of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running import Demo, small_city_hall
from tests.support.ports import ReservedPort


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo on a small city hall, not started yet."""
    ports = [ReservedPort() for _ in range(4)]
    yield Demo(tmp_path / "demo", small_city_hall(tmp_path / "rooms"), ports)
    for port in ports:
        port.release()
