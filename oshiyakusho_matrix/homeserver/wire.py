"""One HTTP request to the homeserver by matrix-nio, and nothing that knows what it is about.

Used by ``client`` and ``accounts``. nio's ``send`` neither waits nor tries again on its own: pacing and retrying are
the work queue's.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import ClientConnectorError, ClientError
from nio import AsyncClient, AsyncClientConfig

from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.errors import Answer, read_answer
from oshiyakusho_matrix.homeserver.interface import NotDone

#: Where most calls stand.
CLIENT_V3 = ("_matrix", "client", "v3")


class Wire:
    """Sends requests with the application service's token, a few at a time.

    ``timeout`` is in seconds, for one request and its answer; waiting for one's turn does not count.
    """

    def __init__(self, url: str, bot: UserId, as_token: str, *, concurrency: int, timeout: float) -> None:
        config = AsyncClientConfig(request_timeout=timeout, store_sync_tokens=False)
        self._nio = AsyncClient(url.rstrip("/"), bot, config=config)
        self._token = as_token
        self._turn = asyncio.Semaphore(concurrency)
        #: How many calls failed, by call and by what happened.
        self.failures: Counter[tuple[str, str]] = Counter()

    async def ask(
        self,
        call: str,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        authorised: bool = True,
        token: str | None = None,
    ) -> Answer:
        """Send one request. ``call`` names it in errors; each of ``path`` is one part, quoted here.

        ``token`` goes out in place of the application service's.
        Raises ``Temporary`` where no answer came: timeouts, broken connections.
        """
        headers = {"Content-Type": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {token or self._token}"
        data = None if body is None else json.dumps(body, allow_nan=False)
        return await self.send(
            call, method, *path, data=data, query=query, headers=headers, secret=token or self._token
        )

    async def send(
        self,
        call: str,
        method: str,
        *path: str,
        data: str | None,
        headers: Mapping[str, str],
        secret: str,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request whose body and headers are written already; ``secret`` is blotted out of its answer.

        Raises as ``ask`` does.
        """
        target = _target(call, path, query)
        async with self._turn:
            try:
                response = await self._nio.send(method, target, data, dict(headers))
                async with response:
                    answer = await response.read()
            except TimeoutError:
                self.failures[call, "timeout"] += 1
                raise Temporary(say("the homeserver did not answer in time ({call})", call=call)) from None
            except ClientConnectorError:
                self.failures[call, "unreachable"] += 1
                raise NotDone(say("the homeserver cannot be reached ({call})", call=call)) from None
            except (ClientError, OSError) as error:
                self.failures[call, "broken off"] += 1
                # The text of these errors may hold the whole address, with user ids in it: their kind is enough.
                detail = f"{call}: {type(error).__name__}"
                raise Temporary(say("no connection to the homeserver ({detail})", detail=detail)) from None
        try:
            read = read_answer(call, response.status, response.headers, answer, secret=secret)
        except Temporary:
            self.failures[call, "unreadable"] += 1
            raise
        if not (read.ok or read.absent):
            self.failures[call, str(read.status)] += 1
        return read

    async def close(self) -> None:
        """Close the connections."""
        await self._nio.close()


def _target(call: str, path: tuple[str, ...], query: Mapping[str, str] | None) -> str:
    """Write path and query so that no part can reach into another."""
    if any(part in (".", "..") for part in path):
        # Percent-encoding does not protect these two (RFC 3986 section 6.2.2.2).
        raise Permanent(f"{call}: '.' and '..' cannot be part of an address")
    target = "/" + "/".join(quote(part, safe="", errors="surrogatepass") for part in path)
    return f"{target}?{urlencode(query)}" if query else target
