"""The rules by which a domain is judged that nobody has written down. No I/O; ``service`` calls it.

lg.jp (J-LIS, JPRS): only where metro, pref, city, town, vill or union stands directly left of the body, as other names
there are shared by bodies or run by vendors. Geographic names: only where what follows city, town, vill or pref is
itself a public suffix, because anybody can register NAME.tokyo.jp and put ``city`` before it. go.jp is in the shipped
list: independent agencies have such names, too.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from publicsuffixlist import PublicSuffixList

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.registration.domains.domain import Proof, Verdict
from oshiyakusho_matrix.registration.domains.matching import Bodies
from oshiyakusho_matrix.registration.domains.parts import part_of
from oshiyakusho_matrix.roster.organisations import Organisation, Organisations

#: What stands before the name of a body.
KINDS: Final = frozenset({"metro", "pref", "city", "town", "vill"})
_UNION: Final = "union"
#: As a part of a name they make it look like a public body's.
_OFFICIAL: Final = (("lg", "jp"), ("go", "jp"))
_LOOKS_PUBLIC: Final = ("lg-jp", "lgjp", "go-jp", "gojp")
#: Where anybody can have a mailbox.
_FREE: Final = frozenset({
    "aol.com", "au.com", "biglobe.ne.jp", "docomo.ne.jp", "excite.co.jp", "ezweb.ne.jp", "gmail.com", "gmx.com",
    "googlemail.com", "hotmail.co.jp", "hotmail.com", "i.softbank.jp", "icloud.com", "live.com", "live.jp", "mac.com",
    "mail.com", "me.com", "msn.com", "nifty.com", "ocn.ne.jp", "outlook.com", "outlook.jp", "plala.or.jp",
    "proton.me", "protonmail.com", "rakuten.jp", "so-net.ne.jp", "softbank.ne.jp", "yahoo.co.jp", "yahoo.com",
    "ymail.ne.jp", "ymobile.ne.jp", "zoho.com",
})  # fmt: skip


@cache
def _public_suffixes() -> PublicSuffixList:
    # Suffixes that companies have added for their customers say nothing about who may register what.
    return PublicSuffixList(only_icann=True)


class Rules:
    """The rules, with the list of bodies that they tie domains to."""

    def __init__(self, organisations: Organisations) -> None:
        self._bodies = Bodies(organisations)
        self._suffixes = _public_suffixes()

    def is_suffix(self, domain: str) -> bool:
        """Tell whether names directly below this one belong to different owners, so that it says nothing of them."""
        return self._suffixes.publicsuffix(domain) == domain

    def is_free(self, domain: str) -> bool:
        """Tell whether this is a service where anybody can have a mailbox."""
        return domain in _FREE or self._suffixes.privatesuffix(domain) in _FREE

    def judge(self, domain: str) -> Verdict:
        """Return what the rules say about a domain, which is in the form of ``addresses.parse_domain``."""
        labels = domain.split(".")
        if len(labels) <= 2 and self.is_suffix(domain):
            return _verdict(domain, Proof.SUSPICIOUS, _NO_MAILBOXES)
        if labels[-2:] == ["lg", "jp"]:
            return self._local_government(labels)
        if (found := self._geographic(labels)) is not None:
            return found
        if _imitates(labels):
            return _verdict(domain, Proof.SUSPICIOUS, _IMITATES)
        if self.is_free(domain):
            return _verdict(domain, Proof.UNKNOWN, _FREE_MAIL)
        return _verdict(domain, Proof.UNKNOWN, _SECOND_LEVEL.get(".".join(labels[-2:]), _NOT_KNOWN))

    def _local_government(self, labels: Sequence[str]) -> Verdict:
        kind = labels[-4] if len(labels) >= 4 else ""
        if kind == _UNION:
            return _verdict(".".join(labels), Proof.UNKNOWN, _SOME_UNION, anchor=".".join(labels[-4:]))
        if kind not in KINDS or (kind == "metro" and labels[-3] != "tokyo"):
            return _verdict(".".join(labels), Proof.UNKNOWN, _SHARED_SERVICE)
        return genuine(labels, len(labels) - 4, self._bodies.of_local_government(kind, labels[-3]))

    def _geographic(self, labels: Sequence[str]) -> Verdict | None:
        for start in reversed(range(len(labels) - 2)):
            kind, place = labels[start], labels[start + 1 :]
            if kind not in KINDS or self._suffixes.publicsuffix(".".join(labels[start:])) != ".".join(place):
                continue
            found = self._bodies.of_place(kind, place)
            if found is not None:
                return genuine(labels, start, found)
        return None


def genuine(labels: Sequence[str], start: int, found: Sequence[Organisation]) -> Verdict:
    """Return the verdict on a domain whose labels from ``start`` on are those of one of the bodies ``found``."""
    domain = ".".join(labels)
    body = found[0] if len(found) == 1 else None
    part = part_of(body, labels[:start])
    if part.schools:
        proof, reason = Proof.UNKNOWN, told(PUPILS, domain)
    else:
        proof, reason = Proof.GENUINE, belongs(domain, body, part.name) if body else told(_SOME_BODY, domain)
    return Verdict(
        domain=domain,
        proof=proof,
        reason=reason,
        anchor=domain if part.schools else ".".join(labels[start:]),
        organisation=body.code if body else None,
        name=body.label if body else None,
        candidates=() if body else tuple(each.code for each in found),
        part=part.name,
    )


def belongs(domain: str, body: Organisation, part: str | None) -> Text:
    """Say whose a domain is."""
    if part is None:
        return say("{domain} belongs to {organisation}.", domain=domain, organisation=body.label)
    return say(
        "{domain} belongs to {part}, a part of {organisation}.", domain=domain, part=part, organisation=body.label
    )


def _imitates(labels: Sequence[str]) -> bool:
    # As in city.kobe.lg.jp.example.com, soumu-go.jp, and a ``city`` that no rule has found to be one.
    return (
        any(pair in _OFFICIAL for pair in pairwise(labels[:-1]))
        or (labels[-1] == "jp" and labels[-2].endswith(("-lg", "-go")))
        or any(look in label for label in labels[:-1] for look in _LOOKS_PUBLIC)
        or not KINDS.isdisjoint(labels[:-1])
    )


def _verdict(domain: str, proof: Proof, reason: Text, *, anchor: str = "") -> Verdict:
    return Verdict(domain=domain, proof=proof, reason=told(reason, domain), anchor=anchor or domain)


def told(reason: Text, domain: str) -> Text:
    """Return a reason with the domain that it is said of."""
    return Text(reason.msgid, {"domain": domain})


_SOME_BODY = say("Only a public body can have {domain}, but which one has it is not known yet. A person will look.")
PUPILS = say("Schools use {domain}, and pupils may have mailboxes there, too. A person will look.")
_SOME_UNION = say(
    "{domain} is that of a union of municipalities (一部事務組合 or 広域連合) not known yet. A person will look."
)
_SHARED_SERVICE = say("Names such as {domain} are shared by several public bodies. A person will look.")
_NO_MAILBOXES = say("Nobody has a mailbox directly at {domain}: something is missing before it.")
_IMITATES = say("{domain} looks like the name of a public body, but anybody can have a name of this kind.")
_FREE_MAIL = say("Anybody can have a mailbox at {domain}, so it proves nothing. Please use that of your office.")
_NOT_KNOWN = say("Nothing is known about {domain} yet. A person will look.")
_SECOND_LEVEL = {
    "go.jp": say("{domain} is not that of a ministry or agency known here; independent agencies have such names, too. "
                 "A person will look."),
    "ed.jp": say("Public and private schools have names such as {domain}. A person will look."),
    "ac.jp": say("Public and private universities have names such as {domain}. A person will look."),
    "ne.jp": say("Names such as {domain} are those of providers, whose customers have mailboxes there. A person will "
                 "look."),
}  # fmt: skip
