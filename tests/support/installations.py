"""Registrations of application services, so that many installations can be tested on one homeserver.

Synapse reads registrations when it starts, and asks each of them about each event: with a hundred, a new room costs
it twice the time. So a pool loads a few, and when they are used up the homeserver is started once more (two seconds,
same database, accounts and tokens stay good) with the next few on the same ports.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from oshiyakusho_matrix.core.ids import RoomAlias, UserId
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.support.ports import ReservedPort

#: How many registrations are loaded at once.
BATCH = 12


@dataclass(frozen=True, slots=True)
class Installation:
    """One application service that the homeserver knows. Whoever gets it listens on 127.0.0.1:``port``.

    Everything local begins with ``id``: the bot is ``@bot_ID:SERVER``, ghosts are ``@g_ID…:SERVER``, aliases are
    ``#ID-…:SERVER``. ``registration`` is what ``path`` holds.
    """

    id: str
    as_token: str
    hs_token: str
    server_name: str
    homeserver_url: str
    port: int
    path: Path
    registration: Mapping[str, Any]

    @property
    def sender_localpart(self) -> str:
        """The localpart of the bot."""
        return f"bot_{self.id}"

    @property
    def bot(self) -> UserId:
        """The bot's user id."""
        return UserId(f"@{self.sender_localpart}:{self.server_name}")

    @property
    def url(self) -> str:
        """Where the homeserver sends transactions."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alias_prefix(self) -> str:
        """What the localpart of each alias begins with."""
        return f"{self.id}-"

    def alias(self, name: str) -> RoomAlias:
        """Return the alias of this installation that ends with ``name``."""
        return RoomAlias(f"#{self.alias_prefix}{name}:{self.server_name}")

    def ghost(self, name: str) -> UserId:
        """Return the user id of a ghost."""
        return UserId(f"@g_{self.id}_{name}:{self.server_name}")


class InstallationPool:
    """Hands out installations of one homeserver, each once. ``close`` gives the ports back."""

    def __init__(self, synapse: EmbeddedSynapse) -> None:
        self._synapse = synapse
        self._ports: list[ReservedPort] = []
        self._loaded: list[Installation] = []
        self._made = 0

    def load(self) -> None:
        """Write the next batch of registrations; the homeserver knows them once it has been started again."""
        if not self._ports:
            self._ports = [ReservedPort() for _ in range(BATCH)]
        self._loaded = [self._write(port) for port in self._ports]
        self._synapse.registrations = [installation.path for installation in self._loaded]

    async def take(self) -> Installation:
        """Return an installation that nobody has had."""
        return (await self.take_together(1))[0]

    async def take_together(self, number: int) -> list[Installation]:
        """Return so many (at most ``BATCH``) that the homeserver knows at the same time."""
        if len(self._loaded) < number:
            self.load()
            await self._synapse.stop()
            await self._synapse.start()
        return [self._loaded.pop() for _ in range(number)]

    def close(self) -> None:
        """Give the reserved ports back."""
        for port in self._ports:
            port.release()

    def _write(self, port: ReservedPort) -> Installation:
        name = f"t{self._made:03}"
        self._made += 1
        server = re.escape(self._synapse.server_name)
        as_token, hs_token = secrets.token_hex(16), secrets.token_hex(16)
        number = port.open_to_listeners()
        registration = {
            "id": name,
            "url": f"http://127.0.0.1:{number}",
            "as_token": as_token,
            "hs_token": hs_token,
            "sender_localpart": f"bot_{name}",
            "rate_limited": False,
            "namespaces": {
                "users": [{"exclusive": True, "regex": f"@(bot|g)_{name}.*:{server}"}],
                "aliases": [{"exclusive": True, "regex": f"#{name}-.*:{server}"}],
                "rooms": [],
            },
        }
        path = self._synapse.directory / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(registration), encoding="utf-8")
        return Installation(
            id=name,
            as_token=as_token,
            hs_token=hs_token,
            server_name=self._synapse.server_name,
            homeserver_url=self._synapse.url,
            port=number,
            path=path,
            registration=registration,
        )
