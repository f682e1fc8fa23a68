"""Makes all public documents once, at the start: the welcome and the handbook in each language, style, icon, robots.

``pages`` looks them up by path. Paths are as this service sees them; links begin with the path of ``public_url``, for a
proxy that puts the pages under one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from posixpath import normpath
from string import Template

from markupsafe import Markup

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.locales import LANGUAGES
from oshiyakusho_matrix.web.layout import Layout, in_language, language_of
from oshiyakusho_matrix.web.markdown import Page, render_page

#: The pages of the handbook in their order; ``welcome`` stands at the top of the site, ``index`` of the handbook.
HANDBOOK = ("index", "members", "privacy", "secretariat", "administrators", "rooms", "how-it-works")
WELCOME = "welcome"

_STATIC = {
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HTML = "text/html; charset=utf-8"
#: Pages are asked for again each time (and answered by 304); what they are made of may be an hour old.
_FRESH, _AN_HOUR = "no-cache", "public, max-age=3600"

_ERRORS: Mapping[int, tuple[Text, Text]] = {
    308: (say("This page has moved"), say("It is at the address that your browser was given.")),
    400: (say("That could not be read"), say("Please go back, load the form again, and send it once more.")),
    403: (
        say("That came from another site"),
        say("Forms are accepted from this site's own pages alone. Please open the form here and send it again."),
    ),
    404: (say("There is no such page"), say("The address may be mistyped, or the page may have been renamed.")),
    405: (say("This page can only be read"), say("Nothing can be sent to this address.")),
    413: (say("That was too much"), say("More was sent than this address takes.")),
    415: (say("That could not be read"), say("Please go back, load the form again, and send it once more.")),
    503: (say("This page cannot be shown at this moment"), say("Please try again in a minute.")),
    500: (say("Something went wrong here"), say("It was noted. Please try again later.")),
}


@dataclass(frozen=True, slots=True)
class Document:
    """One thing to answer with."""

    body: bytes
    content_type: str
    caching: str

    @property
    def etag(self) -> str:
        """Return what names this very version."""
        return f'"{sha256(self.body).hexdigest()[:20]}"'


@dataclass(frozen=True, slots=True)
class Site:
    """Documents by path, addresses that moved, and the error pages by status and language."""

    documents: Mapping[str, Document]
    moved: Mapping[str, str]
    errors: Mapping[tuple[int, str], bytes]

    def error(self, status: int, path: str) -> bytes:
        """Return the error page in the language of a path."""
        language = language_of(path)
        return self.errors.get((status, language)) or self.errors[500, language]


def path_of(language: str, name: str) -> str:
    """Return where a page stands: ``/handbook/rooms``, ``/en/handbook/rooms``."""
    return in_language(language, _path(name))


def _path(name: str) -> str:
    return "/" if name == WELCOME else "/handbook/" if name == "index" else f"/handbook/{name}"


def build_site(public_url: str, porch: str | None, *, layout: Layout | None = None) -> Site:
    """Render everything. KeyError if a page of the handbook links to one that there is not: that is a bug."""
    layout = layout or Layout(public_url)
    address = _address(porch)
    pages = {
        (lang, name): _page(lang, name, layout.prefix, layout.words(address, lang))
        for lang in LANGUAGES
        for name in (WELCOME, *HANDBOOK)
    }
    documents = {
        path_of(lang, name): Document(_framed(layout, lang, name, pages), _HTML, _FRESH) for lang, name in pages
    }
    for file, content_type in _STATIC.items():
        documents[f"/static/{file}"] = Document(_packaged("static", file).read_bytes(), content_type, _AN_HOUR)
    documents["/robots.txt"] = Document(b"User-agent: *\nAllow: /\n", "text/plain; charset=utf-8", _AN_HOUR)
    moved = {path.rstrip("/"): layout.prefix + path for path in documents if path.endswith("/") and path != "/"}
    errors = {
        (status, lang): layout.page(
            "error.html", lang, "/", {"title": layout.words(title, lang), "summary": layout.words(about, lang)}
        )
        for lang in LANGUAGES
        for status, (title, about) in _ERRORS.items()
    }
    return Site(documents, moved, errors)


def _address(porch: str | None) -> Text:
    if porch:
        return say("`{porch}`", porch=porch)
    return say("`#cityhall-genkan:SERVER` (ask the secretariat for the server's name)")


def _packaged(*parts: str) -> Traversable:
    return files("oshiyakusho_matrix.web").joinpath(*parts)


def _page(language: str, name: str, prefix: str, porch: str) -> Page:
    source = _packaged("handbook", language, f"{name}.md").read_text(encoding="utf-8")
    if name == WELCOME:
        source = Template(source).substitute(porch=porch, register=prefix + in_language(language, "/register"))

    def follow(link: str) -> str:
        """Lead a link between the files to where their pages stand."""
        file, hash_sign, anchor = link.partition("#")
        target_language, target = normpath(f"{language}/{file}").split("/")
        name = target.removesuffix(".md")
        if target_language not in LANGUAGES or name not in (WELCOME, *HANDBOOK):
            raise KeyError(f"{language}/{name}: {link}")
        return prefix + path_of(target_language, name) + hash_sign + anchor

    return render_page(source, follow)


def _framed(layout: Layout, language: str, name: str, pages: Mapping[tuple[str, str], Page]) -> bytes:
    page = pages[language, name]
    chapters = () if name == WELCOME else [(pages[language, n].title, _path(n)) for n in HANDBOOK]
    values = {
        "title": page.title,
        "summary": page.summary,
        "body": Markup(page.body),  # noqa: S704 - made from our own Markdown, without raw HTML
        "chapters": chapters,
    }
    return layout.page("document.html", language, _path(name), values, announced=True)
