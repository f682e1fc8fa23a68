"""The demo's ports on loopback: chosen once, so that what people typed into their clients stays right."""

import errno
import socket
from collections.abc import Sequence

from oshiyakusho_matrix.core.errors import Misconfigured

HOST = "127.0.0.1"


def refuse_taken(port: int) -> None:
    """Raise ``Misconfigured`` if something listens on a port: it would answer in the name of ours."""
    try:
        _try(port).close()
    except OSError as error:
        raise Misconfigured(f"port {port} on {HOST} is in use by another program ({error.strerror})") from error


def choose(preferred: Sequence[int]) -> list[int]:
    """Return the preferred ports, each of them replaced by a free one if it is taken; all are different."""
    held: list[socket.socket] = []
    try:
        for port in preferred:
            try:
                held.append(_try(port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                held.append(_try(0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _try(port: int) -> socket.socket:
    """Return a socket that listens on a port; ``OSError`` if it cannot."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.listen(1)
    except OSError:
        probe.close()
        raise
    return probe
