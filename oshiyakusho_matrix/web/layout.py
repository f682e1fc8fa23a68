"""The frame around every page: head, skip link, navigation, footer. Plain HTML, one style sheet, no script."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from string import Template

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.web.markdown import Page

_TEMPLATE = Template("""\
<!DOCTYPE html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<meta name="description" content="$summary">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="$prefix/static/style.css">
<link rel="icon" href="$prefix/static/icon.svg" type="image/svg+xml">
$links</head>
<body>
<a class="skip" href="#main">$skip</a>
<header>
<a class="home" href="$home"><img src="$prefix/static/icon.svg" alt="" width="32" height="32"> $site</a>
<nav aria-label="$site_navigation">
<ul>
<li><a href="$handbook"$handbook_current>$handbook_name</a></li>
$languages</ul>
</nav>
</header>
<div class="$kind">
$chapters<main id="main" tabindex="-1">
$body</main>
</div>
<footer>
<p>$footer</p>
</footer>
</body>
</html>
""")

#: Languages in their own words, for whoever reads no other.
_OWN_NAMES = {"ja": "日本語", "en": "English"}
_CURRENT = ' aria-current="page"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a page's frame says. ``here`` is the page's name in the handbook, empty outside of it.

    ``others`` are the addresses of this page by language; with an ``origin`` they are announced to search engines too.
    """

    language: str
    page: Page
    words: Callable[[Text], str]
    prefix: str
    home: str
    handbook: str
    here: str = ""
    chapters: tuple[tuple[str, str, str], ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""


def frame(content: Frame) -> bytes:
    """Return the whole page."""
    words, site = content.words, content.words(say("The online city hall"))
    title = content.page.title if content.page.title == site else f"{content.page.title} | {site}"
    values = {
        "language": content.language,
        "title": title,
        "summary": content.page.summary,
        "skip": words(say("To the text")),
        "home": content.home,
        "site": site,
        "site_navigation": words(say("Site")),
        "handbook": content.handbook,
        "handbook_name": words(say("Handbook")),
        "footer": words(say("This site sets no cookies and runs no scripts.")),
        "prefix": content.prefix,
    }
    return _TEMPLATE.substitute(
        {name: escape(value) for name, value in values.items()},
        kind="with-chapters" if content.chapters else "plain",
        handbook_current=_CURRENT if content.here == "index" else "",
        links=_announced(content),
        languages=_languages(content),
        chapters=_chapters(content),
        body=content.page.body,
    ).encode()


def _announced(content: Frame) -> str:
    if not content.origin:
        return ""
    lines = [f'<link rel="canonical" href="{escape(content.origin + content.others[content.language])}">']
    lines += [
        f'<link rel="alternate" hreflang="{lang}" href="{escape(content.origin + path)}">'
        for lang, path in content.others.items()
    ]
    return "".join(line + "\n" for line in lines)


def _languages(content: Frame) -> str:
    return "".join(
        f'<li><a href="{escape(path)}" lang="{lang}" hreflang="{lang}">{_OWN_NAMES[lang]}</a></li>\n'
        for lang, path in content.others.items()
        if lang != content.language
    )


def _chapters(content: Frame) -> str:
    if not content.chapters:
        return ""
    items = "".join(
        f'<li><a href="{escape(path)}"{_CURRENT if name == content.here else ""}>{escape(title)}</a></li>\n'
        for name, title, path in content.chapters
    )
    label = escape(content.words(say("Chapters")))
    return f'<nav class="chapters" aria-label="{label}">\n<ul>\n{items}</ul>\n</nav>\n'
