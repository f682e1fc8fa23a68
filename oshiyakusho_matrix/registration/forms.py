"""Between what was typed into the registration form and ``particulars.Form``. Called by ``pages.registering``.

Every field that is not right gets one sentence that says what to write instead; none repeats what was typed. Nothing
here knows how the page looks.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.dates import read_date
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, fold, say, visible
from oshiyakusho_matrix.registration.addresses import Address, parse_address
from oshiyakusho_matrix.registration.particulars import WITH_TERM, Employment, Form, Particulars, fiscal_year_end
from oshiyakusho_matrix.roster.organisations.domain import Organisation
from oshiyakusho_matrix.roster.organisations.folding import hiragana
from oshiyakusho_matrix.roster.organisations.listing import Organisations
from oshiyakusho_matrix.web.visits import Fields

#: What applicants consent to: the notice on the page and ``handbook/privacy``. A test holds it to their wording.
CONSENT: Final = "2026-11-24"

#: In the order of the page.
FIELDS: Final = (
    *("organisation", "department", "employment", "term_ends", "name"),
    *("yomi", "address", "interests", "has_account", "consent"),
)
#: What is chosen where the organisation is not in the list.
FREE: Final = "free"
#: How many organisations are offered to choose from.
MOST_MATCHES: Final = 20

_LONGEST_NAME: Final = 60
_LONGEST_WORDS: Final = 100
#: A term that ended longer ago, or ends later, is a slip.
_TERM_ENDED: Final = timedelta(days=366)
_LONGEST_TERM: Final = timedelta(days=366 * 11)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which organisation was meant: one of the list, a free name, or none yet, with those that it could be."""

    code: str | None = None
    name: str = ""
    problem: Text | None = None
    matches: Sequence[Organisation] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a form: a ``form``, or the ``problems`` by field, in the order of the page."""

    form: Form | None
    problems: Mapping[str, Text] = field(default_factory=dict)
    choice: Choice = field(default_factory=Choice)


def read_form(fields: Fields, organisations: Organisations, interests: Collection[str], language: str) -> Reading:
    """Read the form; ``interests`` are the slugs that it offered."""
    choice = choose(fields, organisations)
    problems = {} if choice.problem is None else {"organisation": choice.problem}
    entries: _Entries | None = None
    typed: dict[str, object] = {name: fields.one(name) for name in FIELDS}
    typed["interests"] = tuple(slug for slug in dict.fromkeys(fields.all("interests")) if slug in interests)
    try:
        entries = _Entries.model_validate(typed)
    except ValidationError as error:
        problems |= {str(each["loc"][0]): each["ctx"]["text"] for each in error.errors()}
    if entries is None or problems:
        return Reading(None, {name: problems[name] for name in FIELDS if name in problems}, choice)
    return Reading(_form(entries, choice, language), {}, choice)


def choose(fields: Fields, organisations: Organisations) -> Choice:
    """Find the organisation that was typed, or chosen among those that were offered for what was typed."""
    typed = _seen(fields.one("organisation"))
    chosen, offered_for = fields.one("choice"), fields.one("searched")
    if not typed:
        return Choice(problem=say("Please write where you work."))
    if len(typed) > _LONGEST_WORDS:
        return Choice(problem=say("Please write at most {most} characters here.", most=_LONGEST_WORDS))
    named = organisations.named(typed)
    still = fold(offered_for) == fold(typed)
    if still and (of_list := organisations.get(chosen)) is not None:
        return Choice(of_list.code, of_list.label)
    if len(named) == 1:
        return Choice(named[0].code, named[0].label)
    if chosen == FREE and (still or not offered_for):
        return Choice(None, typed)
    if named:
        return Choice(problem=say("Several bodies have this name. Please choose yours below."), matches=named)
    matches = organisations.search(typed, MOST_MATCHES)
    if matches:
        return Choice(problem=say("Please choose your organisation below."), matches=matches)
    return Choice(
        problem=say("Nothing in the list is like this. Write it another way, or tick that it is not in the list.")
    )


def _refuse(text: Text) -> PydanticCustomError:
    """Return the error by which a validator hands its sentence through pydantic."""
    return PydanticCustomError("refused", "refused", {"text": text})


def _seen(typed: str) -> str:
    """Return what can be seen of what was typed, on one line: a soft hyphen within a name makes another one of it."""
    return " ".join("".join(c for c in visible(typed, limit=10_000) if c.isprintable()).split())


def _words(most: int, missing: Text) -> Any:
    def check(typed: str) -> str:
        words = _seen(typed)
        if not any(unicodedata.category(character)[0] == "L" for character in words):
            raise _refuse(missing)
        if len(words) > most:
            raise _refuse(say("Please write at most {most} characters here.", most=most))
        return words

    return AfterValidator(check)


def _yomi(typed: str) -> str:
    words = hiragana(unicodedata.normalize("NFKC", _seen(typed)))
    if not words:
        raise _refuse(say("Please write how your name is read, in hiragana."))
    if len(words) > _LONGEST_NAME:
        raise _refuse(say("Please write at most {most} characters here.", most=_LONGEST_NAME))
    if not all("ぁ" <= character <= "ゖ" or character in " ー・ゝゞ" for character in words):
        raise _refuse(say("Please write the reading in hiragana or katakana alone."))
    return words


def _address(typed: str) -> Address:
    if not typed.strip():
        raise _refuse(say("Please write your work mail address."))
    try:
        return parse_address(typed)
    except Refused as refusal:
        raise _refuse(refusal.text) from None


def _employment(typed: str) -> Employment:
    try:
        return Employment(typed)
    except ValueError:
        raise _refuse(say("Please choose how you are employed.")) from None


def _yes_or_no(typed: str) -> bool:
    if typed not in ("yes", "no"):
        raise _refuse(say("Please choose whether you have a Matrix account."))
    return typed == "yes"


def _consent(typed: str) -> str:
    if typed != CONSENT:
        raise _refuse(say("Please read the rules and the purposes of use, and tick that you agree."))
    return typed


class _Entries(BaseModel):
    """The fields but the organisation, each on its own but for the end of the term."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    department: Annotated[str, _words(_LONGEST_WORDS, say("Please write your department or section."))]
    employment: Annotated[Any, AfterValidator(_employment)]
    term_ends: Any
    name: Annotated[str, _words(_LONGEST_NAME, say("Please write your name."))]
    yomi: Annotated[str, AfterValidator(_yomi)]
    address: Annotated[Any, AfterValidator(_address)]
    interests: tuple[str, ...]
    has_account: Annotated[Any, AfterValidator(_yes_or_no)]
    consent: Annotated[str, AfterValidator(_consent)]

    @field_validator("term_ends")
    @classmethod
    def _read_term(cls, typed: str, info: ValidationInfo) -> date | None:
        employment = info.data.get("employment")
        if employment not in WITH_TERM:
            return None
        if not typed.strip():
            if employment is Employment.FISCAL_YEAR:
                return fiscal_year_end(now())
            raise _refuse(say("Please write the day on which your term ends."))
        try:
            day = read_date(typed)
        except ValueError:
            raise _refuse(say("Please write a date such as 令和9年3月31日, R9.3.31 or 2027/3/31.")) from None
        today = now().astimezone(JST).date()
        if not today - _TERM_ENDED <= day <= today + _LONGEST_TERM:
            raise _refuse(say("This date is too far away. Please check the year."))
        return day


def _form(entries: _Entries, choice: Choice, language: str) -> Form:
    address: Address = entries.address
    return Form(
        organisation=choice.code,
        organisation_name=choice.name,
        particulars=Particulars(
            name=entries.name,
            yomi=entries.yomi,
            address=str(address),
            department=entries.department,
            employment=entries.employment,
            term_ends=entries.term_ends,
        ),
        mailbox=address.mailbox,
        domain=address.domain,
        shared=address.shared,
        tagged=address.tagged,
        interests=entries.interests,
        has_account=entries.has_account,
        consent=entries.consent,
        language=language,
    )
