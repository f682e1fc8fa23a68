"""A member with a plain client: what people see and do, on a real homeserver."""

import html
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote

import nio

from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from tests.support.watching import Event, MatrixError, Watcher

#: Every test account's password.
PASSWORD = "correct horse"

_CLIENT = "/_matrix/client"

__all__ = ["PASSWORD", "Event", "MatrixError", "MatrixUser"]


class MatrixUser(Watcher):
    """One person, logged in. Waiting (``until``, ``message``, ``answer`` …) is inherited."""

    @classmethod
    async def on(cls, synapse: EmbeddedSynapse, localpart: str, *, display_name: str | None = None) -> Self:
        """Register the account if need be, log in on a new device, and sync once."""
        user_id = await synapse.register_user(localpart, PASSWORD, display_name=display_name)
        # No hidden retries: what goes wrong shows in the test.
        config = nio.AsyncClientConfig(max_limit_exceeded=0, max_timeouts=0)
        client = nio.AsyncClient(synapse.url, user_id, config=config)
        response = await client.login(PASSWORD)
        if not isinstance(response, nio.LoginResponse):
            await client.close()
            raise MatrixError(0, "LOGIN", str(response))
        user = cls(client)
        await user.sync()
        return user

    # --- looking, asked anew each time

    async def state(self, room_id: str) -> list[Event]:
        """Return a room's state, asked anew."""
        events: list[Event] = await self.call("GET", f"{_CLIENT}/v3/rooms/{quote(room_id)}/state")
        return events

    async def state_content(self, room_id: str, event_type: str, state_key: str = "") -> dict[str, Any]:
        """Return one piece of state, asked anew; MatrixError M_NOT_FOUND where there is none."""
        path = f"{_CLIENT}/v3/rooms/{quote(room_id)}/state/{quote(event_type)}/{quote(state_key, safe='')}"
        content: dict[str, Any] = await self.call("GET", path)
        return content

    async def membership(self, room_id: str, user_id: str | None = None) -> str | None:
        """Return somebody's membership (one's own unless said), asked anew; None if there is none."""
        try:
            return str((await self.state_content(room_id, "m.room.member", user_id or self.user_id))["membership"])
        except MatrixError as error:
            if error.errcode == "M_NOT_FOUND":
                return None
            raise

    async def joined_rooms(self) -> set[str]:
        """Return the rooms one is in, asked anew."""
        return set((await self.call("GET", f"{_CLIENT}/v3/joined_rooms"))["joined_rooms"])

    async def resolve(self, alias: str) -> str:
        """Return the room behind an alias."""
        return str((await self.call("GET", f"{_CLIENT}/v3/directory/room/{quote(alias)}"))["room_id"])

    async def hierarchy(self, room_id: str) -> list[dict[str, Any]]:
        """Return what the lobby of a space shows, all pages of it."""
        rooms: list[dict[str, Any]] = []
        query: dict[str, str] = {"limit": "50"}
        while True:
            page = await self.call("GET", f"{_CLIENT}/v1/rooms/{quote(room_id)}/hierarchy", **query)
            rooms += page["rooms"]
            if "next_batch" not in page:
                return rooms
            query["from"] = page["next_batch"]

    # --- acting

    async def join(self, room: str, *, via: Sequence[str] = ()) -> str:
        """Join by alias or id (an id of another server's room needs ``via``); returns the room id."""
        return str((await self.call("POST", f"{_CLIENT}/v3/join/{quote(room)}", {}, via=via))["room_id"])

    async def knock(self, room: str, *, via: Sequence[str] = (), reason: str = "") -> str:
        """Knock; returns the room id."""
        body = {"reason": reason}
        return str((await self.call("POST", f"{_CLIENT}/v3/knock/{quote(room)}", body, via=via))["room_id"])

    async def leave(self, room_id: str) -> None:
        """Leave, decline an invite, or take back a knock."""
        await self.call("POST", f"{_CLIENT}/v3/rooms/{quote(room_id)}/leave", {})

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite somebody."""
        await self.call("POST", f"{_CLIENT}/v3/rooms/{quote(room_id)}/invite", {"user_id": user_id})

    async def create_room(self, **body: Any) -> str:
        """Create a room; returns its id."""
        return str((await self.call("POST", f"{_CLIENT}/v3/createRoom", body))["room_id"])

    async def direct_chat(self, user_id: str, *, encrypted: bool = False) -> str:
        """Open a direct chat, as clients do; returns the room id."""
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
        return await self.create_room(
            preset="trusted_private_chat",
            is_direct=True,
            invite=[user_id],
            initial_state=[encryption] if encrypted else [],
        )

    async def say(self, room_id: str, text: str, **content: Any) -> str:
        """Send a text message; returns its event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text, **content})

    async def send(
        self, room_id: str, event_type: str, content: Mapping[str, Any], *, transaction_id: str | None = None
    ) -> str:
        """Send an event; returns its id."""
        transaction = transaction_id or uuid.uuid4().hex
        path = f"{_CLIENT}/v3/rooms/{quote(room_id)}/send/{quote(event_type)}/{quote(transaction)}"
        return str((await self.call("PUT", path, content))["event_id"])

    async def reply(self, room_id: str, event_id: str, text: str, *, fallback_of: str = "") -> str:
        """Reply; ``fallback_of`` is somebody's text to quote, as older clients do."""
        body = f"> <{self.user_id}> {fallback_of}\n\n{text}" if fallback_of else text
        return await self.say(room_id, body, **{"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}})

    async def mention(self, room_id: str, user_id: str, text: str, *, name: str = "") -> str:
        """Say something to somebody by a pill, as clients make it."""
        name = name or user_id
        pill = f'<a href="https://matrix.to/#/{user_id}">{html.escape(name)}</a>'
        return await self.say(
            room_id,
            f"{name}: {text}",
            format="org.matrix.custom.html",
            formatted_body=f"{pill}: {html.escape(text)}",
            **{"m.mentions": {"user_ids": [user_id]}},
        )

    async def react(self, room_id: str, event_id: str, key: str) -> str:
        """React; returns the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.send(room_id, "m.reaction", {"m.relates_to": relation})

    async def edit(self, room_id: str, event_id: str, text: str) -> str:
        """Replace the text of one's own message."""
        new = {"msgtype": "m.text", "body": text}
        relation = {"rel_type": "m.replace", "event_id": event_id}
        return await self.say(room_id, f"* {text}", **{"m.new_content": new, "m.relates_to": relation})

    async def set_state(self, room_id: str, event_type: str, content: Mapping[str, Any], state_key: str = "") -> str:
        """Replace a piece of state."""
        path = f"{_CLIENT}/v3/rooms/{quote(room_id)}/state/{quote(event_type)}/{quote(state_key, safe='')}"
        return str((await self.call("PUT", path, content))["event_id"])
