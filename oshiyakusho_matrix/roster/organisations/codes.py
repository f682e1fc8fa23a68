"""The codes of local governments (全国地方公共団体コード): six digits, the last of which checks the others. Pure.

Two digits for the prefecture (JIS X 0401), three for the body (JIS X 0402), one to check; a text, because it may begin
with 0. National bodies have no official code: theirs here are ``go:`` and a short name, as in ``go:soumu``.
"""

from typing import Final

NATIONAL: Final = "go:"
_WEIGHTS: Final = (6, 5, 4, 3, 2)


def check_digit(five: str) -> str:
    """Return the sixth digit to five others, as the Ministry of Internal Affairs has it computed."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, five, strict=True))
    return str((11 - total % 11) % 10)
