"""Registration tokens of Synapse: the ``AccountProvider`` for homeservers whose accounts are Synapse's own.

Made by ``operations``; the registration desk's controller calls it. Needs the access token of a server administrator,
and ``enable_registration`` with ``registration_requires_token`` in homeserver.yaml. Measured on Synapse 1.163; source:
https://element-hq.github.io/synapse/v1.163/usage/administration/admin_api/registration_tokens.html
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.errors import Answer
from oshiyakusho_matrix.homeserver.interface import NotDone, SignUp
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

_TOKENS: Final = ("_synapse", "admin", "v1", "registration_tokens")
#: A token that nobody offers: to ask for it tells whether we may ask.
_NOBODYS: Final = "oshiyakusho-doctor"
_STAGE: Final = "m.login.registration_token"
_CONCURRENCY: Final = 4


class SynapseAccounts:
    """Implements ``interface.AccountProvider``. ``access_token`` is an administrator's; ``timeout`` is in seconds."""

    def __init__(self, url: str, *, access_token: str, where: str, timeout: float = 30.0) -> None:
        self.where = where
        self._wire = Wire(url, UserId(""), access_token, concurrency=_CONCURRENCY, timeout=timeout)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def offer(self, token: str, expires_at: datetime) -> None:
        """See ``AccountProvider.offer``. Synapse answers the same (400 M_INVALID_PARAM) for much: so it is looked."""
        milliseconds = int(expires_at.timestamp() * 1000)
        body = {"token": token, "uses_allowed": 1, "expiry_time": milliseconds}
        answer = await self._ask("make registration token", "post", "new", body=body)
        if answer.status == 400 and answer.errcode == "M_INVALID_PARAM" and await self.taken(token) is not None:
            return
        answer.accept()

    async def taken(self, token: str) -> bool | None:
        """See ``AccountProvider.taken``. Whoever has given the token and not finished yet has no account."""
        answer = await self._ask("look at registration token", "get", token)
        if answer.absent:
            return None
        completed = answer.accept().get("completed")
        if not isinstance(completed, int):
            raise Temporary("look at registration token: the homeserver answered 200 without completed")
        return completed > 0

    async def withdraw(self, token: str) -> None:
        """See ``AccountProvider.withdraw``."""
        answer = await self._ask("withdraw registration token", "delete", token)
        if not answer.absent:
            answer.accept()

    async def examine(self) -> SignUp:
        """See ``AccountProvider.examine``. Asks for the steps of a registration, as clients do."""
        await self.taken(_NOBODYS)
        answer = await self._wire.ask("register", "post", *CLIENT_V3, "register", body={}, authorised=False)
        if answer.status == 403 and answer.errcode:
            return SignUp.NOBODY
        flows = answer.content.get("flows") if answer.status == 401 and isinstance(answer.content, dict) else None
        if not isinstance(flows, list) or not flows:
            answer.accept()
            return SignUp.UNKNOWN
        return SignUp.INVITED if all(_STAGE in _stages(flow) for flow in flows) else SignUp.ANYBODY

    async def _ask(self, call: str, method: str, *path: str, body: Mapping[str, Any] | None = None) -> Answer:
        answer = await self._wire.ask(call, method, *_TOKENS, *path, body=body)
        if answer.status == 401 and answer.errcode:
            # Once a good one stands in the settings, all goes on by itself.
            raise NotDone(say("the homeserver does not know the access token in accounts.token ({call})", call=call))
        # Synapse's sentences quote the registration token.
        return replace(answer, detail="")


def _stages(flow: object) -> list[Any]:
    stages = flow.get("stages") if isinstance(flow, dict) else None
    return stages if isinstance(stages, list) else []
