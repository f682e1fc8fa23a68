"""Accounts and fixed devices of the bot and its ghosts, made when they are first needed.

The homeserver keeps a transaction id in its database only if a device stands behind it (measured on Synapse 1.163:
without one a restart forgets it). All calls here may be repeated; what is ready is remembered in memory to save them.
Source: https://spec.matrix.org/v1.16/client-server-api/#transaction-identifiers
"""

import asyncio
from collections import defaultdict

from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.homeserver.wire import CLIENT_V3, Wire

#: What administrators read in the list of a user's devices.
_DEVICE_NAME = "oshiyakusho-matrix"


class Accounts:
    """Knows which of our users are ready to send, and makes them ready."""

    def __init__(self, wire: Wire, device_id: str) -> None:
        self._wire = wire
        self._device_id = device_id
        self._ready: set[UserId] = set()
        self._locks: defaultdict[UserId, asyncio.Lock] = defaultdict(asyncio.Lock)

    def as_user(self, user_id: UserId) -> dict[str, str]:
        """Return the query that makes a call one of this user's."""
        return {"user_id": user_id}

    def as_device(self, user_id: UserId) -> dict[str, str]:
        """Return the query that makes a call one of this user's fixed device."""
        return {"user_id": user_id, "device_id": self._device_id}

    async def make_ready(self, user_id: UserId) -> None:
        """Register the account and its device unless that is known to be done."""
        if user_id in self._ready:
            return
        async with self._locks[user_id]:
            if user_id in self._ready:
                return
            await self._register(user_id)
            await self._make_device(user_id)
            self._ready.add(user_id)

    def forget(self, user_id: UserId) -> None:
        """Take back that a user is ready: somebody removed its device."""
        self._ready.discard(user_id)

    async def _register(self, user_id: UserId) -> None:
        answer = await self._wire.ask(
            "register",
            "post",
            *CLIENT_V3,
            "register",
            body={
                "type": "m.login.application_service",
                "username": user_id[1:].partition(":")[0],
                "inhibit_login": True,
            },
        )
        if answer.errcode != "M_USER_IN_USE":
            answer.accept()

    async def _make_device(self, user_id: UserId) -> None:
        """Make the device without a token of its own (MSC4190); by a login where the homeserver can only do that."""
        made = await self._wire.ask(
            "make device",
            "put",
            *CLIENT_V3,
            "devices",
            self._device_id,
            body={"display_name": _DEVICE_NAME},
            query=self.as_user(user_id),
        )
        if made.ok or not made.errcode or made.status == 429 or made.status >= 500:
            made.accept()
            return
        login = await self._wire.ask(
            "login",
            "post",
            *CLIENT_V3,
            "login",
            body={
                "type": "m.login.application_service",
                "identifier": {"type": "m.id.user", "user": user_id},
                "device_id": self._device_id,
                "initial_device_display_name": _DEVICE_NAME,
            },
        )
        # The access token in the answer is of no use: every call goes out with the as_token.
        login.accept()
