"""From words to a command's arguments: pydantic models, checked, or ``Refused`` with usage and example.

Called by ``dispatch`` with the words behind the command's name. What it cannot read it never guesses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from oshiyakusho_matrix.commands.interface import Command
from oshiyakusho_matrix.commands.reading.arguments import YES, Parameter, Place, parameters_of
from oshiyakusho_matrix.commands.reading.nearest import nearest
from oshiyakusho_matrix.commands.reading.usage import example_line, usage
from oshiyakusho_matrix.commands.reading.values import explained, shown, value_of
from oshiyakusho_matrix.commands.reading.words import Word
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say


@dataclass(frozen=True, slots=True)
class Parsed:
    """Arguments that hold, and whether ``--yes`` stood among them."""

    arguments: BaseModel
    yes: bool = False


def parse(
    command: Command[Any],
    words: Sequence[Word],
    text: str,
    *,
    language: str,
    mentioned: frozenset[UserId] = frozenset(),
) -> Parsed:
    """Read the arguments of ``command`` from ``words``, which were split from ``text``.

    ``mentioned`` are the users in the message's ``m.mentions``. Raises ``Refused``: what is wrong, usage, an example.
    """
    try:
        reader = _Reader(command, text, language, mentioned)
        reader.read(words)
        return reader.parsed()
    except Refused as refused:
        help_lines = (
            say("Usage: `{usage}`", usage=usage(command, language)),
            example_line(command, language),
        )
        raise Refused(replace(refused.text, parts=(*refused.text.parts, *help_lines))) from refused


class _Reader:
    def __init__(self, command: Command[Any], text: str, language: str, mentioned: frozenset[UserId]) -> None:
        self._model = command.arguments
        self._parameters = parameters_of(command.arguments)
        known = (*self._parameters, YES) if command.preview else self._parameters
        self._options = {s: p for p in known if p.place in (Place.OPTION, Place.FLAG) for s in p.spellings}
        self._places = [p for p in self._parameters if p.place in (Place.POSITIONAL, Place.REST)]
        self._text, self._language, self._mentioned = text, language, mentioned
        self._values: dict[str, Any] = {}

    def read(self, words: Sequence[Word]) -> None:
        at, options_ended = 0, False
        while at < len(words):
            word = words[at]
            if not options_ended and word.option == "":
                at, options_ended = at + 1, True
            elif not options_ended and (option := self._option(word)):
                at += self._take_option(option, word, words[at + 1] if at + 1 < len(words) else None)
            elif not self._places:
                raise Refused(_one_too_many(word))
            elif self._places[0].place is Place.REST:
                self._values[self._places.pop(0).field] = self._rest(words[at:], options_ended)
                return
            else:
                self._take_place(word)
                at += 1

    def parsed(self) -> Parsed:
        for parameter in self._parameters:
            if parameter.required and parameter.field not in self._values:
                raise Refused(say("{argument} is missing.", argument=parameter.label(self._language)))
        yes = bool(self._values.pop(YES.field, False)) if YES.field not in self._model.model_fields else False
        try:
            return Parsed(self._model.model_validate(self._values), yes)
        except ValidationError as error:
            # Cut off from its cause: pydantic's own wording holds what people typed.
            raise Refused(explained(error, self._parameters, self._language)) from None

    def _option(self, word: Word) -> Parameter | None:
        """Return the option that a word names; ``Refused`` if it surely names one, but none of this command."""
        if word.option is None:
            return None
        if (found := self._options.get(word.option)) is None and word.certain:
            near = nearest(word.option, sorted(self._options))
            raise Refused(
                say(
                    "This command has no option {option}. Did you mean {near}?",
                    option=shown(word.text),
                    near=f"--{near[0]}",
                )
                if near
                else say("This command has no option {option}.", option=shown(word.text))
            )
        return found

    def _take_option(self, option: Parameter, word: Word, following: Word | None) -> int:
        """Take an option and its value; return how many words that were."""
        written = shown(f"--{option.label(self._language)}")
        if option.place is Place.FLAG:
            if word.value is not None:
                raise Refused(say("{option} stands alone, without a value.", option=written))
            self._values[option.field] = True
            return 1
        if option.field in self._values and not option.many:
            raise Refused(say("{option} was given twice.", option=written))
        value = word.value or following
        if value is None or (value is following and value.option is not None and value.option in self._options):
            raise Refused(say("{option} needs a value after it.", option=written))
        self._keep(option, value)
        return 1 if word.value is not None else 2

    def _take_place(self, word: Word) -> None:
        parameter = self._places[0]
        self._keep(parameter, word)
        if not parameter.many:
            self._places.pop(0)

    def _keep(self, parameter: Parameter, word: Word) -> None:
        value = value_of(parameter, word, self._language, self._mentioned)
        if parameter.many:
            self._values.setdefault(parameter.field, []).append(value)
        else:
            self._values[parameter.field] = value

    def _rest(self, words: Sequence[Word], options_ended: bool) -> str:
        """Return the rest of the text, without flags at its very end, or what one pair of quotation marks holds."""
        words = list(words)
        while not options_ended and len(words) > 1 and (flag := self._options.get(words[-1].option or "")):
            if flag.place is not Place.FLAG:
                break
            self._values[flag.field] = True
            words.pop()
        if len(words) == 1 and words[0].quoted:
            return words[0].text
        return self._text[words[0].start : words[-1].end]


def _one_too_many(word: Word) -> Text:
    return say("“{word}” is one word too many. Put text with spaces between 「 and 」.", word=shown(word.text))
