"""``!help``: generated from the declarations, in the asker's language, and no more of it than they may use."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import YES, Parameter, Place, Rest, parameters_of
from oshiyakusho_matrix.commands.reading.usage import PREFIX, example_line, name_of, usage
from oshiyakusho_matrix.commands.reading.values import shown
from oshiyakusho_matrix.commands.reading.words import Word, split
from oshiyakusho_matrix.commands.registry import Found, Group, Registry
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, fold, say

_NAMES = ("help", "ヘルプ", "使い方")


class HelpArguments(BaseModel):
    """The command that help is wanted for; empty for all."""

    command: Annotated[str, Rest(ja="コマンド", about=say("The command to explain; all of them if left out."))] = ""


def registry_with_help(commands: Sequence[Command[Any]]) -> Registry:
    """Return the registry of ``commands`` and of ``!help``, which explains them and itself."""

    def known() -> Registry:
        return registry

    registry = Registry((help_command(known), *commands))
    return registry


def help_command(known: Callable[[], Registry]) -> Command[HelpArguments]:
    """Declare ``!help``; ``known`` is asked at each run, because help is one of the commands it lists."""

    async def run(call: Call[HelpArguments]) -> Answer:
        language, seen = call.asker.language, known().visible_to(call.asker.role)
        typed = call.arguments.command.strip()
        words = split(typed.removeprefix(PREFIX).removeprefix("！"))
        match seen.find(words):
            case Found(command, _):
                return Answer(about_command(command, language))
            case Group(_, commands, verb) if not verb:
                return Answer(about_group(commands, language))
        if words:
            raise Refused(unknown(seen, words, language))
        return Answer(overview(seen.commands, language))

    return Command(
        names=_NAMES,
        summary=say("Explains what I can do for you."),
        role=Role.ANYONE,
        arguments=HelpArguments,
        run=run,
    )


def overview(commands: Sequence[Command[Any]], language: str) -> Text:
    """List commands, one a line."""
    return say(
        "This is what I can do for you:",
        *(_entry(command, language) for command in commands),
        say(
            "To read more about one of them, write for example `{example}`.",
            example=f"{ask_for_help(language)} {name_of(commands[-1], language)}",
        ),
    )


def about_group(commands: Sequence[Command[Any]], language: str) -> Text:
    """List the commands of a group with their usage."""
    return say("These commands belong together:", *(_entry(command, language) for command in commands))


def about_command(command: Command[Any], language: str) -> Text:
    """Explain one command: summary, usage, arguments, example, other names."""
    parameters = parameters_of(command.arguments)
    lines = [say("Usage: `{usage}`", usage=usage(command, language))]
    lines += [_argument(p, language) for p in (*parameters, *((YES,) if command.preview else ()))]
    lines.append(example_line(command, language))
    others = [PREFIX + name for name in command.names if name != name_of(command, language)]
    if others:
        lines.append(say("Also: `{names}`", names=", ".join(others)))
    return Text(command.summary.msgid, command.summary.values, (*command.summary.parts, *lines))


def unknown(seen: Registry, words: Sequence[Word], language: str) -> Text:
    """Say that there is no such command, and what may have been meant among those that the asker may know of."""
    typed = shown(" ".join(word.text for word in words[: 2 if isinstance(seen.find(words), Group) else 1]))
    if near := seen.suggest(words):
        return say(
            "There is no command “{name}”. Did you mean `{near}`? Write `{help}` for all of them.",
            name=typed, near=" / ".join(PREFIX + name for name in near), help=ask_for_help(language),
        )  # fmt: skip
    return say("There is no command “{name}”. Write `{help}` for all of them.", name=typed, help=ask_for_help(language))


def did_you_mean(near: Sequence[str]) -> Text:
    """Ask whether one of these commands was meant."""
    return say("Did you mean `{near}`?", near=" / ".join(PREFIX + name for name in near))


def _entry(command: Command[Any], language: str) -> Text:
    return say("- `{usage}`: {summary}", usage=usage(command, language), summary=command.summary)


def _argument(p: Parameter, language: str) -> Text:
    name = p.label(language) if p.place in (Place.POSITIONAL, Place.REST) else f"--{p.label(language)}"
    others = sorted(f"--{s}" for s in p.spellings - {fold(p.label(language))}) if name.startswith("--") else []
    if others:
        name = f"{name} ({', '.join(others)})"
    return (
        say("- `{name}`: {about}", name=name, about=p.marker.about) if p.marker.about else say("- `{name}`", name=name)
    )


def ask_for_help(language: str) -> str:
    """Return how ``!help`` is typed in a language."""
    return PREFIX + _NAMES[1 if language == "ja" else 0]
