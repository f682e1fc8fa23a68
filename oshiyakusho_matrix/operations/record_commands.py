"""The commands that are about the database as a whole: ``backup``, ``restore``, ``rebuild``, ``db upgrade``. Thin.

``cli`` puts them among the others.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.operations.command_line import CONFIG, Config, settings_from, told
from oshiyakusho_matrix.settings import Settings

records = typer.Typer()
database = typer.Typer(help="The database.", no_args_is_help=True)


@records.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write; a file that exists is never overwritten.")],
    config: Config = CONFIG,
) -> None:
    """Write all records into one file (mode 0600), while serving or not. It fits SQLite and PostgreSQL alike."""
    from oshiyakusho_matrix.operations.backup import backup as run

    with told():
        kept = asyncio.run(run(settings_from(config), file))
    typer.echo(terminal.words(say("Written: {file}. Rows: {rows}", file=str(file), rows=kept.rows)))


@records.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    config: Config = CONFIG,
) -> None:
    """Fill an empty database from a backup, while nothing serves. Then start `serve`."""
    from oshiyakusho_matrix.operations.backup import restore as run

    with told():
        kept = asyncio.run(run(settings_from(config), file))
    moment = f"{kept.made_at.astimezone(JST):%Y-%m-%d %H:%M}"
    done = say("Restored as of {moment} (JST). Rows: {rows}. Now start `serve`.", moment=moment, rows=kept.rows)
    typer.echo(terminal.words(done))


@records.command()
def rebuild(config: Config = CONFIG) -> None:
    """Write the records of a lost database anew, from what the homeserver knows. Only if there is no backup."""
    from oshiyakusho_matrix.operations.rebuild import rebuild_lost, report

    with told():
        rebuilt = asyncio.run(rebuild_lost(settings_from(config)))
    typer.echo(terminal.words(report(rebuilt)))
    typer.echo(terminal.words(say("Now start `serve`.")))


@database.command("upgrade")
def db_upgrade(config: Config = CONFIG) -> None:
    """Bring the database's tables to this version. Make a backup first."""
    from oshiyakusho_matrix.store.engine import create_engine, require_reachable
    from oshiyakusho_matrix.store.upgrade import current_revision, upgrade

    async def run(settings: Settings) -> str:
        engine = create_engine(settings.database_url)
        try:
            await require_reachable(engine)
            await upgrade(engine)
            return str(await current_revision(engine))
        finally:
            await engine.dispose()

    with told():
        typer.echo(asyncio.run(run(settings_from(config))))
