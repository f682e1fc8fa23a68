"""A public body, as the list knows it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of body it is."""

    PREFECTURE = "prefecture"
    CITY = "city"
    WARD = "ward"  #: a special ward of Tokyo; wards of other cities are no bodies
    TOWN = "town"
    VILLAGE = "village"
    NATIONAL = "national"


@dataclass(frozen=True, slots=True)
class Organisation:
    """One public body. ``code`` has six digits, or is ``go:`` and a short name; ``kana`` is in hiragana.

    ``prefecture`` is empty for a national one, whose ``parent`` is the code of the ministry that it belongs to, if any.
    ``also`` are names that people use for it.
    """

    code: str
    kind: Kind
    prefecture: str
    name: str
    kana: str
    also: tuple[str, ...] = ()
    parent: str = ""

    @property
    def label(self) -> str:
        """Return its name for people; with the prefecture where another one could have the same name."""
        if self.kind in (Kind.PREFECTURE, Kind.NATIONAL):
            return self.name
        return f"{self.name}（{self.prefecture}）"

    @property
    def designated(self) -> bool:
        """Return whether it is one of the 20 designated cities (政令市): their codes have a 1 in the third place."""
        return self.kind is Kind.CITY and self.code[2] == "1"

    @property
    def stem(self) -> str:
        """Return the name without the 市, 町 or 県 at its end; a national body and 北海道 have none."""
        return self.name if self.kind is Kind.NATIONAL or self.name == "北海道" else self.name[:-1]

    @property
    def stem_kana(self) -> str:
        """Return the reading of ``stem``."""
        if self.stem == self.name:
            return self.kana
        return next(self.kana.removesuffix(end) for end in _ENDS[self.name[-1]] if self.kana.endswith(end))


#: How the end of a name is read; which of two, the name does not tell.
_ENDS = {
    "都": ("と",), "府": ("ふ",), "県": ("けん",), "市": ("し",), "区": ("く",), "町": ("ちょう", "まち"),
    "村": ("むら", "そん"),
}  # fmt: skip
