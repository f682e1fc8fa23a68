"""Rendering: in the reader's language, with whatever people wrote shown as they wrote it and nothing more."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.core.text import Text, say, visible
from oshiyakusho_matrix.outbox.render import LARGEST_CONTENT, Renderer

JAPANESE = {
    "{name} was made.": "**{name}**を作りました。",
    "Nothing.": "何もありません",
    "- `{command}`: {what}": "- `{command}`: {what}",
    "[{name}]({link})": "[{name}]({link})",
}
RENDERER = Renderer({"ja": JAPANESE, "en": {}})


class Seen(HTMLParser):
    """What a client would make of some HTML: its tags with attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_reader_decides_the_language_and_what_has_no_translation_is_english() -> None:
    text = say("{name} was made.", name="財政課")
    assert RENDERER.render(text, "ja").body == "**財政課**を作りました。"
    assert RENDERER.render(text, "ja").html == "<strong>財政課</strong>を作りました。"
    assert RENDERER.render(text, "en").body == "財政課 was made."
    assert RENDERER.render(say("New."), "ja").body == "New."


def test_texts_inside_texts_are_translated_too_and_parts_stand_on_their_own_lines() -> None:
    text = say(
        "{name} was made.",
        say("- `{command}`: {what}", command="!課 一覧", what=say("Nothing.")),
        say("- `{command}`: {what}", command="!help", what=say("{name} was made.", name="A*B")),
        say("Nothing."),
        name=say("Nothing."),
    )
    rendered = RENDERER.render(text, "ja")
    assert rendered.body == (
        "**何もありません**を作りました。\n\n"
        "- `!課 一覧`: 何もありません\n"
        "- `!help`: **A*B**を作りました。\n\n"
        "何もありません"
    )
    seen = Seen(rendered.html)
    assert [tag for tag, _ in seen.tags] == ["p", "strong", "ul", "li", "code", "li", "code", "strong", "p"]


def test_lines_stay_lines() -> None:
    assert RENDERER.render(say("One", say("**Two**"), say("Three")), "en").html == (
        "One<br>\n<strong>Two</strong><br>\nThree"
    )


@pytest.mark.parametrize(
    "value",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](https://evil.example/)",
        "**bold** _it_ `code` # no",
        "![x](https://evil.example/x.png)",
        "&lt;b&gt; &amp;",
        "https://evil.example/",
        "<https://evil.example/>",
        "`</code><b>x",
        "\\*\\[",
        "{name} {reference}",
        "@room",
        "1. x",
        "| a | b |",
    ],
)
def test_what_people_wrote_is_shown_as_text(value: str) -> None:
    text = say("{name} was made.", say("- `{command}`: {what}", command=value, what=value), name=value)
    rendered = RENDERER.render(text, "ja")
    seen = Seen(rendered.html)
    assert [tag for tag, _ in seen.tags] == ["p", "strong", "ul", "li", "code"]
    assert seen.text.count(value) == 3
    assert rendered.body.count(value) == 3


def test_what_hides_or_turns_text_is_taken_out() -> None:
    rendered = RENDERER.render(say("{name} was made.", name="ab\u202egpj.exe\u2066\x00\nnext\ue000\ud800"), "en")
    assert rendered.body == "abgpj.exe next was made."
    assert rendered.html == "abgpj.exe next was made."


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", '"><script>x</script>', " java\tscript:x"])
def test_a_link_leads_to_no_script(link: str) -> None:
    seen = Seen(RENDERER.render(say("[{name}]({link})", name="財政課", link=link), "ja").html)
    assert {tag for tag, _ in seen.tags} <= {"a", "p"}
    for _, attributes in seen.tags:
        assert set(attributes) <= {"href"}
        assert not re.match(r"\s*(javascript|data):", attributes.get("href") or "", re.IGNORECASE)


def test_a_link_to_a_room_works() -> None:
    link = "https://matrix.to/#/#ka-zaisei:city.example.jp"
    rendered = RENDERER.render(say("[{name}]({link})", name="財政課 & <co>", link=link), "ja")
    assert rendered.html == f'<a href="{link}">財政課 &amp; &lt;co&gt;</a>'


def test_ten_thousand_emoji_are_bounded() -> None:
    rendered = RENDERER.render(say("{name} was made.", name="🏯" * 10_000), "ja")
    assert rendered.body.count("🏯") == 499
    assert rendered.size < 5_000


def test_a_text_that_is_too_long_ends_between_lines_with_a_note() -> None:
    parts = [say("- `{command}`: {what}", command=f"!c{number}", what="🏯<&" * 150) for number in range(300)]
    rendered = RENDERER.render(say("Nothing.", *parts), "ja")
    assert LARGEST_CONTENT - 5_000 < rendered.size <= LARGEST_CONTENT
    assert rendered.body.endswith("\n\n(The rest was too long to be shown here.)")
    assert rendered.html.endswith("<p>(The rest was too long to be shown here.)</p>")
    lines = rendered.body.splitlines()
    assert len(lines[2:-2]) > 5
    assert all(line == "" or line.endswith("🏯<&" * 150) for line in lines[1:-1])


def test_one_endless_line_is_cut_between_words_never_inside_a_value() -> None:
    def nest(depth: int) -> Text:
        value = "🏯<&>" * 100
        return say("{value} and {rest}", value=value, rest=nest(depth - 1)) if depth else say("the end")

    rendered = RENDERER.render(nest(200), "en")
    assert rendered.size <= LARGEST_CONTENT
    assert "the end" not in rendered.body
    start = rendered.body.removesuffix("\n\n(The rest was too long to be shown here.)")
    assert start != rendered.body
    assert re.fullmatch(rf"(?:{re.escape('🏯<&>' * 100)}(?: and )?)+", start)
    assert not re.search(r"V[0-9a-f]{8}N", rendered.body + rendered.html)


@given(st.text(st.characters(), max_size=200))
@settings(deadline=None)
def test_any_words_come_out_as_they_are_visible(words: str) -> None:
    assume(not visible(words).startswith(("@", "#", "!")))  # An id of Matrix would be a link; see below.
    rendered = RENDERER.render(say("{name} was made.", name=words), "en")
    expected = f"{visible(words)} was made."
    assert rendered.body == RENDERER.words(say("{name} was made.", name=words), "en") == expected
    seen = Seen(rendered.html)
    assert {tag for tag, _ in seen.tags} <= {"p"}
    assert seen.text.strip() == expected.strip()
    rendered.body.encode("utf-8")


def test_users_and_rooms_are_links_that_clients_show_by_name() -> None:
    text = say("{user} is in {room}.", user="@hanako:example.jp", room="#ka-zaisei:example.jp")
    rendered = Renderer().render(text, "en")
    assert rendered.body == "@hanako:example.jp is in #ka-zaisei:example.jp."
    assert rendered.html == (
        '<a href="https://matrix.to/#/@hanako:example.jp">@hanako:example.jp</a> is in '
        '<a href="https://matrix.to/#/%23ka-zaisei:example.jp">#ka-zaisei:example.jp</a>.'
    )


def test_what_people_copy_out_of_code_is_no_link() -> None:
    rendered = Renderer().render(say("Write `!member admit {user}`", user="@hanako:example.jp"), "en")
    assert rendered.html == "Write <code>!member admit @hanako:example.jp</code>"
