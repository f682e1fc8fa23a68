"""Clients that mean harm, on bare sockets, and the homeserver beside them; for ``test_hostile``."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.appservice.hostile_server import TOKEN
from tests.support.memory import resident_mib

PATH = "/_matrix/app/v1/transactions/"


@dataclass(slots=True)
class Target:
    """A server in a process of its own."""

    pid: int
    port: int
    open: list[socket.socket] = field(default_factory=list)
    homeservers: list[http.client.HTTPConnection] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """Open a connection, closed when the test ends."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.open.append(made)
        return made

    def homeserver(self) -> http.client.HTTPConnection:
        """Return a connection that is not opened yet."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.homeservers.append(made)
        return made

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in self.open:
            connection.close()
        for homeserver in self.homeservers:
            homeserver.close()

    def memory(self, *, peak: bool = False) -> float:
        """MiB; with ``peak`` the most that there ever was."""
        return resident_mib(self.pid, peak=peak)


@contextmanager
def serving(directory: Path, *, head: float = 30, request: float = 30) -> Iterator[Target]:
    """Run the server while the context is open. ``head`` and ``request`` are its limits in seconds."""
    command = [sys.executable, "-m", "tests.appservice.hostile_server", str(directory), str(head), str(request)]
    with ExitStack() as stack:
        pipe = subprocess.PIPE
        process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        assert process.stdout is not None
        assert process.stdin is not None
        stack.callback(process.stdin.close)
        target = Target(process.pid, int(process.stdout.readline()))
        stack.callback(target.close)
        yield target


def put(number: object, *, length: int, token: str | None = TOKEN) -> bytes:
    """Return the head of a transaction whose body has ``length`` bytes."""
    lines = [f"PUT {PATH}{number} HTTP/1.1", "Host: x", f"Content-Length: {length}"]
    lines += [f"Authorization: Bearer {token}"] if token is not None else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(connection: socket.socket) -> int:
    """Return the status of the answer, 0 if the connection was closed without one."""
    try:
        line = connection.recv(64)
    except ConnectionError:
        return 0
    return int(line.split()[1]) if line else 0


def is_closed(connection: socket.socket) -> bool:
    """Tell whether the other side has closed, without waiting."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.settimeout(20)


def seconds_until_closed(connection: socket.socket, drip: bytes, *, pause: float = 0.05, most: float = 15) -> float:
    """Send a byte now and then until the other side hangs up; AssertionError if it does not."""
    began = time.monotonic()
    while not is_closed(connection):
        assert time.monotonic() - began < most, "it listens on and on"
        try:
            connection.sendall(drip)
        except ConnectionError:
            break
        time.sleep(pause)
    return time.monotonic() - began


def deliver(homeserver: http.client.HTTPConnection, number: object, events: Any) -> int:
    """Deliver a transaction as the homeserver does; return the status."""
    body = events if isinstance(events, bytes) else json.dumps({"events": events}).encode()
    homeserver.request("PUT", f"{PATH}{number}", body=body, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = homeserver.getresponse()
    answer.read()
    return answer.status


def counts(target: Target) -> dict[str, int]:
    """Return what is in the inbox."""
    homeserver = target.homeserver()
    homeserver.request("GET", "/counts")
    found: dict[str, int] = json.load(homeserver.getresponse())
    homeserver.close()
    return found
