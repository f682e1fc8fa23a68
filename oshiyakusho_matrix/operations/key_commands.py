"""The commands about the key that seals personal data: ``key new``, ``key forget``. Thin; ``cli`` places them."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from oshiyakusho_matrix.core.sealing import new_key
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.operations.command_line import CONFIG, Config, settings_from, told

keys = typer.Typer(help="The key that seals personal data.", no_args_is_help=True)


@keys.command("new")
def new(
    file: Annotated[Path | None, typer.Option(help="A new file for it (mode 0600); else it is printed.")] = None,
) -> None:
    """Make a key. In the file, the first line seals and all open: put a new key above the old one."""
    from oshiyakusho_matrix.operations.keys import write_key

    if file is None:
        typer.echo(new_key())
        return
    with told():
        write_key(file)
    typer.echo(terminal.words(say("Written: {file}. Keep a copy apart from the database.", file=str(file))))


@keys.command("forget")
def forget(
    fingerprint: Annotated[str, typer.Argument(help="The key that `serve` or `doctor` misses: 16 digits.")],
    config: Config = CONFIG,
) -> None:
    """Give up a key that is lost for good: what it sealed can be read by nobody, and `serve` starts without it."""
    from oshiyakusho_matrix.operations.keys import give_up_key

    with told():
        asyncio.run(give_up_key(settings_from(config), fingerprint))
    typer.echo(terminal.words(say("Given up: what was sealed with the key {key}.", key=fingerprint)))
