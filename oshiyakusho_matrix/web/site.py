"""Makes all public documents once, at the start: the welcome and the handbook in each language, style, icon, robots.

``pages`` looks them up by path. Paths are as this service sees them; links begin with the path of ``public_url``, for a
proxy that puts the pages under one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from posixpath import normpath
from string import Template
from urllib.parse import urlsplit

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.locales import LANGUAGES
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.web.layout import Frame, frame
from oshiyakusho_matrix.web.markdown import Page, render_page

Words = Callable[[Text], str]

#: The pages of the handbook in their order; ``welcome`` stands at the top of the site, ``index`` of the handbook.
HANDBOOK = ("index", "members", "secretariat", "administrators", "rooms", "how-it-works")
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
    404: (say("There is no such page"), say("The address may be mistyped, or the page may have been renamed.")),
    405: (say("This page can only be read"), say("Nothing can be sent to this address.")),
    413: (say("That was too much"), say("Nothing can be sent to this address.")),
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
        language = next((lang for lang in LANGUAGES[1:] if path.startswith(f"/{lang}/")), LANGUAGES[0])
        return self.errors.get((status, language)) or self.errors[500, language]


def path_of(language: str, name: str) -> str:
    """Return where a page stands: ``/handbook/rooms``, ``/en/handbook/rooms``."""
    top = "/" if language == LANGUAGES[0] else f"/{language}/"
    if name == WELCOME:
        return top
    return f"{top}handbook/" if name == "index" else f"{top}handbook/{name}"


def build_site(public_url: str, hall: str | None) -> Site:
    """Render everything. KeyError if a page of the handbook links to one that there is not: that is a bug."""
    prefix = urlsplit(public_url).path.rstrip("/")
    renderer = Renderer()
    words = {lang: _in(renderer, lang) for lang in LANGUAGES}
    pages = {
        (lang, name): _page(lang, name, prefix, words[lang](_address(hall)))
        for lang in LANGUAGES
        for name in (WELCOME, *HANDBOOK)
    }
    documents = {
        path_of(lang, name): Document(_framed(lang, name, pages, words[lang], public_url), _HTML, _FRESH)
        for lang, name in pages
    }
    for file, content_type in _STATIC.items():
        documents[f"/static/{file}"] = Document(_packaged("static", file).read_bytes(), content_type, _AN_HOUR)
    documents["/robots.txt"] = Document(b"User-agent: *\nAllow: /\n", "text/plain; charset=utf-8", _AN_HOUR)
    moved = {path.rstrip("/"): prefix + path for path in documents if path.endswith("/") and path != "/"}
    errors = {
        (status, lang): _error_page(lang, texts, words[lang], prefix)
        for lang in LANGUAGES
        for status, texts in _ERRORS.items()
    }
    return Site(documents, moved, errors)


def _in(renderer: Renderer, language: str) -> Words:
    return lambda text: renderer.render(text, language).body


def _address(hall: str | None) -> Text:
    return say("`{hall}`", hall=hall) if hall else say("`#cityhall:SERVER` (ask the secretariat for the server's name)")


def _packaged(*parts: str) -> Traversable:
    return files("oshiyakusho_matrix.web").joinpath(*parts)


def _page(language: str, name: str, prefix: str, hall: str) -> Page:
    source = _packaged("handbook", language, f"{name}.md").read_text(encoding="utf-8")
    if name == WELCOME:
        source = Template(source).substitute(hall=hall)

    def follow(link: str) -> str:
        """Lead a link between the files to where their pages stand."""
        file, hash_sign, anchor = link.partition("#")
        target_language, target = normpath(f"{language}/{file}").split("/")
        name = target.removesuffix(".md")
        if target_language not in LANGUAGES or name not in (WELCOME, *HANDBOOK):
            raise KeyError(f"{language}/{name}: {link}")
        return prefix + path_of(target_language, name) + hash_sign + anchor

    return render_page(source, follow)


def _framed(language: str, name: str, pages: Mapping[tuple[str, str], Page], words: Words, public_url: str) -> bytes:
    parts = urlsplit(public_url)
    prefix = parts.path.rstrip("/")
    page = pages[language, name]
    chapters = [(n, pages[language, n].title, prefix + path_of(language, n)) for n in HANDBOOK]
    return frame(
        Frame(
            language=language,
            page=page,
            words=words,
            prefix=prefix,
            home=prefix + path_of(language, WELCOME),
            handbook=prefix + path_of(language, "index"),
            here="" if name == WELCOME else name,
            chapters=() if name == WELCOME else tuple(chapters),
            others={lang: prefix + path_of(lang, name) for lang in LANGUAGES},
            origin=f"{parts.scheme}://{parts.netloc}",
        )
    )


def _error_page(language: str, texts: tuple[Text, Text], words: Words, prefix: str) -> bytes:
    title, about = words(texts[0]), words(texts[1])
    back = words(say("Back to the entrance"))
    home = prefix + path_of(language, WELCOME)
    body = f'<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>\n<p><a href="{escape(home)}">{escape(back)}</a></p>\n'
    return frame(
        Frame(
            language=language,
            page=Page(title, about, body),
            words=words,
            prefix=prefix,
            home=home,
            handbook=prefix + path_of(language, "index"),
            others={lang: prefix + path_of(lang, WELCOME) for lang in LANGUAGES},
        )
    )
