"""Names: found in every spelling, suggested when mistyped, and never answered to by two commands."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from oshiyakusho_matrix.commands.interface import Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option
from oshiyakusho_matrix.commands.reading.words import split
from oshiyakusho_matrix.commands.registry import Found, Group, Registry
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import say
from tests.commands.sample import BREAK, COMMANDS, LIST, MAKE, REMOVE, Nothing

REGISTRY = Registry(COMMANDS)


@pytest.mark.parametrize(
    "text",
    [
        "division list",
        "課 一覧",
        "課　一覧",
        "ＤＩＶＩＳＩＯＮ　list",
        "Division LIST",
        "課 list",
        "division 一覧",
        "課一覧",
    ],
)
def test_a_command_is_found_in_both_languages_mixed_and_full_width(text: str) -> None:
    found = REGISTRY.find(split(text + " more"))
    assert isinstance(found, Found)
    assert found.command is LIST
    assert found.used == len(text.split())


def test_a_further_spelling_is_found_too() -> None:
    assert REGISTRY.find(split("部署 作成")) == Found(MAKE, 2)


@pytest.mark.parametrize(("text", "verb"), [("課", ""), ("課 よくわからない", "よくわからない"), ("division", "")])
def test_a_group_without_a_verb_it_knows_is_a_group(text: str, verb: str) -> None:
    found = REGISTRY.find(split(text))
    assert isinstance(found, Group)
    assert (found.commands, found.verb) == ((LIST, MAKE), verb)


def test_a_word_in_quotation_marks_names_no_command() -> None:
    assert REGISTRY.find(split("「課」 一覧")) is None


def test_nothing_is_found_in_nothing() -> None:
    assert REGISTRY.find(()) is None
    assert REGISTRY.suggest(()) == ()


def test_a_mistyped_name_leads_to_the_nearest() -> None:
    assert REGISTRY.suggest(split("divison list"))[0] == "division list"
    assert REGISTRY.suggest(split("課 一覧表"))[0] == "課 一覧"
    assert REGISTRY.suggest(split("zzzzzzzz")) == ()


def test_who_must_not_know_of_a_command_is_not_led_to_it() -> None:
    strangers = REGISTRY.visible_to(Role.ANYONE)
    assert strangers.find(split("division list")) is None
    assert strangers.suggest(split("divison list")) == ()


@pytest.mark.parametrize("name", ["division list", "課　一覧", "課 list", "課一覧", "ＬＩＳＴ"])
def test_two_commands_never_answer_to_one_name(name: str) -> None:
    one = Command(("division list", "課 一覧", "list"), say("Lists."), Role.ANYONE, Nothing, LIST.run)
    other = Command((name, "別"), say("Lists."), Role.ANYONE, Nothing, LIST.run)
    with pytest.raises(Misconfigured):
        Registry((one, other))


def test_a_command_is_not_named_like_a_group() -> None:
    with pytest.raises(Misconfigured):
        Registry((LIST, Command(("division", "部"), say("Lists."), Role.ANYONE, Nothing, LIST.run)))


@pytest.mark.parametrize("names", [("one two three", "一 二 三"), ("", "一")])
def test_a_name_has_one_word_or_two(names: tuple[str, str]) -> None:
    with pytest.raises(Misconfigured):
        Registry((Command(names, say("Counts."), Role.ANYONE, Nothing, BREAK.run),))


class OwnYes(BaseModel):
    sure: Annotated[bool, Option(ja="はい")] = False


def test_a_command_with_a_preview_leaves_yes_to_the_language() -> None:
    own: Command[Any] = Command(("drop", "削除"), say("Drops."), Role.ANYONE, OwnYes, BREAK.run, REMOVE.preview)
    with pytest.raises(Misconfigured, match="--yes"):
        Registry((own,))
