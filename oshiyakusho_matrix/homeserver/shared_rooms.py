"""Which rooms somebody is in as well as the bot: one question instead of one a room. Asked by ``client``.

By MSC2666 (``/_matrix/client/v1/mutual_rooms``; Synapse 1.163 tells a hundred a page). The parameter that names the
person is the one by which an application service says as whom it acts (then it is 403 M_FORBIDDEN), so this question
goes out with a token of the bot's own, from a login by the application service.
"""

from typing import Final

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.interface import NotDone
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

_CALL: Final = "rooms_shared_with"
#: Its own, so that the device that sends keeps its transaction ids whatever becomes of this one.
_DEVICE: Final = "OSHIYAKUSHO_LOOK"


class SharedRooms:
    """One for each process, which logs in once: homeservers keep the tokens of earlier logins."""

    def __init__(self, wire: Wire, bot: UserId) -> None:
        self._wire = wire
        self._bot = bot
        self._token: str | None = None

    async def ask(self, user_id: UserId) -> list[RoomId]:
        """Return the rooms. Raises also where the homeserver has no such question, or no such login."""
        if self._token is None:
            self._token = await self._log_in()
        try:
            return await self._pages(user_id, self._token)
        except NotDone:
            # Perhaps the token is not known any more. This time it is done without; the next one logs in.
            self._token = None
            raise

    async def _log_in(self) -> str:
        login = {
            "type": "m.login.application_service",
            "identifier": {"type": "m.id.user", "user": self._bot},
            "device_id": _DEVICE,
            "initial_device_display_name": "oshiyakusho-matrix",
        }
        return (await self._wire.ask(_CALL, "post", *CLIENT_V3, "login", body=login)).text("access_token")

    async def _pages(self, user_id: UserId, token: str) -> list[RoomId]:
        found: list[RoomId] = []
        query: dict[str, str] = {"user_id": user_id}
        path = ("_matrix", "client", "v1", "mutual_rooms")
        while True:
            content = (await self._wire.ask(_CALL, "get", *path, query=query, token=token)).accept()
            rooms, further = content.get("joined"), content.get("next_batch")
            if not isinstance(rooms, list) or (further is not None and (not rooms or further == query.get("from"))):
                raise Temporary(f"{_CALL}: the homeserver answered 200 without rooms")
            found += [RoomId(str(room)) for room in rooms]
            if further is None:
                return found
            query["from"] = str(further)
