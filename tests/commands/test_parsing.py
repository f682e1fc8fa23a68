"""Arguments: read as people type them on telephones, in both languages; and one sentence for what cannot be read."""

import time
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.commands.interface import Command
from oshiyakusho_matrix.commands.language import Language
from oshiyakusho_matrix.commands.reading.parsing import Parsed, parse
from oshiyakusho_matrix.commands.reading.usage import quoted
from oshiyakusho_matrix.commands.reading.words import Mention, split
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from tests.commands.declared import WORDS
from tests.commands.fakes import flat
from tests.commands.sample import COMMANDS, INVITE, LIST, MAKE, REMOVE, SAY


def read(command: Command[Any], text: str, language: str = "ja", mentioned: frozenset[UserId] = frozenset()) -> Parsed:
    return parse(command, split(text), text, language=language, mentioned=mentioned)


def given_to(command: Command[Any], text: str) -> dict[str, Any]:
    return read(command, text).arguments.model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("zaisei --name 財政課", {"slug": "zaisei", "name": "財政課"}),
        ("zaisei --name=財政課", {"slug": "zaisei", "name": "財政課"}),
        ("ＺＡＩＳＥＩ　－－名称＝財政課", {"slug": "zaisei", "name": "財政課"}),
        ("ーー名称 財政課 zaisei", {"slug": "zaisei", "name": "財政課"}),
        ("zaisei —name 財政課", {"slug": "zaisei", "name": "財政課"}),
        ("zaisei １２ --name x", {"slug": "zaisei", "count": 12, "name": "x"}),
        ("zaisei --name 「財政 課」", {"slug": "zaisei", "name": "財政 課"}),
        ('zaisei --name="財政 課"', {"slug": "zaisei", "name": "財政 課"}),
        ("zaisei --name '財政 課'", {"slug": "zaisei", "name": "財政 課"}),
        ("zaisei --name 『「財政」 課』", {"slug": "zaisei", "name": "「財政」 課"}),
        ("zaisei --name “Fire  ＡＢＣ”", {"slug": "zaisei", "name": "Fire  ＡＢＣ"}),
        ("zaisei --name 「--quiet」", {"slug": "zaisei", "name": "--quiet"}),
        ('zaisei --name "a \\"b\\" \\\\c"', {"slug": "zaisei", "name": 'a "b" \\c'}),
        ("zaisei --name 「財政」課", {"slug": "zaisei", "name": "「財政」課"}),
        ("zaisei --name x --quiet", {"slug": "zaisei", "name": "x", "quiet": True}),
        ("zaisei --静かに --name x", {"slug": "zaisei", "name": "x", "quiet": True}),
        ("zaisei --SILENT --name x", {"slug": "zaisei", "name": "x", "quiet": True}),
        ("zaisei --name x --言語 英語", {"slug": "zaisei", "name": "x", "language": Language.ENGLISH}),
        ("zaisei --name x --大きさ ＬＡＲＧＥ", {"slug": "zaisei", "name": "x", "size": "large"}),
        ("zaisei --name x --day ２０２７－０４－０１", {"slug": "zaisei", "name": "x", "day": date(2027, 4, 1)}),
        (
            "zaisei --課長 @A:hub.example --head ＠b:hub.example --name x",
            {"slug": "zaisei", "name": "x", "head": ("@a:hub.example", "@b:hub.example")},
        ),
    ],
)
def test_arguments_are_read_in_every_way_people_write_them(text: str, values: dict[str, Any]) -> None:
    assert given_to(MAKE, text) == values


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("「」", ""),
        ("  two  spaces\n\tand ＡＢＣ  ", "two  spaces\n\tand ＡＢＣ"),
        ("「開始」 and 「終了」", "「開始」 and 「終了」"),
        ('"all of it"', "all of it"),
        ("it's 「unclosed", "it's 「unclosed"),
        ("- a list, a -- dash, a --word", "- a list, a -- dash, a --word"),
        ("-- --loud", "--loud"),
    ],
)
def test_free_text_keeps_its_exact_characters(text: str, rest: str) -> None:
    assert given_to(SAY, text) == {"text": rest}


@pytest.mark.parametrize("text", ["--loud おはよう", "おはよう --loud", "おはよう －－大声", "—loud おはよう"])
def test_a_flag_stands_before_free_text_or_at_its_very_end(text: str) -> None:
    assert given_to(SAY, text) == {"text": "おはよう", "loud": True}


@pytest.mark.parametrize("yes", ["--yes", "--はい", "－－はい", "—yes", "ーーYES"])
def test_a_command_with_a_preview_takes_yes(yes: str) -> None:
    parsed = read(REMOVE, f"@taro:hub.example {yes}")
    assert parsed.yes
    assert parsed.arguments.model_dump() == {"user": "@taro:hub.example", "reason": ""}
    assert not read(REMOVE, "@taro:hub.example 理由 はい").yes


@pytest.mark.parametrize(
    "text",
    [
        "@taro:hub.example",
        "https://matrix.to/#/@taro:hub.example",
        "https://matrix.to/#/%40taro%3Ahub.example?via=hub.example",
        "matrix:u/taro:hub.example",
        "\u2068@taro:hub.example\u2069",
        "＠Ｔａｒｏ：ｈｕｂ．ｅｘａｍｐｌｅ",
    ],
)
def test_a_user_is_read_from_whatever_clients_copy(text: str) -> None:
    assert given_to(REMOVE, text) == {"user": "@taro:hub.example"}


def test_a_mention_is_one_word_whatever_the_name_looks_like() -> None:
    text = '花子 "--yes: だめだから'
    mention = Mention(0, len('花子 "--yes'), UserId("@hanako:hub.example"))
    parsed = parse(REMOVE, split(text, 0, (mention,)), text, language="ja")
    assert parsed == Parsed(REMOVE.arguments(user=UserId("@hanako:hub.example"), reason="だめだから"), yes=False)


def test_a_name_is_taken_from_the_mentions_only_if_it_is_the_start_of_exactly_one_id() -> None:
    hanako, other = UserId("@hanako:hub.example"), UserId("@hanako:town.example")
    assert read(REMOVE, "@hanako", mentioned=frozenset({hanako})).arguments.model_dump()["user"] == hanako
    for mentioned in ({hanako, other}, {UserId("@taro:hub.example")}):
        with pytest.raises(Refused):
            read(REMOVE, "hanako", mentioned=frozenset(mentioned))


def test_several_users_follow_one_another() -> None:
    assert given_to(INVITE, "@a:x.example @b:y.example") == {"users": ("@a:x.example", "@b:y.example")}


@pytest.mark.parametrize(
    ("command", "text", "complaint"),
    [
        (MAKE, "", "識別名 is missing."),
        (MAKE, "zaisei", "名称 is missing."),
        (MAKE, "zaisei 1 many --name x", "“many” is one word too many."),
        (LIST, "please", "“please” is one word too many."),
        (MAKE, "財政 --name x", "“財政” cannot be the 識別名"),
        (MAKE, "-x --name x", "“-x” cannot be the 識別名"),
        (MAKE, "zaisei たくさん --name x", "数 must be a whole number; “たくさん” is none."),
        (MAKE, "zaisei 0 --name x", "数 must be 1 or more."),
        (MAKE, "zaisei 100 --name x", "数 must be 99 or less."),
        (MAKE, "zaisei --name ''", "名称 must have 1 characters or more."),
        (MAKE, "zaisei --name 禁止", "That name is kept for the fire brigade."),
        (MAKE, "zaisei --name fail", "“fail” does not fit as 名称."),
        (MAKE, "zaisei --name", "--名称 needs a value after it."),
        (MAKE, "zaisei --name --quiet", "--名称 needs a value after it."),
        (MAKE, "zaisei --name x --名称 y", "--名称 was given twice."),
        (MAKE, "zaisei --name x --quiet=no", "--静かに stands alone, without a value."),
        (MAKE, "zaisei --nam x", "This command has no option --nam. Did you mean --name?"),
        (MAKE, "zaisei --xyzzy x", "This command has no option --xyzzy."),
        (LIST, "--yes", "This command has no option --yes."),
        (MAKE, "zaisei --name 「財政 課", "The quotation mark before “財政” is never closed."),
        (MAKE, "zaisei --name x --言語 フランス語", "“フランス語” is no 言語. Possible: ja、en、英語"),
        (MAKE, "zaisei --name x --day 明日", "日付 must be a date such as 2027-04-01; “明日” is none."),
        (REMOVE, "花子", "“花子” is no Matrix user."),
        (REMOVE, "@a@evil:hub.example", "“@a@evil:hub.example” is no Matrix user."),
    ],
)
def test_a_mistake_is_named_in_one_sentence_with_usage_and_example(
    command: Command[Any], text: str, complaint: str
) -> None:
    with pytest.raises(Refused) as caught:
        read(command, text)
    assert complaint in flat(caught.value.text)
    usage, example = caught.value.text.parts[-2:]
    assert flat(usage).startswith(f"Usage: `!{command.names[1]}")
    assert flat(example).startswith(f"Example: `!{command.names[1]}")


def test_a_mistake_is_explained_in_the_names_of_the_askers_language() -> None:
    with pytest.raises(Refused) as caught:
        read(MAKE, "zaisei", language="en")
    assert flat(caught.value.text) == (
        "name is missing. Usage: `!division create <slug> [count] --name … [--head …] [--day …] [--language …] "
        "[--size …] [--quiet]` Example: `!division create zaisei 3 --name 財政課`"
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COMMANDS), WORDS | st.text(), st.sampled_from(["ja", "en"]))
def test_no_text_makes_the_parser_fail_in_another_way_than_refusing(
    command: Command[Any], text: str, language: str
) -> None:
    try:
        parsed = read(command, text, language)
    except Refused:
        return
    assert isinstance(parsed.arguments, command.arguments)


@settings(max_examples=300, deadline=None)
@given(WORDS)
def test_quoting_makes_one_word_of_any_text(text: str) -> None:
    (word,) = split(f"{quoted(text)} ")
    assert word.text == text


@settings(max_examples=200, deadline=None)
@given(WORDS)
def test_words_are_found_in_order_and_cover_all_but_the_spaces(text: str) -> None:
    at = 0
    for word in split(text):
        assert text[at : word.start].strip() == ""
        assert word.start < word.end
        at = word.end
    assert text[at:].strip() == ""


@pytest.mark.parametrize(
    "piece", ['"', "「", '"a ', "「 ", "\\", "\\[", "[", "--", "—", "--x=", "<a ", "\U0001f600", " ", "「」"]
)
def test_a_wall_of_anything_is_read_in_a_moment(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    split(text)
    assert time.process_time() - began < 2
