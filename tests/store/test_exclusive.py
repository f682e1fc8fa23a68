"""One serving process to a SQLite file; PostgreSQL is shared."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.store.exclusive import exclusive

_HOLD = """
import sys
from oshiyakusho_matrix.store.exclusive import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_in_one_sentence_until_the_first_is_killed(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'data' / 'city.db'}"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        refusal = rf"\(number {first.pid}\) is serving with .*city\.db: end it"
        with pytest.raises(Misconfigured, match=refusal), exclusive(url):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        with exclusive(url):
            assert (tmp_path / "data" / "city.db.lock").read_text() == str(os.getpid())
            assert (tmp_path / "data" / "city.db.lock").stat().st_mode & 0o777 == 0o600
    with exclusive(url):
        pass


def test_postgresql_is_shared(tmp_path: Path) -> None:
    url = "postgresql+psycopg://user@localhost/city"
    with exclusive(url), exclusive(url):
        assert list(tmp_path.iterdir()) == []
