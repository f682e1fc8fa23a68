"""Takes a line of text apart into words: spaces of all widths, quotation marks of both languages, options, mentions.

``message`` hands in the text with the mentions it found; ``registry`` and ``parsing`` take the words. Every step is
linear in the length of the text, whatever stands in it, and nothing here ever fails: what is odd is a plain word.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import fold

# Japanese keyboards give － or ー for the hyphen, and telephones make one long dash of two hyphens.
_DASH = "-‐‑‒–—―−－﹣ーｰ─"
_OPTION = re.compile(rf"(?:(?P<two>[{_DASH}]{{2}})|[–—―])(?P<name>(?![{_DASH}])\w[^\s=＝]*)(?P<equals>[=＝])?")
_END_OF_OPTIONS = re.compile(rf"[{_DASH}]{{2}}(?!\S)")
_PLAIN = re.compile(r"\S+")
_SPACE = re.compile(r"\s*")
_AFTER_MENTION = re.compile(r"[:：,、]")

PAIRS = {"「": "」", "『": "』", "“": "”", "‘": "’", "｢": "｣"}
ALIKE = "\"'＂＇"
_PAIRED = re.compile("[" + "".join(PAIRS) + "".join(PAIRS.values()) + "]")
_UNESCAPED = re.compile(r"\\[\"'\\]|[" + ALIKE + "]")
_ESCAPE = re.compile(r"\\([\"'\\])")


@dataclass(frozen=True, slots=True)
class Mention:
    """A person as a client wrote them: ``text[start:end]`` is a name for people, ``user_id`` who is meant."""

    start: int
    end: int
    user_id: UserId


@dataclass(frozen=True, slots=True)
class Word:
    """One word. ``text`` is exact, without its quotation marks; ``start`` and ``end`` say where it stood, with them.

    ``option`` is the folded name if it is written as one (empty for a bare ``--``, which ends options), ``value`` what
    follows its ``=``; it is ``certain`` unless a single long dash leads it. ``closed`` is false if a quotation mark
    stands at its beginning that nothing closes.
    """

    text: str
    start: int
    end: int
    quoted: bool = False
    closed: bool = True
    user_id: UserId | None = None
    option: str | None = None
    certain: bool = True
    value: "Word | None" = None


def split(text: str, start: int = 0, mentions: tuple[Mention, ...] = ()) -> tuple[Word, ...]:
    """Return the words of ``text`` from ``start`` on."""
    splitter = _Splitter(text, mentions)
    words = []
    at = splitter.skip(start)
    while at < len(text):
        word = splitter.option(at) or splitter.atom(at)
        words.append(word)
        at = splitter.skip(word.end)
    return tuple(words)


class _Splitter:
    def __init__(self, text: str, mentions: tuple[Mention, ...]) -> None:
        self._text = text
        self._mentions = {m.start: m for m in mentions}
        self._mention_ends = {m.end for m in mentions}
        self._closing: dict[int, int] = {}
        stacks: dict[str, list[int]] = {closer: [] for closer in PAIRS.values()}
        for match in _PAIRED.finditer(text):
            if (closer := PAIRS.get(match[0])) is not None:
                stacks[closer].append(match.start())
            elif stacks[match[0]]:
                self._closing[stacks[match[0]].pop()] = match.start()
        self._alike: dict[str, list[int]] = {quote: [] for quote in ALIKE}
        for match in _UNESCAPED.finditer(text):
            if match[0] in self._alike:
                self._alike[match[0]].append(match.start())

    def skip(self, at: int) -> int:
        """Return where the next word begins; the colon that clients put behind a mention is no word."""
        if at in self._mention_ends and (match := _AFTER_MENTION.match(self._text, at)):
            at = match.end()
        space = _SPACE.match(self._text, at)
        return space.end() if space else at

    def option(self, at: int) -> Word | None:
        """Read a word that is written as an option."""
        if match := _END_OF_OPTIONS.match(self._text, at):
            return Word(match[0], at, match.end(), option="")
        if not (match := _OPTION.match(self._text, at)):
            return None
        value = None
        if match["equals"]:
            value = self.atom(match.end())
        end = value.end if value else match.end()
        return Word(
            self._text[at:end], at, end, option=fold(match["name"]), certain=match["two"] is not None, value=value
        )

    def atom(self, at: int) -> Word:
        """Read a mention, something in quotation marks, or whatever goes on until the next space."""
        if mention := self._mentions.get(at):
            return Word(self._text[at : mention.end], at, mention.end, user_id=mention.user_id)
        end = self._closing_of(at)
        if end is not None and (end + 1 == len(self._text) or self._text[end + 1].isspace()):
            inside = self._text[at + 1 : end]
            if self._text[at] in "\"'":
                inside = _ESCAPE.sub(r"\1", inside)
            return Word(inside, at, end + 1, quoted=True)
        plain = _PLAIN.match(self._text, at)
        word = plain[0] if plain else ""
        opens = bool(word) and (word[0] in PAIRS or word[0] in ALIKE)
        return Word(word, at, at + len(word), closed=not opens or end is not None)

    def _closing_of(self, at: int) -> int | None:
        if at >= len(self._text):
            return None
        if places := self._alike.get(self._text[at]):
            after = bisect_right(places, at)
            return places[after] if after < len(places) else None
        return self._closing.get(at)
