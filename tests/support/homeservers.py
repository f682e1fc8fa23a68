"""Homeservers for tests: real Synapses on loopback that federate with each other.

Server names are ``localhost:PORT``: a name with a port needs no well-known and no DNS, and the certificates come from
an authority that lives as long as the test session.
"""

from dataclasses import dataclass
from pathlib import Path

import trustme

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.demo.synapse_config import FederationListener
from tests.support.installations import Installation, InstallationPool
from tests.support.ports import ReservedPort


class Authority:
    """The certificate authority of one little federation; its files lie in ``directory``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="oshiyakusho tests")
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        self.authority = directory / "authority.pem"
        self.certificate = directory / "server.pem"
        self.key = directory / "server.key"
        authority.cert_pem.write_to_path(str(self.authority))
        leaf.cert_chain_pems[0].write_to_path(str(self.certificate))
        leaf.private_key_pem.write_to_path(str(self.key))

    def listener(self, port: int) -> FederationListener:
        """Return a federation listener that all servers of this authority trust."""
        return FederationListener(port, self.certificate, self.key, self.authority)


class Homeserver:
    """A Synapse with a federation listener and a pool of installations."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._ports = (ReservedPort(), ReservedPort())
        client, federation = (port.open_to_listeners() for port in self._ports)
        self.synapse = EmbeddedSynapse(
            directory,
            server_name=f"localhost:{federation}",
            port=client,
            federation=authority.listener(federation),
        )
        self._pool = InstallationPool(self.synapse)

    async def start(self) -> None:
        """Start with a first batch of installations."""
        self._pool.load()
        await self.synapse.start()

    async def stop(self) -> None:
        """Stop, and give the ports back."""
        await self.synapse.stop()
        self._pool.close()
        for port in self._ports:
            port.release()

    async def installation(self) -> Installation:
        """Return an installation that nobody has had; may start the homeserver once more."""
        return await self._pool.take()

    async def installations(self, number: int) -> list[Installation]:
        """Return so many of them, to be used at the same time."""
        return await self._pool.take_together(number)


@dataclass(frozen=True, slots=True)
class Federation:
    """Two homeservers that federate. The first one is the fixture ``synapse`` and has the installations."""

    first: EmbeddedSynapse
    second: EmbeddedSynapse
