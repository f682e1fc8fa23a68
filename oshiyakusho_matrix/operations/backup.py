"""``backup`` and ``restore``: the records in one file, while serving; and back into an empty database of either store.

The file is ``store.dump``'s; what its rows mean is said here. A backup is older than the homeserver it comes back to,
and nothing may be said twice. So what was to be sent when it was made counts as tried then: it is sent under the same
transaction id while the homeserver remembers that, and put aside for a human afterwards (``outbox.sender``). What had
come in and was not handled is handled again, and says the same under the same ids (``Transaction.caused_by``); from an
older backup it counts as handled, for most likely it was, and would now be answered a second time.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.audit import note_operator
from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.sender import REMEMBERED
from oshiyakusho_matrix.outbox.writer import DatabaseOutbox
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.store import dump
from oshiyakusho_matrix.store.engine import create_engine, require_reachable
from oshiyakusho_matrix.store.exclusive import exclusive
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from oshiyakusho_matrix.store.upgrade import build, check_revision, current_revision, head_revision, is_known


@dataclass(frozen=True, slots=True)
class Kept:
    """What was written or read back: how many rows, and when the backup was made."""

    rows: int
    made_at: datetime


async def backup(settings: Settings, file: Path) -> Kept:
    """Write everything on record into a new file, as it is at one moment; ``serve`` may run beside it.

    ``Misconfigured`` if there is no database, its tables are not known, or the file exists or cannot be written.
    """
    _require(settings.database_url, file)
    engine = create_engine(settings.database_url)
    try:
        await require_reachable(engine)
        revision = await current_revision(engine)
        if revision is None or not is_known(revision):
            await check_revision(engine)  # says what it is instead
        with _new(file) as target:
            async with Store(engine).reading() as connection:
                header = dump.Header(revision=str(revision), server_name=settings.homeserver.server_name, made_at=now())
                return Kept(await dump.write(connection, header, target), header.made_at)
    finally:
        await engine.dispose()


def _require(database_url: str, file: Path) -> None:
    if os.path.lexists(file):
        raise _exists(file)
    url = make_url(database_url)
    # Opening a SQLite database would make it.
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise Misconfigured(f"database_url: there is no database {url.database}, so there is nothing to back up.")


@contextmanager
def _new(file: Path) -> Iterator[IO[bytes]]:
    """Give a file that gets its name when it is complete. Nobody else may read it: it holds all the records."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        # A link never replaces a file, as a renaming would.
        os.link(draft, file)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise Misconfigured(f"{file}: the backup cannot be written there ({error.strerror}).") from None
    finally:
        draft.unlink(missing_ok=True)


def _exists(file: Path) -> Misconfigured:
    return Misconfigured(f"{file} exists already, and a backup never overwrites anything: choose another name.")


async def restore(settings: Settings, file: Path) -> Kept:
    """Fill an empty database from a backup, all or nothing. Of either store, whichever the backup came from.

    ``Misconfigured`` if the file is damaged, too new or another homeserver's, if somebody serves with the database, or
    if that is not empty.
    """
    header = dump.check(file)
    if header.server_name != settings.homeserver.server_name:
        raise Misconfigured(
            f"{file} is a backup from {header.server_name}, and this installation is of "
            f"{settings.homeserver.server_name}."
        )
    if not is_known(header.revision):
        raise Misconfigured(
            f"{file} was made by a newer version of this program (tables {header.revision}, known up to "
            f"{head_revision()}): install that version."
        )
    with exclusive(settings.database_url):
        engine = create_engine(settings.database_url)
        rows, late = 0, now() - header.made_at > REMEMBERED

        async def fill(connection: AsyncConnection) -> None:
            nonlocal rows
            as_restored = _as_restored_late if late else _as_restored
            rows = await dump.read(connection, file, lambda table, row: as_restored(table, row, header.made_at))

        async def finish(connection: AsyncConnection) -> None:
            await _tell(Transaction(connection), header.made_at, late=late)

        try:
            await require_reachable(engine)
            await build(engine, header.revision, fill=fill, finish=finish)
        finally:
            await engine.dispose()
    return Kept(rows, header.made_at)


def _as_restored(table: str, row: dict[str, Any], made_at: datetime) -> dict[str, Any] | None:
    """Return a row as it must be when time has gone on since; None for one that means nothing any more."""
    match table:
        case "lane_lease":
            return None
        case "work":
            return row | {"lease": None, "leased_until": None}
        case "outbox_message" if row["state"] == RowState.PENDING:
            return row | {"first_attempt_at": row["first_attempt_at"] or made_at}
        case _:
            return row


def _as_restored_late(table: str, row: dict[str, Any], made_at: datetime) -> dict[str, Any] | None:
    """The same for a backup that is so old that the homeserver would take everything that is said for something new."""
    match table:
        case "inbox_letter" if row["parked_at"] is None:
            return None
        case "inbox_event" if row["state"] in (RowState.PENDING, RowState.HELD):
            return row | {"state": RowState.DONE, "content": {}, "unsigned": {}, "last_error": None}
        case "follow_up" | "follow_up_key":
            return None
        case "drift":
            return row | {"reported_at": row["reported_at"] or made_at}
        case "direct_chat" if row["state"] == "invited" and row["direct"]:
            return row | {"state": "led on" if row["encrypted"] else "open"}
        case _:
            return _as_restored(table, row, made_at)


async def _tell(tx: Transaction, made_at: datetime, *, late: bool) -> None:
    """Tell 事務局室 what it has to do again: the records win, and they know nothing of what was done since."""
    text = say(
        "The records were restored from a backup, as they were on {moment}. I do not know what was done after that.",
        say("- Whoever was admitted since is taken out by me now: please admit them again."),
        say("- Whoever was removed since is a member again by the records: please remove them again."),
        say("- Commands given since have to be given again, for divisions, heads and languages, too."),
        say("- `oshiyakusho-matrix doctor` names the rooms that were made since."),
        *([say("- What had just come in when the backup was made is not answered now.")] if late else ()),
        moment=f"{made_at.astimezone(JST):%Y-%m-%d %H:%M}",
    )
    await DatabaseOutbox(Renderer()).tell_secretariat(tx, text)
    await note_operator(tx, "restore", {"backup": made_at.isoformat()}, at=now())
