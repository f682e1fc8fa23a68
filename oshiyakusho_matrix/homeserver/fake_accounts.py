"""An account provider in memory, for tests of what stands above it. Held to Synapse's by one contract test."""

from dataclasses import dataclass, field
from datetime import datetime

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import CityHallError, Permanent
from oshiyakusho_matrix.homeserver.interface import Forbidden, SignUp


@dataclass(slots=True)
class FakeToken:
    """A token that was offered."""

    expires_at: datetime
    used: bool = False


@dataclass
class FakeAccounts:
    """Implements ``interface.AccountProvider`` in memory. ``trouble`` is raised by each call while it is set.

    ``made`` counts the tokens that were ever made: a repeated offer makes none.
    """

    where: str = "city.example"
    tokens: dict[str, FakeToken] = field(default_factory=dict)
    made: int = 0
    trouble: CityHallError | None = None

    async def offer(self, token: str, expires_at: datetime) -> None:
        """See ``AccountProvider.offer``."""
        self._answer()
        if token in self.tokens:
            return
        if expires_at <= now():
            raise Permanent("make registration token: it has run out already")
        self.tokens[token] = FakeToken(expires_at)
        self.made += 1

    async def taken(self, token: str) -> bool | None:
        """See ``AccountProvider.taken``."""
        self._answer()
        return self.tokens[token].used if token in self.tokens else None

    async def withdraw(self, token: str) -> None:
        """See ``AccountProvider.withdraw``."""
        self._answer()
        self.tokens.pop(token, None)

    async def examine(self) -> SignUp:
        """See ``AccountProvider.examine``."""
        self._answer()
        return SignUp.INVITED

    def sign_up(self, token: str) -> None:
        """Have somebody make an account with a token. ``Forbidden`` if it is not good (any more)."""
        found = self.tokens.get(token)
        if found is None or found.used or found.expires_at <= now():
            raise Forbidden("register: the token is not good")
        found.used = True

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble
