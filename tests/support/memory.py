"""How much memory a process holds, for tests that bound it. Linux tells; elsewhere such tests do not run."""

import os
from pathlib import Path

#: Whether this machine tells.
TELLS = Path("/proc/self/status").exists()


def resident_mib(pid: int | None = None, *, peak: bool = False) -> float:
    """Return the memory that a process (this one) has in RAM, in MiB; with ``peak`` the most that it ever had."""
    field = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid or os.getpid()}/status").read_text("ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def forget_peak() -> None:
    """Have ``peak`` of this process count from now on (proc(5), ``clear_refs``)."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
