"""What can be said of a mail domain, and the rules that somebody wrote down. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from oshiyakusho_matrix.core.text import Text


class Proof(StrEnum):
    """What a mailbox of a domain proves."""

    GENUINE = "genuine"  #: that its owner works for a public body
    UNKNOWN = "unknown"  #: nothing yet: a person decides
    SUSPICIOUS = "suspicious"  #: nothing, and it looks like a public body's; a person decides


class Proves(StrEnum):
    """What somebody says that a domain proves."""

    GENUINE = "genuine"
    REVIEW = "review"  #: it is known, and each of its owners needs a second look


class Source(StrEnum):
    """Where a rule comes from."""

    RULE = "rule"  #: shipped with the product
    SECRETARIAT = "secretariat"  #: a command
    IMPORT = "import"  #: a CSV
    DECISION = "decision"  #: a reviewed application


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of ``domain``.

    ``organisation`` is the code of the one body that it is tied to, ``name`` what to call that (or a body outside of
    the list); None if no single one is known. ``part`` is a part of it with staff of its own, such as 神奈川県警察.
    ``candidates`` are the codes of the bodies whose it can be, where several have such a name. ``anchor`` is the domain
    of the whole body: what to remember when a person ties it. ``reason`` is for everybody. ``listed``: somebody wrote
    this down, so no rule is to think better.
    """

    domain: str
    proof: Proof
    reason: Text
    anchor: str
    organisation: str | None = None
    name: str | None = None
    candidates: tuple[str, ...] = ()
    part: str | None = None
    listed: bool = False

    @property
    def genuine(self) -> bool:
        """Return whether it proves employment by a public body."""
        return self.proof is Proof.GENUINE

    @property
    def suspicious(self) -> bool:
        """Return whether it imitates one."""
        return self.proof is Proof.SUSPICIOUS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What somebody wrote down about ``domain`` and all below it.

    ``organisation`` is a code of the list; ``name`` a body that is not in the list. At most one of them is there.
    """

    domain: str
    proves: Proves
    source: Source
    organisation: str | None = None
    name: str | None = None
    note: str = ""
    added_by: str = ""
    added_at: datetime | None = None


def suffixes(domain: str) -> Iterator[str]:
    """Yield a domain and all that it lies in, the longest first."""
    labels = domain.split(".")
    return (".".join(labels[start:]) for start in range(len(labels)))
