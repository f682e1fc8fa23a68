"""Reads one word as a value of its kind, and says in one sentence what is wrong with it.

Only what is an identifier, a number or a choice is folded (NFKC, case); a ``str`` keeps its exact characters. What
pydantic finds afterwards (limits, validators) is put into words here as well.
"""

import re
import unicodedata
from urllib.parse import unquote

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oshiyakusho_matrix.commands.reading.arguments import Parameter
from oshiyakusho_matrix.commands.reading.words import Word
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import SLUG_PATTERN, Slug, UserId, parse_user_id
from oshiyakusho_matrix.core.text import Text, fold, say, visible

# What comes along when a name is copied out of a client: marks that reorder, spaces without width.
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_SLUG = re.compile(SLUG_PATTERN)


def shown(text: str) -> str:
    """Shorten what somebody typed so that a sentence can quote it."""
    return visible(text, limit=60)


def read_user(text: str) -> UserId:
    """Read a user id, a matrix.to link or a matrix: URI as clients write them; ValueError if it is none."""
    return parse_user_id(unquote(text.strip().partition("?")[0], errors="strict"))


def value_of(parameter: Parameter, word: Word, language: str, mentioned: frozenset[UserId]) -> str:
    """Return the word as pydantic shall read it. ``Refused`` says what is wrong with it."""
    label = parameter.label(language)
    if not word.closed:
        raise Refused(say("The quotation mark before “{word}” is never closed.", word=shown(word.text[1:])))
    if parameter.type is str:
        return word.text
    if parameter.type is UserId:
        return _user(word, mentioned)
    text = fold(_INVISIBLE.sub("", word.text))
    if choices := parameter.choices:
        if text not in choices:
            known = "、".join(choices) if language == "ja" else ", ".join(choices)
            raise Refused(say("“{word}” is no {argument}. Possible: {choices}", word=shown(word.text), argument=label,
                              choices=known))  # fmt: skip
        return choices[text]
    if parameter.type is Slug and not _SLUG.fullmatch(text):
        raise Refused(
            say("“{word}” cannot be the {argument}: it is 2 to 40 letters a–z, digits and hyphens, with no hyphen at "
                "either end.", word=shown(word.text), argument=label)
        )  # fmt: skip
    return text


def _user(word: Word, mentioned: frozenset[UserId]) -> UserId:
    if word.user_id is not None:
        return word.user_id
    bare = _INVISIBLE.sub("", unicodedata.normalize("NFKC", word.text)).strip()
    # Some clients write "@hanako" and say in m.mentions alone whom they mean. Never guess from a display name.
    meant = [u for u in mentioned if u[1:].partition(":")[0] == bare.removeprefix("@").casefold()]
    if len(meant) == 1:
        return meant[0]
    try:
        return read_user(bare.casefold())
    except ValueError:
        raise Refused(
            say("“{word}” is no Matrix user. Write @name:server, or mention the person.", word=shown(word.text))
        ) from None


#: pydantic's kinds of errors, and the limit that goes with them.
_LIMITS = {
    "greater_than_equal": ("ge", say("{argument} must be {limit} or more.")),
    "greater_than": ("gt", say("{argument} must be more than {limit}.")),
    "less_than_equal": ("le", say("{argument} must be {limit} or less.")),
    "less_than": ("lt", say("{argument} must be less than {limit}.")),
    "string_too_short": ("min_length", say("{argument} must have {limit} characters or more.")),
    "string_too_long": ("max_length", say("{argument} must have {limit} characters or less.")),
    "too_short": ("min_length", say("{argument} must be given {limit} times or more.")),
    "too_long": ("max_length", say("{argument} must be given {limit} times or less.")),
}


def explained(error: ValidationError, parameters: tuple[Parameter, ...], language: str) -> Text:
    """Put the first of pydantic's findings into words."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    label = next((p.label(language) for p in parameters if p.field == name), name)
    kind = first["type"]
    if kind in _LIMITS:
        key, text = _LIMITS[kind]
        return Text(text.msgid, {"argument": label, "limit": str(first.get("ctx", {}).get(key, ""))})
    return _misfit(first, kind, label)


def _misfit(first: ErrorDetails, kind: str, label: str) -> Text:
    word = shown(first["input"]) if isinstance(first["input"], str) else ""
    if not label or not word:
        return say("These arguments do not go together.")
    if kind.startswith("int_"):
        return say("{argument} must be a whole number; “{word}” is none.", argument=label, word=word)
    if kind.startswith("date_") and not kind.startswith("datetime_"):
        return say("{argument} must be a date such as 2027-04-01; “{word}” is none.", argument=label, word=word)
    return say("“{word}” does not fit as {argument}.", argument=label, word=word)
