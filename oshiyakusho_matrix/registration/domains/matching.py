"""Which body a domain is that of, by the romanised reading of its name, its kind and its prefecture. No I/O.

Better tied to none than to a wrong one: whoever asks takes it for tied only if a single body is found.
"""

from collections.abc import Sequence
from typing import Final

from oshiyakusho_matrix.roster.organisations import Kind, Organisation, Organisations
from oshiyakusho_matrix.roster.organisations.romaji import reduced, romanised

_KINDS: Final = {
    "metro": (Kind.PREFECTURE,),
    "pref": (Kind.PREFECTURE,),
    "city": (Kind.CITY, Kind.WARD),
    "town": (Kind.TOWN,),
    "vill": (Kind.VILLAGE,),
}
#: Villages have become towns and kept ``vill``, or have ``town``. So where neighbours share a name, a person ties them.
_CONFUSED: Final = {Kind.TOWN: Kind.VILLAGE, Kind.VILLAGE: Kind.TOWN}


class Bodies:
    """The local governments of a list, by kind and reading."""

    def __init__(self, organisations: Organisations) -> None:
        self._found: dict[tuple[Kind, str], list[Organisation]] = {}
        self._prefectures: dict[str, str] = {}
        for each in organisations:
            if each.kind is Kind.NATIONAL:
                continue
            latin = reduced(romanised(each.stem_kana))
            self._found.setdefault((each.kind, latin), []).append(each)
            if each.kind is Kind.PREFECTURE:
                self._prefectures[latin] = each.name

    def of_local_government(self, kind: str, name: str) -> Sequence[Organisation]:
        """Return those which ``KIND.NAME.lg.jp`` may be that of. Homonyms have ``PREFECTURE-`` before their name."""
        for lead, _, rest in _splits(name):
            prefecture = self._prefectures.get(reduced(lead))
            if prefecture is not None and (found := self._named(kind, rest, prefecture)):
                return found
        return self._named(kind, name)

    def of_place(self, kind: str, place: Sequence[str]) -> Sequence[Organisation] | None:
        """Return those which ``KIND.PLACE`` may be that of; None if it is no place, so that anybody may have it.

        ``PREF.jp`` after pref and metro, ``CITY.jp`` after the city if it is a designated one, else ``NAME.PREF.jp``.
        """
        if place[-1] != "jp" or len(place) not in (2, 3):
            return None
        area = self._prefectures.get(place[-2])
        if len(place) == 3:
            return None if area is None or kind in ("pref", "metro") else self._named(kind, place[0], area)
        if kind in ("pref", "metro"):
            return None if area is None or (kind == "metro") != (area == "東京都") else self._named(kind, place[0])
        designated = [each for each in self._named(kind, place[0]) if each.designated]
        return designated or None

    def _named(self, kind: str, name: str, prefecture: str = "") -> list[Organisation]:
        latin = reduced(name)
        found = [
            each
            for one in _KINDS[kind]
            for each in self._found.get((one, latin), ())
            if prefecture in ("", each.prefecture)
        ]
        if len(found) == 1 and (other := _CONFUSED.get(found[0].kind)) is not None:
            found += [each for each in self._found.get((other, latin), ()) if each.prefecture == found[0].prefecture]
        return found


def _splits(name: str) -> list[tuple[str, str, str]]:
    pieces = name.split("-")
    return [("-".join(pieces[:at]), "-", "-".join(pieces[at:])) for at in range(1, len(pieces))]
