"""Turns a ``Text`` into what a Matrix message carries: plain text, and HTML for clients that show it.

Called by ``writer``. Catalogue messages are Markdown that we wrote; values are other people's words. So values
never pass through Markdown: each is a marker while the Markdown becomes HTML, and is put in, escaped, afterwards. The
result is sanitised all the same (Matrix specification, "m.room.message msgtypes", the tags it suggests).
"""

import html
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from urllib.parse import quote

import nh3
from markdown_it import MarkdownIt

from oshiyakusho_matrix import locales
from oshiyakusho_matrix.core.text import Text, say, visible

#: Bytes of body and HTML together, as JSON. A whole event may have 65,536, of which servers sign and add some.
LARGEST_CONTENT = 40_000

# What CommonMark makes, less images: a picture would be fetched from wherever somebody's words say.
_TAGS = set("a blockquote br code em h1 h2 h3 h4 h5 h6 hr li ol p pre strong ul".split())  # noqa: SIM905 - reads better
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}
_SCHEMES = {"https", "http", "mailto", "matrix"}

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BLOCK = re.compile(r"\s*(?:[-*+] |>|#{1,6} |\d+[.)] |```)")
_ONE_PARAGRAPH = re.compile(r"<p>((?:(?!<p>).)*)</p>", re.DOTALL)
# A marker that no catalogue message holds: letters and digits, so that Markdown takes it for a word, also in links.
_NONCE = secrets.token_hex(4)
_MARKER = re.compile(rf"V{_NONCE}N(\d+)E")
# In code people copy what stands there, and a link cannot hold a link.
_NO_PILLS = re.compile(r"(<code>.*?</code>|<pre>.*?</pre>|<a .*?</a>|<[^>]*>)", re.DOTALL)
_USER_OR_ROOM = re.compile(r"[@#][^\s:]+:\S+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message in one language. ``body`` is its Markdown with the values as they are; ``html`` is safe to show."""

    body: str
    html: str

    def content(self) -> dict[str, str]:
        """Return the keys of ``m.room.message`` that hold the text."""
        return {"body": self.body, "format": "org.matrix.custom.html", "formatted_body": self.html}

    @property
    def size(self) -> int:
        """Bytes as JSON."""
        return len(json.dumps(self.content(), ensure_ascii=False).encode())


@dataclass(slots=True)
class _Draft:
    """Markdown with markers, and the values that belong in their places."""

    markdown: str = ""
    values: list[str] = field(default_factory=list)

    def mark(self, value: str) -> str:
        self.values.append(value)
        return f"V{_NONCE}N{len(self.values) - 1}E"

    def filled(self, markdown: str) -> str:
        return _MARKER.sub(lambda found: self.values[int(found.group(1))], markdown)


class Renderer:
    """Renders in every language of ``locales``; what has no translation stays English."""

    def __init__(self, catalogues: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._catalogues = catalogues or {language: locales.load(language) for language in locales.LANGUAGES}
        self._markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})

    def render(self, text: Text, language: str, *, largest: int = LARGEST_CONTENT) -> Rendered:
        """Return ``text`` in ``language``; what would be too long for an event ends in a note that says so."""
        draft = _Draft()
        draft.markdown = self._expand(text, language, draft)
        whole = self._finish(draft.markdown, draft)
        return whole if whole.size <= largest else self._shortened(draft, language, largest)

    def words(self, text: Text, language: str) -> str:
        """Return ``text`` in ``language`` as its ``body``, whatever its length: for e-mails and pages, without HTML."""
        draft = _Draft()
        return draft.filled(self._expand(text, language, draft))

    def _expand(self, text: Text, language: str, draft: _Draft) -> str:
        """Return the Markdown of a text, its values marked, its parts on lines of their own."""

        def fill(found: re.Match[str]) -> str:
            value = text.values.get(found.group(1))
            if value is None:
                return found.group()
            if isinstance(value, Text):
                return self._expand(value, language, draft)
            return draft.mark(visible(value) if isinstance(value, str) else str(value))

        message = self._catalogues.get(language, {}).get(text.msgid, text.msgid)
        own = _PLACEHOLDER.sub(fill, message)
        return _lines([own, *(self._expand(part, language, draft) for part in text.parts)])

    def _finish(self, markdown: str, draft: _Draft) -> Rendered:
        raw = self._markdown.render(markdown).strip()
        filled = "".join(
            _MARKER.sub(lambda found: html.escape(draft.values[int(found.group(1))]), part)
            if _NO_PILLS.fullmatch(part)
            else _MARKER.sub(lambda found: _pill(draft.values[int(found.group(1))]), part)
            for part in _NO_PILLS.split(raw)
        )
        safe = nh3.clean(filled, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel=None)
        single = _ONE_PARAGRAPH.fullmatch(safe)
        return Rendered(draft.filled(markdown), single.group(1) if single else safe)

    def _shortened(self, draft: _Draft, language: str, largest: int) -> Rendered:
        """Cut between lines if there are any, else between words; never inside a value or a piece of HTML."""
        note = self._finish(self._expand(say("(The rest was too long to be shown here.)"), language, draft), draft)
        atoms = _atoms(draft.markdown)
        fits, too_many = 0, len(atoms)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self._with_note(atoms[:middle], note, draft).size <= largest:
                fits = middle
            else:
                too_many = middle
        ends = [index for index in range(fits // 2, fits) if atoms[index] == "\n"]
        return self._with_note(atoms[: ends[-1] if ends else fits], note, draft)

    def _with_note(self, atoms: Sequence[str], note: Rendered, draft: _Draft) -> Rendered:
        start = self._finish("".join(atoms), draft)
        return Rendered(f"{start.body}\n\n{note.body}", f"{start.html}<p>{note.html}</p>")


def _pill(value: str) -> str:
    """Return a value as HTML; a user or a room as a link, which clients show as a name: names before ids."""
    if not _USER_OR_ROOM.fullmatch(value):
        return html.escape(value)
    return f'<a href="https://matrix.to/#/{quote(value, safe="@:")}">{html.escape(value)}</a>'


def _lines(texts: Sequence[str]) -> str:
    """Join texts by line; where a list or another block begins or ends, Markdown wants an empty line."""
    joined = texts[0]
    for before, text in pairwise(texts):
        blocks = bool(_BLOCK.match(before.rpartition("\n")[2])), bool(_BLOCK.match(text))
        joined += ("\n\n" if blocks[0] != blocks[1] else "\n") + text
    return joined


def _atoms(markdown: str) -> list[str]:
    """Split into what may not be cut: markers, line ends, words."""
    return re.findall(rf"{_MARKER.pattern.replace('(', '(?:')}|\n|[^\nV]{{1,40}}|V", markdown)
