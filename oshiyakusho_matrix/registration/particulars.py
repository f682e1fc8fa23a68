"""What an applicant tells us: the form once it is checked, and the part of it that is sealed. Pure.

``forms`` makes these of what was typed, ``service`` keeps them, ``tables`` seals and opens ``Particulars``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import Text, fold, say


class Employment(StrEnum):
    """How somebody is employed (domain facts: 地方公務員法, 会計年度任用職員 are of the regular service)."""

    REGULAR = "regular"
    FIXED_TERM = "fixed term"
    REAPPOINTED = "reappointed"
    FISCAL_YEAR = "fiscal year"
    TEMPORARY = "temporary"
    SECONDED = "seconded"


#: Those whose employment ends on a date that they know (任期満了日).
WITH_TERM: Final = frozenset(
    {Employment.FIXED_TERM, Employment.REAPPOINTED, Employment.FISCAL_YEAR, Employment.TEMPORARY}
)

EMPLOYMENTS: Final[Mapping[Employment, Text]] = {
    Employment.REGULAR: say("Regular, without a term"),
    Employment.FIXED_TERM: say("Fixed term"),
    Employment.REAPPOINTED: say("Reappointed after retirement age"),
    Employment.FISCAL_YEAR: say("Fiscal-year appointment"),
    Employment.TEMPORARY: say("Temporary appointment"),
    Employment.SECONDED: say("Seconded to another body"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What identifies the applicant: sealed in the database, shown on the review page alone."""

    name: str
    yomi: str
    address: str
    department: str
    employment: Employment
    term_ends: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the applicant filled in, checked. ``organisation`` is a code of the list, or None with a free name.

    ``mailbox`` is the canonical form of the address by which the same mailbox is recognised.
    """

    organisation: str | None
    organisation_name: str
    particulars: Particulars
    mailbox: str
    domain: str
    shared: bool
    tagged: bool
    interests: tuple[str, ...]
    has_account: bool
    consent: str
    language: str


def person_of(particulars: Particulars, organisation: str) -> str:
    """Return by what the same person is recognised: the reading of the name, and the organisation (code or name)."""
    return "\0".join((fold(particulars.yomi).replace(" ", ""), fold(organisation)))


def fiscal_year_end(present: datetime) -> date:
    """Return the next 31 March, the usual end of a fiscal-year appointment."""
    today = present.astimezone(JST).date()
    return date(today.year + (today.month > 3), 3, 31)
