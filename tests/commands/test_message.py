"""What is said to the bot: prefixes, mentions, fallbacks; and what never is a command."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.commands.reading.message import Heard, Manner, hear
from oshiyakusho_matrix.core.ids import UserId
from tests.commands.declared import WORDS
from tests.commands.fakes import BOT, HANAKO, event, message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def heard(content: dict[str, Any]) -> Heard:
    found = hear(event({"msgtype": "m.text", **content}), bot=BOT, bot_name="市役所")
    assert found is not None
    return found


def texts(found: Heard) -> list[str]:
    return [word.text for word in found.words]


@pytest.mark.parametrize(
    ("body", "manner"),
    [
        ("!課 一覧", Manner.COMMAND),
        ("！課　一覧", Manner.COMMAND),
        ("  !課 一覧", Manner.COMMAND),
        ("！　課　一覧", Manner.PERHAPS),
        ("課 一覧", Manner.PLAIN),
        ("市役所: 課 一覧", Manner.PERHAPS),
        ("市役所：課 一覧", Manner.PERHAPS),
        ("@市役所: 課 一覧", Manner.PERHAPS),
        ("市役所： !課 一覧", Manner.COMMAND),
        ("@shiyakusho:hub.example 課 一覧", Manner.MENTIONED),
        ("@shiyakusho:hub.example: !課 一覧", Manner.COMMAND),
        ("https://matrix.to/#/@shiyakusho:hub.example 課 一覧", Manner.MENTIONED),
        ("[市役所](https://matrix.to/#/@shiyakusho:hub.example): 課 一覧", Manner.MENTIONED),
        ("[市役所](https://matrix.to/#/%40shiyakusho%3Ahub.example) 課 一覧", Manner.MENTIONED),
        ("> <@taro:hub.example> 昨日の\n> 件ですが\n\n!課 一覧", Manner.COMMAND),
        ("> * <@taro:hub.example> 手を振る\n\n！課 一覧", Manner.COMMAND),
    ],
)
def test_a_prefix_or_a_mention_is_taken_off(body: str, manner: Manner) -> None:
    found = heard({"body": body})
    assert (texts(found), found.manner) == (["課", "一覧"], manner)


@pytest.mark.parametrize(
    "body", ["!!すごい", "！？", "!", "! ", "市役所さん、課 一覧", "市役所", "@shiyakusho:hub.example.evil 課"]
)
def test_talk_that_looks_a_little_like_a_command_is_no_command(body: str) -> None:
    assert heard({"body": body}).manner in (Manner.PLAIN, Manner.PERHAPS)


def test_a_mention_in_html_or_in_the_list_of_mentions_counts() -> None:
    pill = '<a href="https://matrix.to/#/@shiyakusho:hub.example">お役所</a>: 課 一覧'
    assert texts(heard({"body": "お役所: 課 一覧", "formatted_body": pill})) == ["課", "一覧"]
    listed = heard({"body": "市役所 課 一覧", "m.mentions": {"user_ids": [BOT]}})
    assert (texts(listed), listed.manner) == (["課", "一覧"], Manner.MENTIONED)


@pytest.mark.parametrize(
    "content",
    [
        {"msgtype": "m.notice", "body": "!help"},
        {"msgtype": "m.emote", "body": "!help"},
        {"msgtype": "m.image", "body": "!help"},
        {"msgtype": "m.text"},
        {"msgtype": "m.text", "body": 5},
        {"msgtype": "m.text", "body": "* !help", "m.new_content": {"msgtype": "m.text", "body": "!help"}},
        {"msgtype": "m.text", "body": "!help", "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}},
        {},
    ],
)
def test_notices_edits_and_broken_messages_are_no_commands(content: dict[str, Any]) -> None:
    assert hear(event(content), bot=BOT, bot_name="市役所") is None


@pytest.mark.parametrize("sender", [BOT, "@_och_guest1:hub.example"])
def test_the_bot_and_its_ghosts_command_nothing(sender: str) -> None:
    assert hear(message("!help", sender=UserId(sender)), bot=BOT, bot_name="市役所") is None


def test_somebody_of_another_server_may_be_named_like_a_ghost() -> None:
    assert hear(message("!help", sender=UserId("@_och_a:town.example")), bot=BOT, bot_name="市役所") is not None


def test_a_thread_is_remembered() -> None:
    relation = {"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"}}
    assert heard({"body": "!help", "m.relates_to": relation}).thread_root == "$root"
    assert heard({"body": "!help", "m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}).thread_root is None


def test_a_pill_is_whom_it_links_to_not_what_it_says() -> None:
    anchor = '<a href="https://matrix.to/#/@taro:hub.example">花子 花</a>'
    found = heard(
        {"body": "!会員 除名 花子 花 花子 花に頼まれた", "formatted_body": f"!会員 除名 {anchor} 花子 花に頼まれた"}
    )
    assert [(w.text, w.user_id) for w in found.words[2:]] == [
        ("花子 花", "@taro:hub.example"),
        ("花子", None),
        ("花に頼まれた", None),
    ]


def test_a_pill_is_found_at_its_place_even_if_its_name_stands_elsewhere_too() -> None:
    anchor = '<a href="https://matrix.to/#/@taro:hub.example">会員</a>'
    found = heard({"body": "!会員 除名 会員", "formatted_body": f"!会員 除名 {anchor}"})
    assert [w.user_id for w in found.words] == [None, None, "@taro:hub.example"]


def test_a_pill_in_a_quoted_reply_is_nobody() -> None:
    quoted = '<mx-reply><blockquote><a href="https://matrix.to/#/@taro:hub.example">花子</a></blockquote></mx-reply>'
    found = heard(
        {"body": "> <@taro:hub.example> 花子\n\n!会員 除名 花子", "formatted_body": f"{quoted}!会員 除名 花子"}
    )
    assert [w.user_id for w in found.words] == [None, None, None]


@pytest.mark.parametrize(
    "href", ["https://evil.example/#/@taro:hub.example", "https://matrix.to/#/!room", "javascript:1"]
)
def test_other_links_are_nobody(href: str) -> None:
    found = heard({"body": "!会員 除名 花子", "formatted_body": f'!会員 除名 <a href="{href}">花子</a>'})
    assert [w.user_id for w in found.words] == [None, None, None]


@settings(max_examples=300, deadline=None)
@given(WORDS, JSON, JSON, JSON)
def test_no_content_makes_hearing_fail(body: str, formatted: Any, relation: Any, mentions: Any) -> None:
    for html in (formatted, f"{body}<a href='https://matrix.to/#/{HANAKO}'>{body}</a>"):
        content = {"msgtype": "m.text", "body": body, "formatted_body": html}
        hear(event(content | {"m.relates_to": relation, "m.mentions": mentions}), bot=BOT, bot_name="市役所")


@pytest.mark.parametrize(
    "piece", ["[", "\\[", "<a ", "<mx-reply>", " ", "> <@", "<a href='https://matrix.to/#/@a:b.c'>x</a>", "\U0001f600"]
)
def test_a_wall_of_anything_is_heard_in_a_moment(piece: str) -> None:
    wall = piece * (60_000 // len(piece))
    began = time.process_time()
    heard({"body": wall, "formatted_body": wall})
    assert time.process_time() - began < 2
