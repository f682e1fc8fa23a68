"""Where the demo lives: one directory with everything in it, a mark that it is a demo's, and a lock while one runs.

``opened`` is the way in. What is found there is only deleted (``--fresh``) or written to if the mark is there, and of
it only what the demo made itself.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.demo.cast import SECRETARY, SERVER_NAME, Passwords, passwords_kept_in
from oshiyakusho_matrix.demo.ports import HOST, choose
from oshiyakusho_matrix.operations.installation import Order, write_installation

#: Client API of the homeserver, application service, public pages, e-mail.
PREFERRED = (8018, 8019, 8020, 8021)
_MARK = "oshiyakusho-matrix demo"
_STATE = "demo.json"
_LOCK = "demo.lock"
_UNDER_WAY = "under.way"
#: What a demo makes, the mark last: an interrupted deletion can be repeated.
_OWN = (
    "log",
    "synapse",
    "city",
    "city.new",
    "cut.off",
    _UNDER_WAY,
    "accounts.json",
    "accounts.new",
    "demo.new",
    _STATE,
)


@dataclass(frozen=True, slots=True)
class State:
    """What is kept from one start to the next. ``furnished`` once the first start came to its end.

    ``mail_port`` is None only in what demos kept that caught no e-mail yet.
    """

    client_port: int
    service_port: int
    pages_port: int
    mail_port: int | None = None
    furnished: bool = False

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports of this demo."""
        ports = (self.client_port, self.service_port, self.pages_port)
        return ports if self.mail_port is None else (*ports, self.mail_port)


@dataclass(slots=True)
class Home:
    """A data directory that is ours while it is open."""

    directory: Path
    state: State

    @property
    def synapse(self) -> Path:
        """The homeserver's directory."""
        return self.directory / "synapse"

    @property
    def city(self) -> Path:
        """The installation, as ``init`` writes it."""
        return self.directory / "city"

    @property
    def log(self) -> Path:
        """The service's log file."""
        return self.directory / "log" / "cityhall.log"

    @property
    def homeserver_url(self) -> str:
        """What people type into their client."""
        return f"http://{SERVER_NAME}:{self.state.client_port}"

    @property
    def pages_url(self) -> str:
        """Where the public pages are."""
        return f"http://{SERVER_NAME}:{self.state.pages_port}"

    @property
    def mail_port(self) -> int:
        """Where e-mail is caught."""
        if self.state.mail_port is None:
            raise Misconfigured(f"The demo in {self.directory} has no port for e-mail: start over with --fresh.")
        return self.state.mail_port

    def passwords(self) -> Passwords:
        """Return the passwords of all accounts."""
        return passwords_kept_in(self.directory / "accounts.json")

    def install(self, rooms: Path | None) -> None:
        """Write the installation unless it is there: whole or not at all. ``rooms`` replaces the shipped city hall."""
        if self.city.exists():
            return
        draft = self.directory / "city.new"
        shutil.rmtree(draft, ignore_errors=True)
        write_installation(
            Order(
                directory=draft,
                homeserver_url=f"http://{HOST}:{self.state.client_port}",
                server_name=SERVER_NAME,
                listen=f"{HOST}:{self.state.service_port}",
                web_listen=f"{HOST}:{self.state.pages_port}",
                public_url=self.pages_url,
                secretariat=[SECRETARY.user_id],
                mail={
                    "host": SERVER_NAME,
                    "port": self.state.mail_port,
                    "security": "none",
                    "sender": f"cityhall@{SERVER_NAME}",
                },
            )
        )
        if rooms is not None:
            shutil.rmtree(draft / "rooms")
            shutil.copytree(rooms, draft / "rooms")
        draft.rename(self.city)

    @contextmanager
    def first_start(self) -> Iterator[None]:
        """Hold while the homeserver runs. A first start that was cut off is begun anew; one that ended goes on.

        A homeserver that dies while it makes a room may leave half a room at the room's address, and leases of the
        killed service would be waited for. Nobody has used that city hall yet, so nothing is lost.
        """
        mark = self.directory / _UNDER_WAY
        if mark.exists() and not self.state.furnished:
            for part in (self.synapse, self.city / "data"):
                if part.exists():
                    # Moved first: a homeserver that is just ending may still write into what it has open.
                    doomed = self.directory / "cut.off"
                    shutil.rmtree(doomed, ignore_errors=True)
                    part.rename(doomed)
                    shutil.rmtree(doomed, ignore_errors=True)
        mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def note_furnished(self) -> None:
        """Keep that everything stands: later starts need not wait for it."""
        self.state = replace(self.state, furnished=True)
        _write(self.directory, self.state)


@contextmanager
def opened(directory: Path, *, fresh: bool) -> Iterator[Home]:
    """Open a data directory, made if missing, and hold it against a second demo.

    ``Misconfigured`` if it is somebody else's, in use, or cannot be written.
    """
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            state = _state_in(directory)
            _hold(stack.enter_context((directory / _LOCK).open("w")), directory)
            if fresh:
                _clear(directory)
            if fresh or state is None:
                client, service, pages, mail = choose(PREFERRED)
                state = State(client, service, pages, mail)
                _write(directory, state)
            if state.mail_port is None:
                # Nobody listens on the other three now, but they are given away.
                free = (port for port in choose((PREFERRED[-1], 0, 0, 0)) if port not in state.ports)
                state = replace(state, mail_port=next(free))
                _write(directory, state)
        except OSError as error:
            raise Misconfigured(f"The demo cannot live in {directory} ({error.strerror or error}).") from error
        yield Home(directory.resolve(), state)


def _state_in(directory: Path) -> State | None:
    """Return the state of a demo, None for an empty directory; ``Misconfigured`` for anything else."""
    found = {entry.name for entry in directory.iterdir()}
    if found <= {_LOCK, "demo.new"}:
        return None
    try:
        kept = json.loads((directory / _STATE).read_text(encoding="utf-8"))
        if kept.pop("what") == _MARK:
            return State(**kept)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        pass  # whatever it is, it is not ours: said below
    raise Misconfigured(f"{directory} holds something that no demo made: choose another --data-dir.")


def _hold(lock: TextIO, directory: Path) -> None:
    # The kernel gives a lock back with its process, however that ended.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Misconfigured(f"A demo is running in {directory} already: end it first, with Ctrl-C.") from None


def _clear(directory: Path) -> None:
    for name in _OWN:
        path = directory / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write(directory: Path, state: State) -> None:
    draft = directory / "demo.new"
    draft.write_text(json.dumps({"what": _MARK, **asdict(state)}, indent=2) + "\n", encoding="utf-8")
    draft.replace(directory / _STATE)
