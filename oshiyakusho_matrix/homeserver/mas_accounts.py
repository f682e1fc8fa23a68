"""Registration tokens of the Matrix Authentication Service: the ``AccountProvider`` where it holds the accounts.

Made by ``operations``; the registration desk's controller calls it. Speaks the service's admin API as a client of its
own (client credentials, scope ``urn:mas:admin``), which the service must list in ``policy.data.admin_clients``, and
wants ``account.password_registration_token_required``. Written by the service's documentation of August 2026, and
tested against a double of it: https://element-hq.github.io/matrix-authentication-service/topics/admin-api.html
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Never
from urllib.parse import urlencode

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.errors import Answer
from oshiyakusho_matrix.homeserver.interface import Forbidden, NotDone, SignUp
from oshiyakusho_matrix.homeserver.wire import Wire

_TOKENS: Final = ("api", "admin", "v1", "user-registration-tokens")
#: How many tokens are read at once, and how long before its end an access token is renewed.
_PAGE: Final = 100
_MARGIN: Final = timedelta(seconds=30)
_CONCURRENCY: Final = 4


class MasAccounts:
    """Implements ``interface.AccountProvider``. ``timeout`` is in seconds, for one request."""

    def __init__(self, url: str, *, client_id: str, client_secret: str, where: str, timeout: float = 30.0) -> None:
        self.where = where
        self._wire = Wire(url, UserId(""), client_secret, concurrency=_CONCURRENCY, timeout=timeout)
        self._secret = client_secret
        self._basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._bearer: tuple[str, datetime] | None = None
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def offer(self, token: str, expires_at: datetime) -> None:
        """See ``AccountProvider.offer``."""
        ends = expires_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {"token": token, "usage_limit": 1, "expires_at": ends}
        answer = await self._ask("make registration token", "post", body=body)
        if answer.status != 409:
            _accept(answer)

    async def taken(self, token: str) -> bool | None:
        """See ``AccountProvider.taken``. The service finds tokens by its own ids alone: so they are read through."""
        found = await self._find(token)
        if found is None:
            return None
        used = found["attributes"].get("times_used")
        if not isinstance(used, int):
            raise Temporary("list registration tokens: the service answered 200 without times_used")
        return used > 0

    async def withdraw(self, token: str) -> None:
        """See ``AccountProvider.withdraw``."""
        found = await self._find(token, valid=True)
        if found is None:
            return
        answer = await self._ask("withdraw registration token", "post", str(found["id"]), "revoke")
        if answer.status in (400, 404) and await self._find(token, valid=True) is None:
            return  # revoked in between
        _accept(answer)

    async def examine(self) -> SignUp:
        """See ``AccountProvider.examine``. Who can make accounts cannot be seen."""
        _accept(await self._ask("list registration tokens", "get", query={"page[first]": "1"}))
        return SignUp.UNKNOWN

    # -- within

    async def _find(self, token: str, *, valid: bool = False) -> Mapping[str, Any] | None:
        async for each in self._newest_first({"filter[valid]": "true"} if valid else {}):
            if each["attributes"].get("token") == token:
                return each
        return None

    async def _newest_first(self, narrowed: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield tokens page by page: ids are ULIDs, which sort by when they were made."""
        query = {**narrowed, "page[last]": str(_PAGE)}
        while True:
            page = _accept(await self._ask("list registration tokens", "get", query=query)).get("data")
            try:
                found = sorted(page or (), key=lambda each: str(each["id"]), reverse=True)
                for each in found:
                    yield {"id": each["id"], "attributes": dict(each["attributes"])}
            except (KeyError, TypeError, ValueError):
                raise Temporary("list registration tokens: the service answered 200 with no list of them") from None
            if len(found) < _PAGE:
                return
            query["page[before]"] = str(found[-1]["id"])

    async def _ask(
        self,
        call: str,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask the admin API; with a new access token if the one at hand was ended before its time."""
        answer = await self._wire.ask(
            call, method, *_TOKENS, *path, body=body, query=query, token=await self._authorised()
        )
        if answer.status == 401:
            self._bearer = None
            answer = await self._wire.ask(
                call, method, *_TOKENS, *path, body=body, query=query, token=await self._authorised()
            )
        return replace(answer, detail="")

    async def _authorised(self) -> str:
        """Return an access token (RFC 6749, section 4.4), kept until shortly before it ends."""
        async with self._renewing:
            if self._bearer is None or self._bearer[1] <= now():
                self._bearer = await self._authorise()
            return self._bearer[0]

    async def _authorise(self) -> tuple[str, datetime]:
        asked_at = now()
        answer = await self._wire.send(
            "authorise",
            "post",
            "oauth2",
            "token",
            data=urlencode({"grant_type": "client_credentials", "scope": "urn:mas:admin"}),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {self._basic}"},
            secret=self._secret,
        )
        content = answer.content if isinstance(answer.content, dict) else {}
        if answer.status in (400, 401, 403) and "error" in content:
            # Once the settings and those of the service agree, all goes on by itself.
            raise NotDone(
                say("the authentication service does not take accounts.client_id and its secret for an administrator's")
            )
        bearer, lasts = _accept(answer).get("access_token"), content.get("expires_in", 0)
        if not isinstance(bearer, str) or not isinstance(lasts, int):
            raise Temporary("authorise: the service answered 200 without an access token")
        return bearer, asked_at + timedelta(seconds=lasts) - _MARGIN


def _accept(answer: Answer) -> Mapping[str, Any]:
    """Return the object that a success carries. The service's errors are lists of sentences, without codes."""
    if not answer.ok:
        _refuse(answer)
    return answer.accept()


def _refuse(answer: Answer) -> Never:
    reason = f"{answer.call}: the authentication service answered {answer.status}"
    its_own = isinstance(answer.content, dict) and "errors" in answer.content
    if answer.status == 401:
        raise NotDone(reason)
    if answer.status == 429 or answer.status >= 500 or not its_own:
        raise Temporary(reason, answer.retry_after)
    if answer.status == 403:
        raise Forbidden(reason)
    raise Permanent(reason)
