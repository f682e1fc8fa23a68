"""The single values of ``rooms/*.yaml``: names, slugs, templates, user ids, each with its own rule.

Used by the models in ``catalogue.schema``. A rule that needs to look at two values at once is in
``catalogue.kinds`` or ``catalogue.spaces``.
"""

import re
import unicodedata
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from oshiyakusho_matrix.appservice.registration import ALIAS_PREFIXES
from oshiyakusho_matrix.core.ids import SLUG_PATTERN, UserId, parse_user_id, server_of
from oshiyakusho_matrix.core.text import Text, say, visible

#: Bytes that a room name may have: convention of clients and servers, not of the specification.
NAME_BYTES = 255
#: Bytes that a purpose or topic may have, so that it still reads as one paragraph in a list of rooms.
TOPIC_BYTES = 1000

_BRACED = re.compile(r"\{[^{}]*\}|[{}]")
# A part of a DNS name (RFC 1123, section 2.1).
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
# State that the gate stands on, and state that is put back at once when anybody else changes it.
_KEPT_STATE = frozenset(
    f"m.room.{name}"
    for name in (
        *("power_levels", "join_rules", "history_visibility", "server_acl", "tombstone", "encryption"),
        *("canonical_alias", "guest_access", "create", "third_party_invite", "name", "topic"),
    )
) | {"m.space.child", "m.space.parent", "jp.oshiyakusho.locator"}


def refuse(text: Text) -> PydanticCustomError:
    """Return the error by which a validator hands its sentence through pydantic to ``catalogue.errors``."""
    return PydanticCustomError("catalogue", "refused", {"text": text})


def hidden_character(text: str) -> str | None:
    """Return the first character that hides, reorders or breaks text as ``U+XXXX``; None if there is none.

    The zero-width joiner is let through, because emoji are made with it.
    """
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and character != "\u200d":
            return f"U+{ord(character):04X}"
    return None


def why_not_plain(text: str) -> Text | None:
    """Return why somebody's words cannot be a name or a purpose, in files and in commands; None if they can."""
    code = hidden_character(text)
    if code is None:
        return None
    return say("The character {code} hides, reorders or breaks text; write it on one line without.", code=code)


def _plain(text: str) -> str:
    if (reason := why_not_plain(text)) is not None:
        raise refuse(reason)
    return text


def _at_most(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        size = len(text.encode())
        if size > limit:
            raise refuse(say("This has {size} bytes; {limit} are allowed.", size=size, limit=limit))
        return text

    return check


def _with_placeholders(*allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        for braced in _BRACED.findall(text):
            if braced not in allowed:
                known = ", ".join(allowed)
                raise refuse(
                    say("{found} is no placeholder here; known: {known}.", found=visible(braced, limit=60), known=known)
                )
        return text

    return check


def _alias(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]*(\{slug\}[a-z0-9-]*)?", text) or not text:
        sign = "{slug}"
        raise refuse(
            say(
                "An alias is made of a-z, 0-9, hyphens and at most one {placeholder}, without # and :.",
                placeholder=sign,
            )
        )
    prefix = text.partition("{slug}")[0]
    # What the registration does not reserve could be taken by anybody.
    if prefix and not prefix.startswith(ALIAS_PREFIXES):
        raise refuse(say("An alias must begin with one of: {known}.", known=", ".join(ALIAS_PREFIXES)))
    return text


def _user(text: str) -> str:
    try:
        good = parse_user_id(text) == text
    except ValueError:
        good = False
    if not good:
        raise refuse(say('"{value}" is not a user id of the form @user:server.', value=visible(text, limit=60)))
    if not _possible(server_of(UserId(text))):
        raise refuse(say('"{value}" is of a server that there cannot be.', value=visible(text, limit=60)))
    return text


def _possible(server: str) -> bool:
    """Tell whether a server name could be one: a mistyped dot or port is found here, a mistyped name is not."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        try:
            IPv6Address(host)
        except ValueError:
            return False
        port = port.removeprefix(":")
    else:
        host, _, port = server.partition(":")
        if not all(_LABEL.fullmatch(label) for label in host.split(".")):
            return False
    return not port or 1 <= int(port) <= 65535


def _powers(powers: dict[str, int]) -> dict[str, int]:
    for event_type, level in powers.items():
        if event_type in _KEPT_STATE and level < 100:
            raise refuse(
                say("{event_type} is kept by the city hall; its level cannot be below 100.", event_type=event_type)
            )
    return powers


Slug = Annotated[str, Field(pattern=SLUG_PATTERN, examples=["zaisei"])]
Name = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"maxLength": NAME_BYTES}),
    AfterValidator(_plain),
    AfterValidator(_at_most(NAME_BYTES)),
]
Topic = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"maxLength": TOPIC_BYTES}),
    AfterValidator(_plain),
    AfterValidator(_at_most(TOPIC_BYTES)),
]
NameTemplate = Annotated[Name, AfterValidator(_with_placeholders("{name}"))]
TopicTemplate = Annotated[Topic, AfterValidator(_with_placeholders("{name}", "{purpose}"))]
AliasTemplate = Annotated[str, Field(examples=["ka-{slug}"]), AfterValidator(_alias)]
User = Annotated[str, Field(examples=["@akari:city.example"]), AfterValidator(_user)]
Powers = Annotated[dict[str, Annotated[int, Field(ge=0, le=100)]], AfterValidator(_powers)]
