"""Turns one file of the handbook into HTML: headings with anchors, tables that scroll by themselves, links that work.

The files are ours and packaged, yet raw HTML in them is not passed on; comments (the marks of generated tables) go.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

_COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page: its first heading, its first paragraph as plain words, and the HTML of it all."""

    title: str
    summary: str
    body: str


def render_page(source: str, follow: Callable[[str], str]) -> Page:
    """Render Markdown. ``follow`` turns a link to another file (``rooms.md#kinds``) into an address."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_COMMENT.sub("", source))
    title = summary = heading = ""
    wide, boxes = 0, Counter[str]()
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        words = _plain(following) if following is not None and following.type == "inline" else ""
        if token.type == "heading_open":
            heading = words
            title = title or words
            token.attrSet("id", anchor(words))
        elif token.type == "paragraph_open":
            summary = summary or words
        elif token.type == "table_open":
            wide += 1
            token.meta["label"] = f"{heading} ({wide})"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "fence":
            boxes[heading] += 1
            token.meta["label"] = heading if boxes[heading] == 1 else f"{heading} ({boxes[heading]})"
        for child in token.children or ():
            _lead(child, follow)
        _join_lines(token.children or [])
    markdown.add_render_rule("table_open", _open_table)
    markdown.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    markdown.add_render_rule("fence", _fence)
    return Page(title, summary, markdown.renderer.render(tokens, markdown.options, {}))


def anchor(heading: str) -> str:
    """Return a heading's anchor, the same as where code is hosted: lower case, hyphens for spaces, no punctuation."""
    return _NOT_IN_ANCHORS.sub("", heading.casefold()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))


def _lead(token: Token, follow: Callable[[str], str]) -> None:
    link = token.attrGet("href") if token.type == "link_open" else None
    if isinstance(link, str) and not link.startswith(("#", "/", "https:", "http:", "mailto:")):
        token.attrSet("href", follow(link))


def _join_lines(children: list[Token]) -> None:
    """Put no space where a line of Japanese ends in the source: only two Latin words need one between them."""
    for index, child in enumerate(children):
        if child.type == "softbreak":
            before = next((c.content for c in reversed(children[:index]) if c.content), "")
            after = next((c.content for c in children[index + 1 :] if c.content), "")
            if not (before[-1:].isascii() and after[:1].isascii()):
                child.type, child.content = "text", ""


# What is wider than a telephone scrolls within itself, and can be reached by keyboard (WCAG 2.2, 1.4.10 and 2.1.1).


def _open_table(_renderer: object, tokens: list[Token], index: int, *_rest: object) -> str:
    return (
        f'<div class="wide" role="region" aria-label="{escape(tokens[index].meta["label"])}" tabindex="0">\n<table>\n'
    )


def _fence(_renderer: object, tokens: list[Token], index: int, *_rest: object) -> str:
    token = tokens[index]
    label = escape(token.meta["label"])
    return f'<pre role="region" aria-label="{label}" tabindex="0"><code>{escape(token.content)}</code></pre>\n'
