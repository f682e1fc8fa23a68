"""What ``doctor`` hands back: examinations, each with a verdict, what was found, and how to mend it.

Written by the modules beside this one, printed by ``cli.py``.
"""

from dataclasses import dataclass
from enum import StrEnum

from oshiyakusho_matrix.core.errors import CityHallError, Permanent, Refused, Temporary
from oshiyakusho_matrix.core.text import Text, say


class Verdict(StrEnum):
    """``FAILED`` makes the command end with exit code 1; a warning does not."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Examination:
    """One thing that was looked at. ``name`` is a fixed word for scripts, with what it is about after a colon."""

    name: str
    verdict: Verdict
    found: Text
    mend: Text | None = None


def fine(name: str, found: Text) -> Examination:
    """All is well."""
    return Examination(name, Verdict.OK, found)


def warning(name: str, found: Text, mend: Text) -> Examination:
    """It works, but people will suffer or somebody should look."""
    return Examination(name, Verdict.WARNING, found, mend)


def failed(name: str, found: Text, mend: Text) -> Examination:
    """It does not work."""
    return Examination(name, Verdict.FAILED, found, mend)


def reason_of(error: CityHallError) -> Text:
    """Return an error as something found."""
    if isinstance(error, Refused):
        return error.text
    why = error.why if isinstance(error, Temporary | Permanent) else str(error)
    return say("It did not work: {reason}", reason=why)
