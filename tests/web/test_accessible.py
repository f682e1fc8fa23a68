"""What can be held to WCAG 2.2 AA without a browser: language, landmarks, headings, names, links, contrast."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest

from oshiyakusho_matrix import web
from oshiyakusho_matrix.web.site import Site, build_site

STYLE = (Path(web.__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
VOID = {"meta", "link", "img", "br", "hr"}
SITE: Site = build_site("https://cityhall.example.jp", "#cityhall:example.jp")
PAGES = {path: d.body.decode() for path, d in SITE.documents.items() if d.content_type.startswith("text/html")}
PAGES |= {f"error {status} {lang}": body.decode() for (status, lang), body in SITE.errors.items()}
#: Where the registration desk stands (tests/registration/test_pages.py).
FORMS = {"/register", "/en/register"}
#: Text and what it stands on.
PAIRS = [
    *(("ink", "paper"), ("ink", "panel"), ("link", "paper"), ("link", "panel")),
    *(("quiet", "paper"), ("quiet", "panel"), ("bad", "paper"), ("bad", "panel")),
]
#: What must be told from its surroundings (1.4.11).
SIGNS = [("focus", "paper"), ("focus", "panel"), ("edge", "paper"), ("edge", "panel")]


class Reading(HTMLParser):
    """Reads a page; AssertionError if its elements are not nested properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_made(path: str) -> None:
    page = Reading(PAGES[path])
    assert page.all("html")[0]["lang"] in ("ja", "en")
    assert [len(page.all(tag)) for tag in ("title", "h1", "main", "header", "footer")] == [1, 1, 1, 1, 1]
    assert all(nav["aria-label"] for nav in page.all("nav"))
    assert all("alt" in image for image in page.all("img"))
    assert page.all("a")[0]["href"] == "#main"
    assert page.all("main")[0]["id"] == "main"
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("path", PAGES)
def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name_of_its_own(path: str) -> None:
    regions = [attributes for _, attributes in Reading(PAGES[path]).elements if attributes.get("role") == "region"]
    assert all(region["tabindex"] == "0" for region in regions)
    labels = [region["aria-label"] for region in regions]
    assert len(labels) == len(set(labels)), labels


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(path: str) -> None:
    page = Reading(PAGES[path])
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "iframe", "object", "embed", "form", "style"})
    for tag, attributes in page.elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        loaded = attributes.get("src") or (
            attributes.get("href") if attributes.get("rel") in ("stylesheet", "icon") else ""
        )
        assert not loaded or (loaded.startswith("/static/") and loaded in SITE.documents), tag


@pytest.mark.parametrize("path", PAGES)
def test_every_link_within_the_site_leads_somewhere(path: str) -> None:
    for link in Reading(PAGES[path]).all("a"):
        target, _, fragment = link["href"].partition("#")
        if target.startswith("https://"):
            continue
        assert not target or target in SITE.documents or target in FORMS, link
        if fragment:
            ids = [a["id"] for _, a in Reading(PAGES[target or path]).elements if "id" in a]
            assert unquote(fragment) in ids, link


def test_the_page_one_is_on_is_marked() -> None:
    page = Reading(PAGES["/handbook/rooms"])
    assert [a["href"] for a in page.all("a") if a.get("aria-current") == "page"] == ["/handbook/rooms"]


def test_each_page_leads_to_its_other_language() -> None:
    links = {(a["href"], a["lang"]) for a in Reading(PAGES["/handbook/rooms"]).all("a") if "hreflang" in a}
    assert links == {("/en/handbook/rooms", "en")}


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_apart(scheme: str) -> None:
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
    )
    colours = light if scheme == "light" else dark
    assert set(light) == set(dark)
    assert all(contrast(colours[a], colours[b]) >= 4.5 for a, b in PAIRS)
    assert all(contrast(colours[a], colours[b]) >= 3 for a, b in SIGNS)


def test_the_measure_of_contrast_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_style_sheet_fetches_nothing() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "outline: none" not in STYLE.replace("main:focus {\n  outline: none;\n}", "")
