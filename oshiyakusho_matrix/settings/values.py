"""The single values of the settings: addresses, names, tokens, the database. Each check says in words what it wants.

``settings`` uses these as validators; ``installation`` checks with the same ones what ``init`` is about to write.
A ``ValueError``'s message continues the sentence "the key … "; it never repeats the value.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import SERVER_PATTERN, UserId, parse_user_id, server_of
from oshiyakusho_matrix.core.text import visible
from oshiyakusho_matrix.outbox.letter import is_address
from oshiyakusho_matrix.settings.reading import at, is_token, read_yaml
from oshiyakusho_matrix.store.engine import DRIVERS

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen; ``host`` is bare, an IPv6 address without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read HOST:PORT, IPv6 in brackets; ValueError if it is none."""
        found = _ADDRESS.fullmatch(text.strip())
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise ValueError("must be HOST:PORT with a port from 1 to 65535")
        return cls(found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Listen":
        """Where to knock from this machine: a wildcard address means loopback."""
        return Listen({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port)  # noqa: S104


@dataclass(frozen=True, slots=True)
class Registration:
    """Who we are to the homeserver. ``url`` is where the homeserver calls us, if the file says so."""

    id: str
    sender_localpart: str
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)
    url: str | None = None


def address(text: str) -> str:
    """Check HOST:PORT."""
    Listen.parse(text)
    return text.strip()


def http_url(text: str) -> str:
    """Check an http(s) address; the slash at its end is dropped."""
    _http_parts(text)
    return text.strip().rstrip("/")


def public_url(text: str) -> str:
    """Check the address that people use: https, except on loopback."""
    parts = _http_parts(text)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https:// (people send personal data there)")
    return text.strip().rstrip("/")


def page(text: str) -> str:
    """Check the address of a page for people: like ``public_url``, but web clients name their pages after a ``#``."""
    bare, _, fragment = text.strip().partition("#")
    public_url(bare)
    if "#" in fragment or " " in fragment or not fragment.isascii() or not fragment.isprintable():
        raise ValueError("must be the address of a page")
    return text.strip()


def check_pages(listen: str, web_listen: str | None, url: str | None) -> None:
    """Check what the public pages need together: an address of their own, and the one that people use."""
    if (web_listen is None) != (url is None):
        raise ValueError("web_listen and public_url belong together, so set both of them or none")
    if web_listen is not None and Listen.parse(web_listen).port == Listen.parse(listen).port:
        raise ValueError("web_listen needs another port than listen: public pages and the homeserver never share one")


def _http_parts(text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise ValueError("must be an http:// or https:// address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.strip().isprintable():
        raise ValueError("must be an http:// or https:// address")
    if parts.username is not None or parts.query or parts.fragment or " " in text.strip():
        raise ValueError("must be a bare address without user, query or fragment")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def server_name(text: str) -> str:
    """Check a homeserver's name (Matrix specification, Appendices, "Server name")."""
    if not re.fullmatch(SERVER_PATTERN, text.strip()) or len(text) > 230:
        raise ValueError("must be the homeserver's name, without https:// and without @")
    return text.strip()


def one_line(text: str) -> str:
    """Check a name to be shown: something visible, on one line, at most 100 characters."""
    if not text.strip() or visible(text, limit=100) != text:
        raise ValueError("must be a visible name on one line, of at most 100 characters")
    return text


def host(text: str) -> str:
    """Check the name or the address of a machine."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", text.strip()) or len(text) > 253:
        raise ValueError("must be the name or the address of a machine, without port")
    return text.strip()


def mail_address(text: str) -> str:
    """Check an address that e-mail comes from. Shorter than it might be, since Message-IDs end in its domain."""
    if not is_address(text) or len(text) > 200:
        raise ValueError("must be a plain e-mail address")
    return text


def joined(value: object) -> object:
    """Read one line from a list too, as YAML may hold it."""
    return " ".join(str(each) for each in value) if isinstance(value, list | tuple) else value


def networks(text: str) -> str:
    """Check addresses and networks, separated by commas or spaces."""
    try:
        networks_of(text)
    except ValueError:
        raise ValueError("must be addresses or networks, separated by spaces") from None
    return text


def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a setting that was checked; an address is a network of its own."""
    return tuple(ip_network(each) for each in text.replace(",", " ").split())


def words(value: object) -> object:
    """Read a list from one line too, as environment variables hold it: split at commas and spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def hosts(text: str) -> str:
    """Check host names (without scheme, port or path), separated by commas or spaces."""
    names = text.casefold().replace(",", " ").split()
    if not all(_HOST.fullmatch(each) for each in names):
        raise ValueError("must be host names such as zoom.us, separated by spaces")
    return " ".join(names)


def accounts_of(server: str, user_ids: tuple[str, ...]) -> tuple[UserId, ...]:
    """Check the secretariat's user ids: all of this homeserver, each once."""
    if not user_ids:
        raise ValueError("secretariat must name somebody: @user:server")
    accounts: dict[UserId, None] = {}
    for number, text in enumerate(user_ids, 1):
        try:
            user_id = parse_user_id(text)
        except ValueError as error:
            raise ValueError(f"entry {number} of secretariat is {error}") from None
        if server_of(user_id) != server:
            raise ValueError(
                f"entry {number} of secretariat is not an account of {server}, whose rooms are for the staff"
            )
        accounts[user_id] = None
    return tuple(accounts)


def database_url(text: str | None, base: Path, data: Path) -> str:
    """Return SQLAlchemy's URL with the driver that we use; a relative SQLite file lies beside the configuration."""
    if text is None:
        return f"sqlite+aiosqlite:///{data / 'oshiyakusho.sqlite3'}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("database_url is no URL; it looks like this: sqlite:///FILE or postgresql://…") from None
    if url.drivername not in DRIVERS:
        raise ValueError("database_url must begin with sqlite:/// or postgresql://")
    url = url.set(drivername=DRIVERS[url.drivername])
    if url.drivername.startswith("sqlite"):
        if not url.database or url.database.startswith((":memory:", "file:")):
            raise ValueError("database_url must name a file, since what was acknowledged has to survive a restart")
        url = url.set(database=str(base / url.database))
    elif not url.database:
        raise ValueError("database_url must end in the name of a database")
    return url.render_as_string(hide_password=False)


def read_registration(path: Path, *, as_token: str | None = None, hs_token: str | None = None) -> Registration:
    """Read what we need of the registration; tokens given here stand in for those of the file."""
    written = read_yaml(path, "the registration").values
    given = {"as_token": as_token or written.get("as_token"), "hs_token": hs_token or written.get("hs_token")}
    for name, token in given.items():
        if token is None:
            raise Misconfigured(f"{at(path)}: {name} is missing, here and in the settings {name} and {name}_file.")
        if not is_token(token):
            raise Misconfigured(
                f"{at(path)}: {name} must be printable ASCII text without spaces, in quotes if it is a number."
            )
    if given["as_token"] == given["hs_token"]:
        raise Misconfigured(f"{at(path)}: as_token and hs_token are the same, so either side could pose as the other.")
    identifier, localpart, url = written.get("id"), written.get("sender_localpart"), written.get("url")
    if not isinstance(identifier, str) or not identifier.strip():
        raise Misconfigured(f"{at(path)}: id is missing, the name under which the homeserver knows this service.")
    if not isinstance(localpart, str) or not _LOCALPART.fullmatch(localpart):
        raise Misconfigured(f"{at(path)}: sender_localpart is missing or is none, the bot's name without @ and server.")
    return Registration(
        id=identifier,
        sender_localpart=localpart,
        as_token=str(given["as_token"]),
        hs_token=str(given["hs_token"]),
        url=url if isinstance(url, str) else None,
    )
