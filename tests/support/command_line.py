"""Runs ``oshiyakusho-matrix`` as an operator does: as a process of its own, seen by its output and exit code."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

_ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "200", "NO_COLOR": "1"}


def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """Start a command; whoever calls this ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "oshiyakusho_matrix", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**_ENVIRONMENT, **environment},
    )


def run(*arguments: object, timeout: float = 90, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    process = start(*arguments, **environment)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"{arguments} did not end within {timeout} s; it said {out!r} and {err!r}") from None
    return subprocess.CompletedProcess([str(a) for a in arguments], process.returncode, out, err)


def assert_told(result: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """Assert that a command failed with one clear sentence that holds these words, and without a traceback."""
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    lines = [line for line in result.stderr.splitlines() if line.strip() and not _is_log(line)]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    for word in words:
        assert word in lines[0], lines[0]


def _is_log(line: str) -> bool:
    return re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z? \[", line) is not None


def status_of(url: str) -> int | None:
    """Return the status of a GET; None if nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a URL of the test's own
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (urllib.error.URLError, ConnectionError):
        return None


def statuses(url: str, *, last: int, process: "subprocess.Popen[str]", timeout: float = 60) -> list[int]:
    """Ask until the answer is ``last``; return the different answers on the way, oldest first."""
    seen: list[int] = []
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        status = status_of(url)
        if status is not None and status not in seen[-1:]:
            seen.append(status)
        if status == last:
            return seen
        time.sleep(0.01)  # between two questions to another process, which cannot tell us
    out, err = process.communicate() if process.poll() is not None else ("", "")
    raise AssertionError(f"{url} never answered {last}, but {seen}; {out} {err}")


def put_settings(config: Path, **values: str) -> None:
    """Replace, or add, top-level keys of a ``config.yaml``."""
    lines = config.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not any(line.startswith(f"{key}:") for key in values)]
    added = [f"{key}: {value}" for key, value in values.items()]
    config.write_text("\n".join([*kept, *added]) + "\n", encoding="utf-8")
