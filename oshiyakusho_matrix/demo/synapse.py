"""The embedded homeserver: Synapse as a process of its own, with its data in one directory.

Used by the demo and by the test suite. Synapse is under the AGPL and is never imported: it is started with the same
Python as ``python -m synapse.app.homeserver``, in its own session (a Ctrl-C at the terminal does not reach it), and
spoken to over HTTP alone. A start takes two to three seconds, the first as well as one that resumes.

``start`` must be called from the main thread: on Linux the kernel ends Synapse when the thread that started it ends,
so that it never outlives a parent that was killed. Elsewhere ``stop`` in a ``finally`` is all there is.
"""

import asyncio
import atexit
import contextlib
import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from oshiyakusho_matrix.core.errors import Misconfigured, Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.demo.ports import refuse_taken
from oshiyakusho_matrix.demo.synapse_config import LOG_FILE, FederationListener, Secrets, write_config

_ADMINISTRATOR = "server-administrator"

# Asks the kernel (Linux, prctl 1 = PR_SET_PDEATHSIG) for a SIGTERM when the parent goes, then becomes Synapse. A
# script and not subprocess's preexec_fn, because a fork of a process with threads may run no Python of ours.
_LAUNCHER = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 15)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent ended before Synapse began")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


class EmbeddedSynapse:
    """One Synapse on loopback, with SQLite. ``server_name`` may carry a port (``localhost:8448``).

    ``registrations`` are the paths of application service registrations; they and ``federation`` may be changed
    between a ``stop`` and the next ``start``. The data directory is made if it is missing.
    """

    def __init__(
        self,
        directory: Path,
        *,
        server_name: str,
        port: int,
        federation: FederationListener | None = None,
        registrations: Sequence[Path] = (),
        log_level: str = "WARNING",
    ) -> None:
        self.directory = directory
        self.server_name = server_name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.federation = federation
        self.registrations = list(registrations)
        self.log_level = log_level
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def user_id(self, localpart: str) -> UserId:
        """Return the full id of a local user."""
        return UserId(f"@{localpart}:{self.server_name}")

    async def start(self, *, timeout: float = 60) -> None:
        """Start, and return once it answers. ``Misconfigured`` if a port is taken or it ends by itself (with its last
        log lines); ``Temporary`` if it does not answer within ``timeout`` seconds. Does nothing if it runs."""
        if self.running:
            return
        for port in (self.port, *([self.federation.port] if self.federation else [])):
            refuse_taken(port)
        self._spawn()
        try:
            await self._until_ready(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise

    async def stop(self, *, timeout: float = 10) -> None:
        """End it in good order: SIGTERM, and SIGKILL after ``timeout`` seconds. Does nothing if it does not run."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, timeout)
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power failure would (SIGKILL)."""
        atexit.unregister(self.kill)
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def register_user(
        self, localpart: str, password: str, *, admin: bool = False, display_name: str | None = None
    ) -> UserId:
        """Make an account by the shared-secret API of Synapse; an account that is there already is left as it is.

        Source: https://element-hq.github.io/synapse/v1.163/admin_api/register_api.html
        """
        path = "/_synapse/admin/v1/register"
        nonce = (await self._call("GET", path))["nonce"]
        signed = "\0".join((nonce, localpart, password, "admin" if admin else "notadmin")).encode()
        secret = Secrets.kept_in(self.directory).registration.encode()
        body = {
            "nonce": nonce,
            "username": localpart,
            "password": password,
            "admin": admin,
            "mac": hmac.new(secret, signed, hashlib.sha1).hexdigest(),
        }
        if display_name is not None:
            body["displayname"] = display_name
        await self._call("POST", path, body, fine="M_USER_IN_USE")
        return self.user_id(localpart)

    async def administrator(self) -> str:
        """Return an access token of a server administrator's, whose account is made if it is missing."""
        password = Secrets.kept_in(self.directory).form
        await self.register_user(_ADMINISTRATOR, password, admin=True)
        return await self.login(_ADMINISTRATOR, password)

    async def login(self, localpart: str, password: str) -> str:
        """Log in with a password and return the access token of a new device. ``Permanent`` if it is wrong."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": localpart},
            "password": password,
        }
        return str((await self._call("POST", "/_matrix/client/v3/login", body))["access_token"])

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the homeserver's log, for an error message."""
        text = (self.directory / LOG_FILE).read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _spawn(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        directory = self.directory.resolve()
        config = write_config(
            directory,
            Secrets.kept_in(directory),
            server_name=self.server_name,
            port=self.port,
            federation=self.federation,
            registrations=self.registrations,
            log_level=self.log_level,
        )
        command = [sys.executable, "-c", _LAUNCHER, str(os.getpid()), "-m", "synapse.app.homeserver", "-c", str(config)]
        with (directory / LOG_FILE).open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        atexit.register(self.kill)

    async def _until_ready(self, deadline: float) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while time.monotonic() < deadline:
                if not self.running:
                    raise Misconfigured(f"the embedded Synapse ended by itself; its last words:\n{self.log_tail()}")
                # Refused or reset until its listener is up: that is what is being waited for.
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/_matrix/client/versions") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise Temporary(f"the embedded Synapse does not answer at {self.url}; its last words:\n{self.log_tail()}")

    async def _call(self, method: str, path: str, body: Any = None, *, fine: str | None = None) -> dict[str, Any]:
        """Ask the client API; ``fine`` is an error code that is no error here."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
                session.request(method, self.url + path, json=body) as response,
            ):
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Temporary(f"the embedded Synapse did not answer {method} {path}: {type(error).__name__}") from error
        if response.status >= 400 and answer.get("errcode") != fine:
            raise Permanent(f"{method} {path}: {response.status} {answer.get('errcode')} {answer.get('error')}")
        return answer

    def _signal(self, number: signal.Signals) -> None:
        # The whole process group: it is the leader of its own session.
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
