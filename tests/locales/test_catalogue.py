"""Whatever the package says has a Japanese wording with the same placeholders, and no wording is left over."""

import re
from itertools import groupby
from operator import attrgetter

import pytest
from babel.messages.catalog import Message as Entry

from oshiyakusho_matrix.core.text import Text, Value
from oshiyakusho_matrix.locales import LANGUAGES, catalogue_files, load, read
from oshiyakusho_matrix.outbox.render import Renderer
from tests.locales.messages import all_messages, messages, placeholders


def entries() -> list[tuple[str, Entry]]:
    return [(file.name, entry) for file in catalogue_files("ja") for entry in read(file) if entry.id]


def listed(lines: list[str]) -> str:
    return "\n".join(["", *lines])


def test_every_message_has_a_japanese_wording() -> None:
    known = load("ja")
    missing = sorted((m for m in all_messages() if m.msgid not in known), key=attrgetter("where"))
    lines = [f"{where}: {next(iter(group)).msgid!r}" for where, group in groupby(missing, key=attrgetter("where"))]
    assert not lines, f"{len(lines)} messages have no Japanese wording in locales/ja:" + listed(lines)


def test_every_wording_has_the_placeholders_of_its_message() -> None:
    wrong = [
        f"{file}: {entry.id!r} has {sorted(placeholders(str(entry.id)))}, {entry.string!r} does not"
        for file, entry in entries()
        if placeholders(str(entry.id)) != placeholders(str(entry.string))
    ]
    assert not wrong, listed(wrong)


def test_no_wording_is_left_over() -> None:
    said = {message.msgid for message in all_messages()}
    stale = [f"{file}: {entry.id!r}" for file, entry in entries() if entry.id not in said]
    assert not stale, "no message of the code reads like this:" + listed(stale)


def test_every_wording_is_finished() -> None:
    unfinished = [f"{file}: {entry.id!r}" for file, entry in entries() if not entry.string or entry.fuzzy]
    assert not unfinished, listed(unfinished)


def test_a_message_reads_the_same_in_every_file() -> None:
    found: dict[object, tuple[str, object]] = {}
    different = []
    for file, entry in entries():
        first = found.setdefault(entry.id, (file, entry.string))
        if first[1] != entry.string:
            different.append(f"{entry.id!r}: {first[1]!r} in {first[0]}, {entry.string!r} in {file}")
    assert not different, listed(different)


def test_the_markdown_of_every_wording_works() -> None:
    """Bold next to Japanese: `**「x」**を` is none, because a closing mark after 」 must not touch a letter."""
    renderer = Renderer()
    broken = []
    for file, entry in entries():
        values: dict[str, Value] = dict.fromkeys(placeholders(str(entry.id)), "x")
        for language in LANGUAGES:
            shown = re.sub(r"<[^>]+>", "", renderer.render(Text(str(entry.id), values), language).html)
            if "**" in shown or "`" in shown:
                broken.append(f"{file}: {entry.id!r} in {language}: {shown!r}")
    assert not broken, listed(broken)


def test_every_placeholder_is_given_a_value() -> None:
    empty = [
        f"{message.where}: {message.msgid!r} lacks {sorted(placeholders(message.msgid) - message.given)}"
        for message in all_messages()
        if message.given is not None and not placeholders(message.msgid) <= message.given
    ]
    assert not empty, listed(empty)


def test_japanese_is_the_first_language_and_english_needs_no_catalogue() -> None:
    assert LANGUAGES[0] == "ja"
    assert load("en") == {}
    assert load("ja")


def test_messages_are_found_where_code_says_them() -> None:
    source = (
        'say("A {x}" " b", x=1)\ntext.say("C" if y else "D", **z)\nText(msgid="E")\nsay(variable)\nother("F")\n'
        'T = say("{G}")\ndef f():\n    say("{H}")'
    )
    found = list(messages(source, "m.py"))
    assert [(message.msgid, message.given) for message in found] == [
        ("A {x} b", frozenset({"x"})),
        ("C", None),
        ("D", None),
        ("E", None),
        ("{G}", None),
        ("{H}", frozenset()),
    ]


@pytest.mark.parametrize("source", ['say(f"a {b}")', 'say("a" + b)', 'say("{}".format(b))'])
def test_a_message_that_is_put_together_is_refused(source: str) -> None:
    with pytest.raises(AssertionError):
        list(messages(source, "m.py"))
