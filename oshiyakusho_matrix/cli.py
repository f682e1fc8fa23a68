"""The command line ``oshiyakusho-matrix``: thin. Every ``Misconfigured`` becomes one sentence and exit code 1.

A command line that is not understood ends with 64, not with click's 2: that is how ``rooms plan`` says "changes".
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from oshiyakusho_matrix import __version__
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.operations import terminal
from oshiyakusho_matrix.operations.command_line import CONFIG, Config, Json, settings_from, told
from oshiyakusho_matrix.operations.key_commands import keys
from oshiyakusho_matrix.operations.record_commands import database, records

#: ``EX_USAGE`` of sysexits.h.
USAGE = 64


@contextmanager
def _misuse_is_not_an_answer() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        if error.exit_code == 2:  # a usage error; others are of the terminal and of files
            error.exit_code = USAGE
        raise


class _Commands(TyperGroup):
    """All commands; click parses each level within these two calls of the outermost one."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Parse what stands before the first command."""
        with _misuse_is_not_an_answer():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        """Parse the rest and run the command."""
        with _misuse_is_not_an_answer():
            return super().invoke(ctx)


cli = typer.Typer(
    name="oshiyakusho-matrix",
    cls=_Commands,
    help="オンライン市役所 on Matrix: an application service that keeps a city hall of gated spaces.",
    epilog="Exit codes: 0 done, 1 it did not work (one sentence says why), 64 the command line was not understood; "
    "`rooms plan` also 2: there are changes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
rooms = typer.Typer(help="The declared city hall: check the files, plan, apply.", no_args_is_help=True)
cli.add_typer(rooms, name="rooms")
cli.add_typer(database, name="db")
cli.add_typer(keys, name="key")
cli.add_typer(records)


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

    with told():
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

    with told():
        settings = settings_from(config)
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
    from oshiyakusho_matrix.operations.doctor.installation import examine_installation

    with told():
        found = asyncio.run(examine_installation(settings_from(config), homeserver_config))
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

    with told():
        where = directory or settings_from(config).rooms
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

    with told():
        try:
            write_schemas(directory)
        except OSError as error:
            raise Misconfigured(f"{directory}: the schemas cannot be written there ({error.strerror}).") from None


@rooms.command("plan")
def rooms_plan(config: Config = CONFIG, as_json: Json = False) -> None:
    """Print what applying would change, as a tree.

    Exit code 0: nothing, 2: changes, 1: it did not work or something could not be read, 64: wrong usage.
    """
    from oshiyakusho_matrix.operations.applying import plan_only

    with told():
        plan = asyncio.run(plan_only(settings_from(config)))
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

    with told(), terminal.progress(quiet=as_json) as progress:
        outcome = asyncio.run(apply_and_wait(settings_from(config), timeout=timeout, progress=progress))
    terminal.print_outcome(outcome, as_json=as_json)
    raise typer.Exit(0 if outcome.complete else 1)


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

    with told():
        asyncio.run(run_demo(data_dir, fresh=fresh, tour=tour, rooms=rooms_dir))


def main() -> None:
    """Entry point of the console script."""
    cli()
