"""What every command of the command line shares: its settings, and how it tells what went wrong.

Used by ``cli`` and ``record_commands``.
"""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from oshiyakusho_matrix.core.errors import CityHallError, Refused
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.settings import Settings, load_settings

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="OSHIYAKUSHO_CONFIG", help="The configuration that `init` wrote."),
]
CONFIG = Path("config.yaml")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_from(config: Path) -> Settings:
    """Read the settings and say what is doubtful in them. ``Misconfigured`` if they are wrong."""
    settings = load_settings(config)
    for sentence in settings.warnings:
        typer.echo(sentence, err=True)
    # Standard output is for the answer; what the house notes while it works is for `serve`.
    terminal.set_up_log(settings.log.model_copy(update={"level": "warning"}))
    return settings


class told:  # noqa: N801 - reads as a statement: with told(): ...
    """Turn what this product raises on purpose into one sentence and exit code 1."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """End; errors of ours are told, everything else is a bug and keeps its traceback."""
        if isinstance(error, BaseExceptionGroup):
            error = _first_of_ours(error) or error
        if isinstance(error, Refused):
            _fail(terminal.words(error.text))
        if isinstance(error, CityHallError):
            _fail(str(error))
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(130)


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> CityHallError | None:
    for error in group.exceptions:
        inner = _first_of_ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(inner, CityHallError):
            return inner
    return None


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
