"""What people do on one day of the city hall, and what they must find whatever goes wrong: see ``day``."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp

from oshiyakusho_matrix.commands.confirmation import CONTENT_KEY
from tests.faults.keeping import DATABASE, Keeper, made, parked
from tests.faults.notices import FAILED, NOTICES, RETRY
from tests.faults.plans import Plan
from tests.faults.runner import EDITED
from tests.faults.sites import OFFICE, Event, SynapseSite
from tests.support.users import MatrixError, MatrixUser

T = TypeVar("T")

PEOPLE = ("kanri", "hanako", "taro")
DIVISION, ROOM = "ka-zaisei", "ka-zaisei-danwa"
#: How long anything may take until people lose patience, in seconds.
SOON = 120.0
_INSIDE = ("join", "invite")
#: What 事務局室 is told of every change that was undone.
_UNDONE = "元に戻しました"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was given, and what was said to it in the end; ``failed`` if it was refused for good."""

    text: str
    said: list[str]
    failed: bool


@dataclass
class Script:
    """What people do on this day."""

    plan: Plan
    site: SynapseSite
    people: Mapping[str, MatrixUser]
    directory: Path
    keeper: Keeper
    commands: list[Command] = field(default_factory=list)
    members: set[str] = field(default_factory=set)
    _asked: list[tuple[str, set[str]]] = field(default_factory=list)
    _retried: float = 0.0
    _office: str = ""

    async def live(self) -> None:
        """Go through the day."""
        hanako = self.people["hanako"]
        await self._enter("kanri", "cityhall", OFFICE)
        self._office = await self.people["kanri"].resolve(self.site.installation.alias(OFFICE))
        self.members.add(hanako.user_id)
        await self._command(f"!member admit {hanako.user_id}")
        await self._enter("hanako", "cityhall", DIVISION, ROOM)
        await self._be_greeted()
        await self._command("!division list")
        await self._edit()
        await self._rename()
        await self._confirm(f"!member remove {hanako.user_id}")
        await self._command("!division list")
        await self._come_to_rest()
        self.members.discard(hanako.user_id)
        await self._law()
        for room in await self.site.rooms():
            # Her chat with the bot stays hers: nobody else is in it, and it leads nowhere.
            for outsider in ("taro",) if room.alias.startswith(self._chats) else ("taro", "hanako"):
                assert not await self._tries_to_join(outsider, room.room_id), f"{outsider} came into {room.room_id}"
        await self._review()

    # -- what people do

    async def _enter(self, name: str, *rooms: str) -> None:
        for room in rooms:

            async def join(room: str = room) -> bool | None:
                return await self._tries_to_join(name, room) or None

            await self._until(join, f"{name} in {room}", self.people[name])
        await self._law()

    async def _be_greeted(self) -> None:
        """Hanako is asked into a chat, comes, and is told where she may go."""
        hanako = self.people["hanako"]

        async def asked() -> str | None:
            # Her client may not have heard yet that she accepted the invitation into the hall.
            return next(iter(hanako.client.invited_rooms.keys() - await hanako.joined_rooms()), None)

        chat = await self._until(asked, "the chat that the bot opens", hanako)

        async def offered() -> bool | None:
            return self.site.installation.alias_prefix + DIVISION in made(self.directory / DATABASE) or None

        # What a greeting offers is what there is.
        await self._until(offered, "the division on record", hanako)

        async def greeted() -> bool | None:
            if not await self._tries_to_join("hanako", chat):
                return None
            return any(e["type"] == "m.room.message" for e in hanako.timeline.get(chat, ())) or None

        await self._until(greeted, "the greeting", hanako)
        await self._law()

    async def _tries_to_join(self, name: str, room: str) -> bool:
        """Tell whether somebody came in; ``room`` is an id, or what follows the prefix in its alias."""
        try:
            await self.people[name].join(room if room.startswith("!") else self.site.installation.alias(room))
        except MatrixError as error:
            if error.status not in (403, 404):
                raise
            return False
        return True

    async def _command(self, text: str) -> None:
        """Say a command and wait until it was done, or refused for good."""
        asked = await self.people["kanri"].say(self._office, text)
        self._asked.append((text, {asked}))
        await self._until(self._outcome, f"an answer to {text}")
        await self._law()

    async def _confirm(self, text: str) -> None:
        """Say a command that shows first what it will do, and agree."""
        kanri = self.people["kanri"]
        asked = await kanri.say(self._office, text)
        self._asked.append((text, {asked}))

        async def shown() -> str | None:
            previews = [e for e in self._answers(self._asked[-1][1]) if CONTENT_KEY in e["content"]]
            return str(previews[0]["event_id"]) if previews else None

        preview = await self._until(shown, f"what {text} will do")
        reaction = await kanri.react(self._office, preview, "✅")
        self._asked[-1][1].update({preview, reaction})
        await self._until(self._outcome, f"an answer to {text}")
        await self._law()

    async def _edit(self) -> None:
        """Somebody gives a division another name in the files, and has that applied, which renames its rooms."""
        hanako = self.people["hanako"]
        room = await hanako.resolve(self.site.installation.alias(ROOM))
        before = await hanako.state_content(room, "m.room.name")
        (self.directory / EDITED).touch()
        await self._confirm("!rooms apply")

        async def renamed() -> bool | None:
            return await hanako.state_content(room, "m.room.name") != before or None

        # Where the homeserver refused that, the answer came before it was done after all.
        await self._until(renamed, "the room called as the files say", hanako)

    async def _rename(self) -> None:
        """An administrator of the homeserver gives somebody all power in a room, and they rename it."""
        hanako = self.people["hanako"]
        room = await hanako.resolve(self.site.installation.alias(ROOM))
        powers = dict(await hanako.state_content(room, "m.room.power_levels"))
        before = dict(await hanako.state_content(room, "m.room.name"))

        async def renamed() -> bool | None:
            await self._lift(room, powers, hanako)
            try:
                await hanako.set_state(room, "m.room.name", {"name": "占拠しました"})
            except MatrixError as error:
                if error.errcode != "M_FORBIDDEN":
                    raise
                return None  # the service looked at the room in between, and took the power away
            return True

        await self._until(renamed, "the room renamed", hanako)

        async def back() -> bool | None:
            names = await hanako.state_content(room, "m.room.name")
            return (names == before and await hanako.state_content(room, "m.room.power_levels") == powers) or None

        await self._until(back, "name and powers of the room back", hanako)

        async def told() -> bool | None:
            heard = self.people["kanri"].timeline.get(self._office, ())
            return any(_UNDONE in str(e["content"].get("body")) for e in heard) or None

        # Once they are out of the room, nobody can say any more what they were called in it.
        await self._until(told, "the secretariat told of it")
        await self._law()

    async def _lift(self, room: str, powers: dict[str, object], person: MatrixUser) -> None:
        content = {**powers, "users": {**powers["users"], person.user_id: 100}}  # type: ignore[dict-item]
        one = self.site.installation
        url = f"{one.homeserver_url}/_matrix/client/v3/rooms/{room}/state/m.room.power_levels"
        headers = {"Authorization": f"Bearer {one.as_token}"}
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
            await session.put(url, json=content)

    # -- what they find

    def _answers(self, events: set[str]) -> list[Event]:
        found = []
        for event in self.people["kanri"].timeline.get(self._office, ()):
            relation = event["content"].get("m.relates_to") or {}
            mine = relation.get("m.in_reply_to", {}).get("event_id") in events
            if mine and (event["sender"], event["type"]) == (self.site.installation.bot, "m.room.message"):
                found.append(event)
        return found

    async def _outcome(self) -> bool | None:
        said, failed = self._said_to(self._asked[-1][1])
        return bool(said or failed) or None

    def _said_to(self, events: set[str]) -> tuple[list[str], bool]:
        texts = [str(e["content"].get("body")) for e in self._answers(events) if CONTENT_KEY not in e["content"]]
        said = [self.plain(text) for text in texts if not NOTICES.match(text)]
        return said, any(FAILED.match(text) for text in texts)

    async def _until(self, found: Callable[[], Awaitable[T | None]], what: str, person: MatrixUser | None = None) -> T:
        """Look again whenever there is news; meanwhile the secretariat looks after what was set aside."""
        deadline = time.monotonic() + SOON
        while (it := await found()) is None:
            assert time.monotonic() < deadline, f"after {SOON} s still not: {what}"
            if self.keeper.died:
                await self.keeper.finish()
            await self._look_after()
            await (person or self.people["kanri"]).sync(0.5)
        return it

    async def _look_after(self) -> None:
        """Do what people do about what was refused: they say ``!retry``, or restart what has no room to say it in."""
        assert not await self._tries_to_join("taro", DIVISION), "a stranger came in"
        waiting = parked(self.directory / DATABASE)
        assert not waiting or self.plan.refuses, f"set aside although nothing was refused: {waiting}"
        patience = 2 if self._office else 12  # a restart needs its time
        if not waiting or time.monotonic() < self._retried + patience:
            return
        self._retried = time.monotonic()
        if self._office:
            await self.people["kanri"].say(self._office, RETRY)
        else:
            self.keeper.restart()

    async def _come_to_rest(self) -> None:
        """End the service when all is done; what was set aside at the last moment is tried again."""
        for _ in range(5):
            await self.keeper.finish()
            if not parked(self.directory / DATABASE):
                return
            self.keeper.begin_again()

            async def tried() -> bool | None:
                return not parked(self.directory / DATABASE) or None

            await self._until(tried, "nothing set aside")
        raise AssertionError(f"still set aside: {parked(self.directory / DATABASE)}")

    async def _law(self) -> None:
        """Nobody is in a room who may not be."""
        one = self.site.installation
        hall = {one.bot, self.site.secretary, *self.members}
        for room in await self.site.rooms():
            allowed = {one.bot, self.site.secretary} if room.alias == one.alias(OFFICE) else hall
            if room.alias.startswith(self._chats):
                allowed = {one.bot, self.people["hanako"].user_id}
            inside = {
                e["state_key"]
                for e in room.state
                if e["type"] == "m.room.member" and e["content"].get("membership") in _INSIDE
            }
            assert inside <= allowed, f"in {room.alias}, against the law of the gate: {inside - allowed}"

    @property
    def _chats(self) -> str:
        """How the aliases begin of the chats that the bot opens."""
        return f"#{self.site.installation.alias_prefix}cityhall-chat-"

    async def _review(self) -> None:
        """Look at what was said to each command in the end."""
        kanri = self.people["kanri"]
        await kanri.sync()
        for text, events in self._asked:
            said, failed = self._said_to(events)
            self.commands.append(Command(self.plain(text), said, failed))

    def plain(self, text: str) -> str:
        """Call people by what they are in every day."""
        for name, person in self.people.items():
            text = text.replace(person.user_id, name.upper()).replace(person.user_id[1:].partition(":")[0], name)
        one = self.site.installation
        return text.replace(one.alias_prefix, "").replace(one.bot, "BOT").replace(one.server_name, "SERVER")
