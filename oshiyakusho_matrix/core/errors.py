"""The one tree of errors, and what each branch means to whoever catches it.

::

    CityHallError
    ├── Refused         the person asking can do something about it: shown to them, nothing was done
    ├── Temporary       try again, not before ``retry_after``
    ├── Permanent       trying again will not help: park it and tell the secretariat
    └── Misconfigured   the operator must change a file or a setting: one sentence, exit code 1

Errors of libraries are re-typed into this tree at the border where they enter (``homeserver/``,
``store/``); inside the house nobody catches a library's exception.
"""

from datetime import timedelta

from oshiyakusho_matrix.core.text import Text


class CityHallError(Exception):
    """Whatever this product raises on purpose."""


class Refused(CityHallError):
    """What was asked is not possible; ``text`` tells the person why and what to do instead."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.msgid)
        self.text = text


class Temporary(CityHallError):
    """It may work later. ``reason`` is for operators, in English, without personal data."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Permanent(CityHallError):
    """It will not work later either. ``reason`` is for operators and the secretariat."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Misconfigured(CityHallError):
    """The installation is not set up right; the message says where and how to mend it."""
