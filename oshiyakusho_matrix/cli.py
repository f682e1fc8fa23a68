"""The command line ``oshiyakusho-matrix``: thin. Every ``Misconfigured`` becomes one sentence and exit code 1."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from oshiyakusho_matrix import __version__
from oshiyakusho_matrix.core.errors import CityHallError, Misconfigured, Refused
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.settings import Settings, load_settings

cli = typer.Typer(
    name="oshiyakusho-matrix",
    help="オンライン市役所 on Matrix: an application service that keeps a city hall of gated spaces.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
rooms = typer.Typer(help="The declared city hall: check the files, plan, apply.", no_args_is_help=True)
database = typer.Typer(help="The database.", no_args_is_help=True)
cli.add_typer(rooms, name="rooms")
cli.add_typer(database, name="db")

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="OSHIYAKUSHO_CONFIG", help="The configuration that `init` wrote."),
]
CONFIG = Path("config.yaml")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """See the subcommands."""


@cli.command()
def init(
    homeserver_url: Annotated[str, typer.Option(help="Where the homeserver's client API is, as seen from here.")],
    server_name: Annotated[str, typer.Option(help="The homeserver's name, as in @user:NAME.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT for the homeserver and operators; never public.")],
    secretariat: Annotated[list[str], typer.Option(help="@user:server of the first secretary; may be repeated.")],
    directory: Annotated[Path, typer.Option("--dir", help="Where to write; nothing is ever overwritten.")],
    web_listen: Annotated[str | None, typer.Option(help="HOST:PORT of the public pages.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where people find the public pages.")] = None,
) -> None:
    """Write a configuration, a registration with fresh tokens, and a copy of the city hall to edit."""
    from oshiyakusho_matrix.operations.installation import Order, write_installation

    with _told():
        steps = write_installation(
            Order(
                directory=directory,
                homeserver_url=homeserver_url,
                server_name=server_name,
                listen=listen,
                secretariat=secretariat,
                web_listen=web_listen,
                public_url=public_url,
            )
        )
    for number, step in enumerate(steps, start=1):
        typer.echo(f"{number}. {terminal.words(step)}")


@cli.command()
def serve(config: Config = CONFIG) -> None:
    """Run everything until SIGTERM or Ctrl-C."""
    from oshiyakusho_matrix.operations.serving import serve as run

    with _told():
        settings = _settings(config)
        terminal.set_up_log(settings.log)
        asyncio.run(run(settings))


@cli.command()
def doctor(
    config: Config = CONFIG,
    homeserver_config: Annotated[
        Path | None, typer.Option(help="Path of homeserver.yaml, to read the rate limits in force.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine the installation and say how to mend what is wrong. Exit code 1 if anything failed."""
    from oshiyakusho_matrix.operations.examination import examine_installation

    with _told():
        found = asyncio.run(examine_installation(_settings(config), homeserver_config))
    failed = terminal.print_examinations(found, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


@rooms.command("check")
def rooms_check(
    directory: Annotated[
        Path | None, typer.Argument(help="The directory with cityhall.yaml; else of --config.")
    ] = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> None:
    """Validate the files: file, line, what is wrong. Exit code 1 if there is a mistake."""
    from oshiyakusho_matrix.divisions.catalogue import check

    with _told():
        where = directory or _settings(config).rooms
    findings = check(where)
    if as_json:
        rows = [
            {"file": f.file, "line": f.line, "column": f.column, "message": terminal.words(f.message)} for f in findings
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for f in findings:
            typer.echo(f"{where / f.file}:{f.line}:{f.column}: {terminal.words(f.message)}")
        if not findings:
            typer.echo(terminal.ok(where))
    raise typer.Exit(1 if findings else 0)


@rooms.command("schema")
def rooms_schema(directory: Annotated[Path, typer.Argument(help="Where to write the schemas.")]) -> None:
    """Write the JSON Schemas of the files, for editors."""
    from oshiyakusho_matrix.divisions.catalogue import write_schemas

    with _told():
        try:
            write_schemas(directory)
        except OSError as error:
            raise Misconfigured(f"{directory}: the schemas cannot be written there ({error.strerror}).") from None


@rooms.command("plan")
def rooms_plan(config: Config = CONFIG, as_json: Json = False) -> None:
    """Print what applying would change, as a tree. Exit code 0: nothing, 2: changes, 1: something could not be read."""
    from oshiyakusho_matrix.operations.applying import plan_only

    with _told():
        plan = asyncio.run(plan_only(_settings(config)))
    terminal.print_plan(plan, as_json=as_json)
    raise typer.Exit(1 if plan.unknown else 0 if plan.empty else 2)


@rooms.command("apply")
def rooms_apply(
    config: Config = CONFIG,
    timeout: Annotated[int, typer.Option(help="Seconds to wait until every room agrees.")] = 1800,
    as_json: Json = False,
) -> None:
    """Make the city hall as declared, and wait for it. Works beside a running `serve`, or without one."""
    from oshiyakusho_matrix.operations.applying import apply_and_wait

    with _told(), terminal.progress(quiet=as_json) as progress:
        outcome = asyncio.run(apply_and_wait(_settings(config), timeout=timeout, progress=progress))
    terminal.print_outcome(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.complete else 1)


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

    with _told():
        typer.echo(asyncio.run(run(_settings(config))))


@cli.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo lives.")] = Path(".demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over: delete the demo's data first.")] = False,
    tour: Annotated[
        bool, typer.Option("--tour", help="Play a visit by three people, print what each sees, end.")
    ] = False,
    rooms_dir: Annotated[
        Path | None,
        typer.Option("--rooms", help="Another city hall than the shipped one; taken over at the first start."),
    ] = None,
) -> None:
    """Run a whole city hall on this machine: an embedded Synapse, every division, accounts to try."""
    from oshiyakusho_matrix.demo.run import run_demo

    with _told():
        asyncio.run(run_demo(data_dir, fresh=fresh, tour=tour, rooms=rooms_dir))


def _settings(config: Path) -> Settings:
    settings = load_settings(config)
    for sentence in settings.warnings:
        typer.echo(sentence, err=True)
    # Standard output is for the answer; what the house notes while it works is for `serve`.
    terminal.set_up_log(settings.log.model_copy(update={"level": "warning"}))
    return settings


class _told:  # noqa: N801 - reads as a statement: with _told(): ...
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


def main() -> None:
    """Entry point of the console script."""
    cli()
