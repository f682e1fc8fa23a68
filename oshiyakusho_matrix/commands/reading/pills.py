"""Finds the people whom a client wrote by their display name: pills in ``formatted_body``, links in ``body``.

``body`` says "Hanako", only the link behind it says ``@hanako:example.jp``. Called by ``message``. What cannot be found
for sure is left alone: the name is then refused as no user id, instead of somebody else being meant.
Source: Matrix client-server API v1.16, "User and room mentions", https://spec.matrix.org/v1.16/client-server-api/
"""

import html
import re
from typing import Final

from oshiyakusho_matrix.commands.reading.values import read_user
from oshiyakusho_matrix.commands.reading.words import Mention
from oshiyakusho_matrix.core.ids import UserId

#: More people than anybody names in one command; bounds the work that one message makes.
_MOST: Final = 50
_ANCHOR = re.compile(
    r"<a\s[^<>]{0,200}?href=[\"'](?P<href>[^\"'<>\s]{1,600})[\"'][^<>]{0,200}>(?P<label>[^<]{1,300})</a>", re.I
)
_LINK = re.compile(r"\[(?:\\.|[^\[\]\\]){0,100}\]\(<?(?P<href>https://matrix\.to/#/[^)>\s]{1,600})>?\)")
_TAG = re.compile(r"<[^<>]*>")
_END_OF_QUOTED_REPLY: Final = "</mx-reply>"


def mentions_in(body: str, formatted: str) -> tuple[Mention, ...]:
    """Return who is named where in ``body``. ``formatted`` is the HTML of the same message, or empty."""
    found = [
        Mention(match.start(), match.end(), user)
        for match, _ in zip(_LINK.finditer(body), range(_MOST), strict=False)
        if (user := _user(match["href"]))
    ]
    if _END_OF_QUOTED_REPLY in formatted:
        formatted = formatted.partition(_END_OF_QUOTED_REPLY)[2]
    for match, _ in zip(_ANCHOR.finditer(formatted), range(_MOST), strict=False):
        user, label = _user(html.unescape(match["href"])), html.unescape(match["label"])
        before = html.unescape(_TAG.sub("", formatted[: match.start()]))
        start = _nth(body, label, before.count(label))
        if user and start is not None and not any(m.start < start + len(label) and start < m.end for m in found):
            found.append(Mention(start, start + len(label), user))
    return tuple(sorted(found, key=lambda mention: mention.start))


def _user(href: str) -> UserId | None:
    """Return whom a link leads to; None for rooms, events and the rest of the web."""
    if not href.startswith(("https://matrix.to/#/", "matrix:u/")):
        return None
    try:
        return read_user(href)
    except ValueError:
        return None


def _nth(text: str, part: str, n: int) -> int | None:
    """Return where ``part`` stands for the n-th time, counted from 0."""
    at = -1
    for start in re.finditer(re.escape(part), text):
        at += 1
        if at == n:
            return start.start()
    return None
