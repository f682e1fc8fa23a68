"""Mail addresses and mail domains as people type them, read strictly. Pure.

The form and the page on domains call it. Of RFC 5321 and 5322 only what mailboxes of offices really look like is taken:
no quotes, comments, routes, address literals or letters beyond ASCII. What is refused is never repeated in the refusal.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.registration.roles import is_shared

#: RFC 5321, 4.5.3.1: characters of the part before @, and of all (a path of 256 has its angle brackets).
LONGEST_LOCAL: Final = 64
LONGEST: Final = 254
_LONGEST_DOMAIN: Final = 253

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.ASCII)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)
#: No top level is a number; so this is an address of the Internet protocol.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address. ``local`` is as typed (after NFKC), ``domain`` in lower case without a dot at its end.

    ``mailbox`` is the same for all spellings of one mailbox: in lower case, without ``+tag``. ``shared``: the name is
    that of an office or a task, so several people may read it.
    """

    local: str
    domain: str
    mailbox: str
    tagged: bool
    shared: bool

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> Address:
    """Read a mail address, full-width or half-width; ``Refused`` says what is wrong with it."""
    bare = _plain(text)
    if bare.count("@") != 1:
        raise Refused(say("A mail address has exactly one @, as in name@city.example.lg.jp."))
    local, _, domain = bare.partition("@")
    if len(local) > LONGEST_LOCAL or len(bare) > LONGEST:
        raise Refused(say("This mail address is longer than mail addresses can be."))
    if not _LOCAL.fullmatch(local):
        raise Refused(
            say(
                "Before the @ there can be letters, digits and signs such as - _ + and single dots between them, and "
                "nothing else: no quotation marks, brackets, spaces, or Japanese."
            )
        )
    domain = _domain(domain)
    stem, plus, _ = local.lower().partition("+")
    if not stem:
        raise Refused(say("There must be a name before the +."))
    return Address(local, domain, f"{stem}@{domain}", tagged=bool(plus), shared=is_shared(stem))


def parse_domain(text: str) -> str:
    """Read a mail domain; of a whole address, what follows the @. ``Refused`` says what is wrong with it."""
    bare = _plain(text)
    return parse_address(bare).domain if bare.count("@") > 0 and bare[0] != "@" else _domain(bare.removeprefix("@"))


def _plain(text: str) -> str:
    """Return the text as half-width characters, without the spaces around it."""
    # Before it is stripped: a line break at its end is no slip of the hand.
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in text):
        raise Refused(say("There are invisible characters in this. Please type it by hand."))
    # Far longer than it may be: not even looked at.
    if len(text) > 4 * LONGEST:
        raise Refused(say("This mail address is longer than mail addresses can be."))
    bare = unicodedata.normalize("NFKC", text).strip(" ")
    if any(c.isspace() for c in bare):
        raise Refused(say("There is a space inside. A mail address has none."))
    return bare


def _domain(text: str) -> str:
    domain = text.lower().removesuffix(".")
    if not text.isascii() or any(label.startswith("xn--") for label in domain.split(".")):
        raise Refused(say("A mail domain with letters other than a to z is not accepted, because it may imitate one."))
    if len(domain) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(domain) or _NUMBER.fullmatch(domain.rpartition(".")[2]):
        raise Refused(say("What follows the @ is not the name of a mail domain, such as city.example.lg.jp."))
    return domain
