"""What ``doctor`` asks the homeserver beyond daily work: its clock, its room versions, whether it holds us back.

``MatrixExaminer`` implements ``interface.DoctorHomeserver``; ``operations.examination`` makes one beside
the ``MatrixHomeserver``.
"""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiohttp import ClientError
from nio import AsyncClient, AsyncClientConfig

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import UserId, server_of
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

#: Reads in the burst. Synapse 1.163 lets 10 through at once, then 5 a second (its limit on room hierarchies, which no
#: setting raises), and exempts application services with ``rate_limited: false`` like everywhere else.
BURST = 40


class MatrixExaminer:
    """Asks as the application service; ``timeout`` is in seconds for one request."""

    def __init__(self, url: str, *, bot: UserId, as_token: str, timeout: float = 30.0) -> None:
        self._bot = bot
        self._wire = Wire(url, bot, as_token, concurrency=BURST, timeout=timeout)
        config = AsyncClientConfig(request_timeout=timeout, store_sync_tokens=False)
        self._nio = AsyncClient(url.rstrip("/"), bot, config=config)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()
        await self._nio.close()

    async def server_time(self) -> datetime | None:
        """See ``DoctorHomeserver.server_time``: the Date header (RFC 9110, section 6.6.1) of an answer."""
        try:
            async with await self._nio.send("get", "/_matrix/client/versions") as response:
                header = response.headers.get("Date", "")
        except TimeoutError:
            raise Temporary("server_time: the homeserver did not answer in time") from None
        except (ClientError, OSError) as error:
            raise Temporary(f"server_time: no connection to the homeserver ({type(error).__name__})") from None
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    async def room_versions(self) -> frozenset[str]:
        """See ``DoctorHomeserver.room_versions`` (client-server API, "Capabilities negotiation")."""
        answer = await self._wire.ask("capabilities", "get", *CLIENT_V3, "capabilities")
        capabilities = answer.accept().get("capabilities")
        versions = capabilities.get("m.room_versions") if isinstance(capabilities, dict) else None
        available = versions.get("available") if isinstance(versions, dict) else None
        if not isinstance(available, dict):
            raise Temporary("capabilities: the homeserver answered without room versions")
        return frozenset(str(version) for version in available)

    async def is_rate_limited(self) -> bool:
        """See ``DoctorHomeserver.is_rate_limited``. Asks for the hierarchy of a room that there is not."""
        nowhere = f"!doctor:{server_of(self._bot)}"
        path = ("_matrix", "client", "v1", "rooms", nowhere, "hierarchy")
        answers = await asyncio.gather(*(self._wire.ask("hierarchy", "get", *path) for _ in range(BURST)))
        return any(answer.status == 429 for answer in answers)
