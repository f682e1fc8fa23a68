"""What the command line shows: sentences in the operator's language, trees, tables, a progress bar; or JSON."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TextIO

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.tree import Tree

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.core.trail import current_reference
from oshiyakusho_matrix.divisions.plan_text import branches
from oshiyakusho_matrix.divisions.planner import HallPlan
from oshiyakusho_matrix.operations.applying import Outcome
from oshiyakusho_matrix.operations.doctor.findings import Examination, Verdict
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.settings.keys import LogKeys

OnProgress = Callable[[int, int], None]


@cache
def _renderer() -> Renderer:
    return Renderer()


def language() -> str:
    """Return the operator's language from the environment: Japanese if the locale says so, else English."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if locale.startswith("ja") else "en"


def words(text: Text) -> str:
    """Return a text as plain words in the operator's language."""
    return _renderer().render(text, language()).body


def ok(directory: Path) -> str:
    """Return the sentence that all files are sound."""
    return words(say("{directory}: no mistakes.", directory=str(directory)))


def set_up_log(keys: LogKeys, file: TextIO | None = None) -> None:
    """Write log lines to standard error (or ``file``), as the settings want them; libraries' lines look the same."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if keys.format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    common: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_reference,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(file or sys.stderr)
    last = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=common, processors=last))
    level: int = getattr(logging, keys.level.upper())
    # In detail, libraries tell what they were given: the values of each statement, which are people's names and words.
    logging.basicConfig(level=max(logging.WARNING, level), handlers=[handler], force=True)
    logging.getLogger("oshiyakusho_matrix").setLevel(level)
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=file or sys.stderr),
    )


def _with_reference(_logger: object, _name: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    """Put the reference number on each line that has one: who looks for it finds all that came of one event."""
    if (reference := current_reference()) is not None:
        line.setdefault("reference", reference)
    return line


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[OnProgress]:
    """Show how far the making of rooms is, from the first call on; give what to call with (done, total).

    A bar on a terminal; in a log or a pipe a line for each tenth. Both on standard error.
    """
    if not sys.stderr.isatty():
        yield (lambda _done, _total: None) if quiet else _in_lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=quiet)
    task = bar.add_task(words(say("Rooms")), total=None)
    begun = False

    def show(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            bar.start()
            begun = True
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if begun:
            bar.stop()


def _in_lines() -> OnProgress:
    told = -1

    def show(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // total if total else 10
        # What is still to come may grow, and then less of it is done: nothing is told twice.
        if tenth > told:
            told = tenth
            print(words(say("Rooms: {done} of {total}", done=done, total=total)), file=sys.stderr, flush=True)

    return show


def print_plan(plan: HallPlan, *, as_json: bool) -> None:
    """Print a plan as a tree."""
    lines = [(words(title), [words(line) for line in below]) for title, below in branches(plan)]
    if as_json:
        changes = [{"what": title, "changes": below} for title, below in lines]
        print(json.dumps({"empty": plan.empty, "changes": changes}, ensure_ascii=False, indent=2))
        return
    if plan.empty:
        print(words(say("Nothing to do: files, records and rooms agree.")))
        return
    tree = Tree(words(say("City hall")))
    for title, below in lines:
        branch = tree.add(title)
        for line in below:
            branch.add(line)
    Console(markup=False, highlight=False).print(tree)


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print what applying came to."""
    if as_json:
        print(
            json.dumps(
                {
                    "complete": outcome.complete,
                    "rooms": outcome.rooms,
                    "failed": [words(each) for each in outcome.failed],
                }
            )
        )
        return
    if outcome.complete:
        print(words(say("The city hall stands and is as the files say. Rooms: {count}", count=outcome.rooms)))
        return
    if outcome.left:
        print(words(say("Not everything agrees yet. Left: {left}", left=outcome.left)))
    else:
        print(words(say("What could be done is done. This needs a person:")))
    for failed in outcome.failed:
        print(f"- {words(failed)}")


def print_examinations(found: Sequence[Examination], *, as_json: bool) -> bool:
    """Print what the doctor found; return whether anything failed."""
    failed = any(e.verdict is Verdict.FAILED for e in found)
    if as_json:
        rows = [
            {"name": e.name, "verdict": e.verdict, "found": words(e.found), "mend": words(e.mend) if e.mend else None}
            for e in found
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return failed
    table = Table("", "", Column(overflow="fold"), show_header=False, box=None, padding=(0, 1))
    marks = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAILED: "✗"}
    for e in found:
        table.add_row(marks[e.verdict], e.name, words(e.found))
        if e.mend is not None:
            table.add_row("", "", "→ " + words(e.mend))
    Console(markup=False, highlight=False).print(table)
    return failed
