"""What cannot be read: records and files. The start goes on without them, and here is what they are and what to do.

``!status`` and ``doctor`` tell it, the start writes it to the log, ``/metrics`` counts what was found last.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import Text, plain, say
from oshiyakusho_matrix.divisions import tables as divisions
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.reconcile.interface import WorkKey
from oshiyakusho_matrix.reconcile.loop import loggable
from oshiyakusho_matrix.roster import tables as roster
from oshiyakusho_matrix.store.rows import Broken
from oshiyakusho_matrix.store.unit_of_work import Store

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that cannot be read. ``cause`` and ``cure`` are for people; ``name`` is for logs, without persons."""

    what: Text
    cause: str
    cure: Text
    name: str

    def in_words(self) -> Text:
        """Say it on a line."""
        return say("- Cannot be read: {what} ({cause}). {cure}", what=self.what, cause=self.cause, cure=self.cure)

    def left_out(self) -> Text:
        """Say, of mistakes in files, that the first start went on without those divisions."""
        return say(
            "Divisions were left out, because there are mistakes in their files: {cause}. Once they are corrected, "
            "`!rooms apply` makes them.",
            cause=self.cause,
        )


_FILES_SPEAK = say("`!rooms apply` writes it anew from the files.")
_ADMIT = say("`!member admit` writes it anew, and after that `!member remove` removes them if need be.")
_NOBODY = say("This is nobody's account: have the operators delete the row from the table.")


def trouble_of(broken: Broken) -> Trouble:
    """Say what a row that cannot be read is, and what to do about it."""
    name = loggable(WorkKey(broken.table, broken.row))
    match broken.table:
        case "member":
            nobody = "user id" in broken.why
            what = say("the record of {user}", user=broken.row)
            return Trouble(what, broken.why, _NOBODY if nobody else _ADMIT, "member" if nobody else name)
        case "space":
            return Trouble(say("the record of the space {slug}", slug=broken.row), broken.why, _FILES_SPEAK, name)
        case "space_kind":
            return Trouble(say("the kind of spaces {kind}", kind=broken.row), broken.why, _FILES_SPEAK, name)
        case _:
            return Trouble(say("the record of the room {name}", name=broken.row), broken.why, _FILES_SPEAK, name)


class Troubles:
    """Looks for what cannot be read. ``found`` is how many records the last look found."""

    def __init__(self, *, store: Store, load: Callable[[], Declaration]) -> None:
        self._store = store
        self._load = load
        self.found = 0

    async def records(self) -> Sequence[Trouble]:
        """Return the records that cannot be read."""
        async with self._store.reading() as connection:
            broken = [*await divisions.broken_records(connection), *await roster.broken_records(connection)]
        self.found = len(broken)
        return [trouble_of(each) for each in broken]

    async def files(self) -> Sequence[Trouble]:
        """Return the first mistake in the files, if there is one."""
        try:
            await asyncio.to_thread(self._load)
        except Misconfigured as error:
            cure = say("Correct the files; `rooms check` lists every mistake with its line.")
            return [Trouble(say("the files in rooms/"), str(error), cure, "files")]
        return []

    async def look(self) -> Sequence[Trouble]:
        """Return all."""
        return [*await self.records(), *await self.files()]

    async def log(self) -> None:
        """Write to the log what the start goes on without."""
        for trouble in await self.look():
            logger.error("this cannot be read", what=trouble.name, cause=trouble.cause, cure=plain(trouble.cure))
