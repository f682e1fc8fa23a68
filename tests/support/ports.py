"""Ports of loopback that nobody else is given while a test session lasts.

A socket that is bound but does not listen keeps its port: the kernel gives it to nobody who asks for any port, and a
connection to it is refused, as if nothing were there. On Linux another socket may still listen on it (both set
SO_REUSEADDR, as asyncio and Twisted do); elsewhere ``open_to_listeners`` must let go of it first.
"""

import socket
import sys


class ReservedPort:
    """One port on 127.0.0.1, ours until ``release``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def open_to_listeners(self) -> int:
        """Return the port's number, on which the caller may listen from now on, as often as it likes."""
        if sys.platform != "linux":
            self.release()
        return self.number

    def release(self) -> None:
        """Give the port back."""
        self._socket.close()
