"""The floor of provisioning: the same rooms by bare concurrent calls, with nothing kept and nothing checked.

One space, its rooms, one child link each; eight calls at once, beyond which a homeserver gains nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.divisions.merge import merge
from oshiyakusho_matrix.divisions.picture import Picture
from oshiyakusho_matrix.homeserver.creation import creation_body
from oshiyakusho_matrix.homeserver.interface import Content
from oshiyakusho_matrix.reconcile.rooms import new_room

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Floor:
    """Makes a declared city hall by bare calls."""

    url: str
    token: str
    bot: UserId
    server_name: str

    async def make(self, declaration: Declaration) -> int:
        """Make everything; return the number of requests."""
        records = merge(declaration, {}, {}).records
        picture = Picture(self.server_name, self.bot, declaration.kinds, records, {}, {}, [], {})
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            wire = _Wire(self.url, session)
            hall = await wire.create(self._body(picture, declaration.hall, "", None))
            below = [slug for slug in records if slug != declaration.hall]
            made = dict(
                zip(below, await asyncio.gather(*(self._space(wire, picture, s, hall) for s in below)), strict=True)
            )
            made[declaration.hall] = hall
            await self._rooms(wire, picture, declaration.hall, hall, hall)
            links = [(made[parent], made[slug]) for slug in below if (parent := records[slug].space.parent) is not None]
            await asyncio.gather(*(wire.link(parent, child, self.server_name) for parent, child in links))
            return wire.requests

    async def _space(self, wire: "_Wire", picture: Picture, slug: str, hall: RoomId) -> RoomId:
        space = await wire.create(self._body(picture, slug, "", hall))
        await self._rooms(wire, picture, slug, hall, space)
        return space

    async def _rooms(self, wire: "_Wire", picture: Picture, slug: str, hall: RoomId, space: RoomId) -> None:
        async def one(key: str) -> None:
            room = await wire.create(self._body(picture, slug, key, hall))
            await wire.link(space, room, self.server_name)

        await asyncio.gather(*(one(rule.key) for rule in picture.rules(slug) if rule.key))

    def _body(self, picture: Picture, slug: str, key: str, hall: RoomId | None) -> dict[str, Any]:
        """Return the very request that the product sends, without child links."""
        rooms = {r.alias_localpart: r for s in picture.records for r in picture.register_of(s)}
        if hall is not None:
            rooms = {name: replace(r, room_id=hall) if r.role == "hall" else r for name, r in rooms.items()}
        rule = next(rule for rule in picture.rules(slug) if rule.key == key)
        desired = replace(picture, rooms=rooms).desired(picture.records[slug], rule)
        return creation_body(new_room(replace(desired, children=None)), self.bot)


class _Wire:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._base = f"{url}/_matrix/client/v3"
        self._session = session
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.requests = 0

    async def create(self, body: Mapping[str, Any]) -> RoomId:
        return RoomId((await self._send("POST", "/createRoom", body))["room_id"])

    async def link(self, parent: RoomId, child: RoomId, via: str) -> None:
        content: Content = {"via": [via]}
        await self._send("PUT", f"/rooms/{quote(parent)}/state/m.space.child/{quote(child)}", content)

    async def _send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        async with self._turns:
            self.requests += 1
            async with self._session.request(method, self._base + path, json=body) as response:
                response.raise_for_status()
                return await response.json()


def median(figures: Sequence[float]) -> float:
    """Return the middle one."""
    return sorted(figures)[len(figures) // 2]
