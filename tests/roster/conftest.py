"""The little city hall of ``tests/divisions`` again: what becomes of people shows in its rooms."""

from tests.divisions.conftest import city

__all__ = ["city"]
