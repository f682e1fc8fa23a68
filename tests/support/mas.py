"""A double of the Matrix Authentication Service: of its admin API as much as concerns registration tokens.

The service itself is no Python package and cannot run here. Written by its API description (docs/api/spec.json) and the
behaviour of its handlers, of August 2026: paths, statuses, shapes of answers and errors, filters, pages by ULID.
"""

import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

CLIENT_ID, CLIENT_SECRET = "01J44QC8BCY7FCFM7WGHQGKMTJ", "mas-secret-word"
_PATH = "/api/admin/v1/user-registration-tokens"


@dataclass
class MasDouble:
    """``tokens`` by id. ``bearers`` are the access tokens that are good; ``lasts`` is in seconds. ``instead``: a status
    and a text to answer the admin API with.

    ``admin``: whether the client is listed in ``policy.data.admin_clients``.
    """

    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    bearers: set[str] = field(default_factory=set)
    authorised: int = 0
    lasts: int = 300
    admin: bool = True
    instead: tuple[int, str] | None = None
    url: str = ""
    _made: int = 0

    def sign_up(self, token: str) -> bool:
        """Have somebody make an account with a token; False if it is not good."""
        found = next((each for each in self.tokens.values() if each["token"] == token), None)
        if found is None or not self._shown(found)["valid"]:
            return False
        found["times_used"] += 1
        return True

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {basic}":
            return web.json_response({"error": "invalid_client", "error_description": "no"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        if form.get("scope") != "urn:mas:admin" or not self.admin:
            return web.json_response({"error": "invalid_scope"}, status=403)
        self.authorised += 1
        bearer = f"mat_{secrets.token_hex(8)}"
        self.bearers.add(bearer)
        answer = {"access_token": bearer, "token_type": "Bearer", "expires_in": self.lasts, "scope": "urn:mas:admin"}
        return web.json_response(answer)

    async def _list(self, request: web.Request) -> web.Response:
        found = dict(sorted(self.tokens.items()))
        for name in ("used", "valid", "revoked", "expired"):
            if (wanted := request.query.get(f"filter[{name}]")) is not None:
                found = {key: each for key, each in found.items() if self._is(name, each) is (wanted == "true")}
        if before := request.query.get("page[before]"):
            found = {key: each for key, each in found.items() if key < before}
        keys = list(found)
        if last := request.query.get("page[last]"):
            keys = keys[-int(last) :]
        else:
            keys = keys[: int(request.query.get("page[first]", 10))]
        return web.json_response({"meta": {"count": len(found)}, "data": [self._one(key) for key in keys], "links": {}})

    async def _add(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if any(each["token"] == asked["token"] for each in self.tokens.values()):
            return _error(409, "A registration token with the same token already exists")
        self._made += 1
        key = f"01J{self._made:023d}"
        self.tokens[key] = {
            "token": asked["token"],
            "usage_limit": asked.get("usage_limit"),
            "times_used": 0,
            "created_at": datetime.now(UTC).isoformat(),
            "last_used_at": None,
            "expires_at": asked.get("expires_at"),
            "revoked_at": None,
        }
        return web.json_response({"data": self._one(key), "links": {}}, status=201)

    async def _revoke(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        if key not in self.tokens:
            return _error(404, f"Registration token with ID {key} not found")
        if self.tokens[key]["revoked_at"] is not None:
            return _error(400, f"Registration token with ID {key} is already revoked")
        self.tokens[key]["revoked_at"] = datetime.now(UTC).isoformat()
        return web.json_response({"data": self._one(key), "links": {}})

    def _one(self, key: str) -> dict[str, Any]:
        return {"type": "user-registration_token", "id": key, "attributes": self._shown(self.tokens[key]), "links": {}}

    def _shown(self, each: Mapping[str, Any]) -> dict[str, Any]:
        return {**each, "valid": self._is("valid", each)}

    def _is(self, name: str, each: Mapping[str, Any]) -> bool:
        expired = each["expires_at"] is not None and datetime.fromisoformat(each["expires_at"]) <= datetime.now(UTC)
        revoked = each["revoked_at"] is not None
        used_up = each["usage_limit"] is not None and each["times_used"] >= each["usage_limit"]
        valid = not (expired or revoked or used_up)
        return bool({"used": each["times_used"], "valid": valid, "revoked": revoked, "expired": expired}[name])

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse what has no good access token."""
        if self.instead is not None and request.path.startswith("/api/"):
            return web.Response(status=self.instead[0], text=self.instead[1])
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path.startswith("/api/") and bearer not in self.bearers:
            return _error(401, "Unknown access token")
        answer: web.StreamResponse = await handler(request)
        return answer


def _error(status: int, title: str) -> web.Response:
    return web.json_response({"errors": [{"title": title}]}, status=status)


@asynccontextmanager
async def mas_double() -> AsyncIterator[MasDouble]:
    """Run one; ``url`` leads to it."""
    double = MasDouble()
    application = web.Application(middlewares=[double.guard])
    application.add_routes(
        [
            web.post("/oauth2/token", double._token),
            web.get(_PATH, double._list),
            web.post(_PATH, double._add),
            web.post(f"{_PATH}/{{id}}/revoke", double._revoke),
        ]
    )
    async with TestServer(application) as server:
        double.url = str(server.make_url("")).rstrip("/")
        yield double
