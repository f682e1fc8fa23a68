"""The homeserver in memory behind a socket: its rooms outlive the process that asks for them.

``serve`` runs in the test, ``RemoteHomeserver`` in the process that is killed. One connection a call, one call and one
answer on it, pickled: both ends are ours, on loopback.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver

#: What the address of such a homeserver begins with.
SCHEME = "fake://"


class RemoteHomeserver:
    """Asks the homeserver at ``fake://127.0.0.1:PORT``. The methods are those of ``interface.Homeserver``."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])

    async def close(self) -> None:
        """Close nothing: no connection outlives its call."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(pickle.dumps((name, args, options)))
            writer.write_eof()
            answer = pickle.loads(await reader.read())  # noqa: S301 - written by our own test
            writer.close()
            if isinstance(answer, CityHallError):
                raise answer
            return answer

        return call


async def serve(fake: FakeHomeserver, changed: Callable[[], None]) -> asyncio.Server:
    """Offer ``fake`` on a port of loopback; ``changed`` is called after each call."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()
        if not asked:
            writer.close()  # killed before it could ask
            return
        name, args, options = pickle.loads(asked)  # noqa: S301 - written by our own runner
        try:
            result = await getattr(fake, name)(*args, **options)
        except CityHallError as error:
            result = error
        changed()
        try:
            writer.write(pickle.dumps(result))
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            return  # killed before it could hear the answer

    return await asyncio.start_server(answer, "127.0.0.1", 0)
