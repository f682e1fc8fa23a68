"""The helper that holds all declared commands to the same rules, on this package's own and on those of the tests."""

from typing import Annotated

import pytest
from pydantic import BaseModel

from oshiyakusho_matrix import locales
from oshiyakusho_matrix.commands.audit import audit_command
from oshiyakusho_matrix.commands.help import registry_with_help
from oshiyakusho_matrix.commands.interface import Command, Role
from oshiyakusho_matrix.commands.language import LANGUAGE
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest, parameters_of
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import say
from tests.commands.declared import assert_declared_well
from tests.commands.sample import COMMANDS, LIST, Nothing


def test_the_commands_of_the_language_itself_are_declared_well() -> None:
    registry = registry_with_help((LANGUAGE, audit_command(lambda: registry)))
    assert_declared_well(registry.commands, locales.load("ja"))


def test_whatever_is_declared_is_read_back_as_it_was_written() -> None:
    assert_declared_well(COMMANDS)


@pytest.mark.parametrize(
    "names",
    [("list",), ("list", "show"), ("一覧", "list"), ("division list", "一覧")],
    ids=lambda names: "+".join(names),
)
def test_a_command_without_both_names_is_not_declared_well(names: tuple[str, ...]) -> None:
    command = Command(names, say("Lists."), Role.ANYONE, Nothing, LIST.run)
    with pytest.raises(AssertionError):
        assert_declared_well((command,))


def test_a_command_that_is_not_translated_is_not_declared_well() -> None:
    with pytest.raises(AssertionError, match="not in Japanese"):
        assert_declared_well((LIST,), {})


class AfterRest(BaseModel):
    text: Annotated[str, Rest()]
    late: Annotated[str, Positional()]


class RequiredLate(BaseModel):
    early: Annotated[str, Positional()] = ""
    late: Annotated[str, Positional()] = ...  # type: ignore[assignment]


class TruthByDefault(BaseModel):
    flag: Annotated[bool, Option()] = True


class SameTwice(BaseModel):
    one: Annotated[str, Option(ja="名")] = ""
    two: Annotated[str, Option(ja="名")] = ""


class RestOfNumbers(BaseModel):
    number: Annotated[int, Rest()]


@pytest.mark.parametrize("model", [AfterRest, RequiredLate, TruthByDefault, SameTwice, RestOfNumbers])
def test_arguments_that_nobody_could_give_are_refused_at_the_start(model: type[BaseModel]) -> None:
    with pytest.raises(Misconfigured):
        parameters_of(model)
