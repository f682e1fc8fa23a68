"""Makes every page from ``templates/``: one frame, and within it what a page is about. Plain HTML, one style sheet.

``site`` makes the documents with it, ``dynamic`` the pages with forms. A template says its words itself:
``say("English wording", name=value)`` is put into the reader's language as plain words, which are escaped where they
stand; ``rich`` is the same with the marks of Markdown. A name that a template is not given is an error, not a gap.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from oshiyakusho_matrix.core.text import Text, Value
from oshiyakusho_matrix.locales import LANGUAGES
from oshiyakusho_matrix.outbox.render import Rendered, Renderer

#: Languages in their own words, for whoever reads no other.
_OWN_NAMES = {"ja": "日本語", "en": "English"}


def in_language(language: str, path: str) -> str:
    """Return where a page stands in a language: ``/register``, ``/en/register``."""
    return path if language == LANGUAGES[0] else f"/{language}{path}"


def language_of(path: str) -> str:
    """Return the language of an address."""
    return next((lang for lang in LANGUAGES[1:] if path.startswith(f"/{lang}/")), LANGUAGES[0])


class Layout:
    """``public_url`` is how people reach the pages; links begin with its path, for a proxy that puts them under one."""

    def __init__(self, public_url: str, renderer: Renderer | None = None) -> None:
        parts = urlsplit(public_url)
        self.prefix = parts.path.rstrip("/")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._renderer = renderer or Renderer()
        self._known: dict[tuple[str, str], Rendered] = {}
        self._templates = Environment(
            loader=PackageLoader("oshiyakusho_matrix.web"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def words(self, text: Text, language: str) -> str:
        """Return a text in a language, as plain words."""
        if text.values or text.parts:
            return self._renderer.words(text, language)
        return self._rendered(text, language).body

    def page(
        self, template: str, language: str, path: str, values: Mapping[str, object], *, announced: bool = False
    ) -> bytes:
        """Return the page of a template. ``path`` is where it stands, without its language.

        It is announced to search engines, with its other languages, only if that is said.
        """
        others = {lang: self.prefix + in_language(lang, path) for lang in LANGUAGES}
        return (
            self._templates.get_template(template)
            .render(
                values,
                language=language,
                say=self._say(language),
                rich=self._rich(language),
                link=lambda to: self.prefix + in_language(language, to),
                prefix=self.prefix,
                path=path,
                others=[(lang, _OWN_NAMES[lang], others[lang]) for lang in LANGUAGES if lang != language],
                canonical=self.origin + others[language] if announced else "",
                alternates=[(lang, self.origin + each) for lang, each in others.items()] if announced else [],
            )
            .encode()
        )

    def _say(self, language: str) -> Callable[..., str]:
        return lambda text, **values: self.words(_text(text, values), language)

    def _rich(self, language: str) -> Callable[..., Markup]:
        return lambda text, **values: Markup(self._rendered(_text(text, values), language).html)  # noqa: S704 - sanitised

    def _rendered(self, text: Text, language: str) -> Rendered:
        """Render a text; one without values, of which there are as many as in the catalogue, once and for all."""
        if text.values or text.parts:
            return self._renderer.render(text, language)
        if (found := self._known.get((text.msgid, language))) is None:
            found = self._known[text.msgid, language] = self._renderer.render(text, language)
        return found


def _text(text: str | Text, values: Mapping[str, Value]) -> Text:
    return text if isinstance(text, Text) else Text(text, values)
