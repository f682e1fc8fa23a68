"""The keys that seal personal data: one is made, a lost one is found at the start, or given up if it is lost for good.

``serving`` calls ``require_keys`` before anything begins; ``key_commands`` is the command line. The file is never
overwritten: whoever changes a key writes the new one above the old.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from oshiyakusho_matrix.commands.audit import note_operator
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.sealing import new_key
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.reading import at
from oshiyakusho_matrix.store.engine import create_engine, require_reachable
from oshiyakusho_matrix.store.exclusive import exclusive
from oshiyakusho_matrix.store.sealing import forget_key, missing_keys
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.store.upgrade import check_revision

#: What stands above the key in a file that we write.
_HEAD = """\
# This key seals the personal data of applicants in the database. Keep a copy apart from the database and its backups:
# without it nobody can read that data any more. To change it, put the line that `oshiyakusho-matrix key new` prints
# above the one below, and leave that one there: the first line seals, all open.
"""


def write_key(file: Path) -> None:
    """Write a new key into a new file that nobody else can open. ``Misconfigured`` if there is one, or it cannot be."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured(
            f"{at(file)} exists already, and a key is never overwritten: to change it, write the line that "
            "`oshiyakusho-matrix key new` prints above the one that is there."
        ) from None
    except OSError as error:
        raise Misconfigured(f"{at(file)}: the key cannot be written there ({error.strerror}).") from None
    with open(descriptor, "w", encoding="utf-8") as target:
        target.write(f"{_HEAD}{new_key()}\n")


async def require_keys(settings: Settings, store: Store) -> None:
    """Raise ``Misconfigured`` unless all keys are there that this database and these settings need."""
    async with store.reading() as connection:
        missing = await missing_keys(connection, settings.sealer)
    if missing:
        raise Misconfigured(_missing(settings, missing))
    if settings.mail is not None and settings.sealer is None:
        raise Misconfigured(
            "E-mail is set up, and there is no key to seal personal data with: run `oshiyakusho-matrix key new --file "
            f"{at(settings.config.parent / 'sealing.key')}`."
        )


def _missing(settings: Settings, missing: Sequence[str]) -> str:
    if settings.sealer is None:
        there = "there is no key"
    elif settings.sealing_key_file is None:
        there = "it is not the one in sealing_key"
    else:
        there = f"it is not in {at(settings.sealing_key_file)}"
    return (
        f"Personal data in this database is sealed with the key {missing[0]}, and {there}: bring it back from where "
        f"you keep a copy; only if it is lost for good, run `oshiyakusho-matrix key forget {missing[0]}`."
    )


async def give_up_key(settings: Settings, fingerprint: str) -> None:
    """Need a key no more, while nothing serves: what it sealed stays unreadable. The audit holds it.

    ``Misconfigured`` if the database needs no such key, or if that key is there.
    """
    if settings.sealer is not None and fingerprint in settings.sealer.fingerprints:
        raise Misconfigured(f"The key {fingerprint} is there, so nothing is lost: remove it from the file first.")
    with exclusive(settings.database_url):
        engine = create_engine(settings.database_url)
        try:
            await require_reachable(engine)
            await check_revision(engine)
            async with Store(engine).transaction() as tx:
                if not await forget_key(tx, fingerprint):
                    raise Misconfigured("The database needs no such key: `serve` and `doctor` name those that it does.")
                await note_operator(tx, "key forget", {"key": fingerprint}, at=now())
        finally:
            await engine.dispose()
