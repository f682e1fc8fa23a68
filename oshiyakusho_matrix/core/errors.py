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

from oshiyakusho_matrix.core.text import Text, Value, plain


class CityHallError(Exception):
    """Whatever this product raises on purpose."""


class Refused(CityHallError):
    """What was asked is not possible; ``text`` tells the person why and what to do instead.

    ``turn_to_others``: they can do nothing about it but turn to the secretariat or the operators, with the reference
    number that the answer then tells.
    """

    def __init__(self, text: Text, *, turn_to_others: bool = False) -> None:
        super().__init__(text.msgid)
        self.text = text
        self.turn_to_others = turn_to_others


class Temporary(CityHallError):
    """It may work later. ``reason`` is for operators, in English, without personal data; ``why`` for people, too."""

    def __init__(self, why: Value, retry_after: timedelta | None = None) -> None:
        self.why: Value = why
        self.reason = plain(why)
        super().__init__(self.reason)
        self.retry_after = retry_after


class Permanent(CityHallError):
    """It will not work later either. ``reason`` is for operators, in English; ``why`` for the secretariat, too.

    Give a ``Text`` where the secretariat can do something about it.
    """

    def __init__(self, why: Value) -> None:
        self.why: Value = why
        self.reason = plain(why)
        super().__init__(self.reason)


class Misconfigured(CityHallError):
    """The installation is not set up right; the message says where and how to mend it."""
