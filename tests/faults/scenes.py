"""What people do while the city hall is killed: one step after another, each done once, whoever serves at that moment.

``play`` gives the steps to one process after another. The scenes are for the homeserver in memory; each ends with a
command whose answer comes after everything before it: the homeserver delivers in order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.homeserver.creation import DEFAULT_VERSION
from oshiyakusho_matrix.homeserver.fake_room import FakeRoom
from oshiyakusho_matrix.homeserver.interface import Content, NewRoom, StateEvent
from tests.faults.attempts import Processes
from tests.faults.runner import Running
from tests.faults.sites import OFFICE, Event, FakeSite, Site, answers
from tests.faults.sweep import Kills, Outcome

#: Waits until what somebody did has been answered or put right; may be asked again of the next process.
Wait = Callable[[], Awaitable[None]]
#: Does something, and returns how to wait for what comes of it.
Step = Callable[[], Awaitable[Wait]]
#: What is done by whom on a site; made anew for each attempt.
Scene = Callable[[FakeSite], Awaitable[list[Step]]]

#: The room that somebody renames.
RENAMED = "ka-zaisei-danwa"


async def play(processes: Processes, steps: Sequence[Step], kills: Kills) -> Outcome:
    """Take the steps before one process after another, the last of which is not killed.

    The first process has started and is at rest; those after it find what the one before left undone.
    """
    waits: list[Wait] = []
    for kill_at in (*kills, None):
        async with processes.serving(kill_at, from_start=bool(waits)) as town:
            if not waits:
                await town.at_rest()
            for number, step in enumerate(steps):
                if town.ended.done():
                    break
                if number == len(waits):
                    waits.append(await step())
                await came(town, waits[number]())
    return await processes.outcome()


async def came(town: Running, coming: Awaitable[None]) -> None:
    """Wait for something to come, or for the end of the process that owes it."""
    waiting = asyncio.ensure_future(coming)
    await asyncio.wait({waiting, town.ended}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    if waiting.done():
        waiting.result()
    else:
        waiting.cancel()
        assert town.ended.done(), "it did not come within a minute"


async def answered(site: Site, town: Running, text: str) -> None:
    """Have the secretary say something, and wait for the answer."""
    await came(town, site.answered(await site.say(text)))


def saying(site: Site, text: str) -> Step:
    """Return the step in which the secretary says something in 事務局室 and waits for the answer."""

    async def say() -> Wait:
        asked = await site.say(text)
        return lambda: site.answered(asked)

    return say


async def send(site: FakeSite, user_id: UserId, room_id: RoomId, event_type: str, content: Content) -> str:
    """Have somebody send an event; returns its id."""
    event_id = await site.fake.send_as(user_id, room_id, event_type, content)
    site.note()
    return event_id


async def force(site: FakeSite, user_id: UserId, room: str, event_type: str, state_key: str, content: Content) -> None:
    """Have somebody set a piece of state without the power for it."""
    await site.fake.send_state_as(user_id, room, event_type, state_key, content, by_force=True)
    site.note()


async def open_sealed_chat(site: FakeSite, user_id: UserId) -> RoomId:
    """Have somebody open a direct chat with the bot, encrypted as many clients do."""
    encryption = StateEvent("m.room.encryption", "", {"algorithm": "m.megolm.v1.aes-sha2"})
    room_id = await site.fake.create_room_as(user_id, NewRoom(DEFAULT_VERSION, state=(encryption,)))
    await force(site, user_id, room_id, "m.room.member", site.fake.bot, {"membership": "invite", "is_direct": True})
    return room_id


async def confirming(site: FakeSite) -> list[Step]:
    """A removal is asked for, shown, and confirmed by ✅; a second ✅ comes behind it."""
    office = site.fake.room(site.installation.alias(OFFICE))
    asked = ""

    async def ask() -> Wait:
        nonlocal asked
        asked = await site.say(f"!member remove {await site.person('hanako')}")
        return lambda: site.answered(asked)

    async def agree(key: str) -> None:
        preview = next(event for event in office.timeline if answers(event, asked))
        relation = {"rel_type": "m.annotation", "event_id": preview["event_id"], "key": key}
        await send(site, site.secretary, office.room_id, "m.reaction", {"m.relates_to": relation})

    async def agree_twice() -> Wait:
        await agree("✅")
        await agree("☑")
        listed = await site.say("!division list")
        return lambda: site.answered(listed)

    return [ask, agree_twice]


async def archiving(site: FakeSite) -> list[Step]:
    """A division is archived."""
    return [saying(site, "!division archive zaisei --yes"), saying(site, "!division list")]


async def applying(site: FakeSite) -> list[Step]:
    """The edited files are applied."""
    return [saying(site, "!rooms apply --yes"), saying(site, "!division list")]


async def chatting(site: FakeSite) -> list[Step]:
    """A member opens a direct chat which her client encrypts, is led into another one, and asks there."""
    hanako = await site.person("hanako")

    async def open_sealed() -> Wait:
        sealed = await open_sealed_chat(site, hanako)
        return lambda: site.until(lambda: _told(site, sealed))

    async def ask_in_the_other() -> Wait:
        other = next(room for room in site.fake.world.rooms.values() if room.membership(hanako) == "invite")
        await site.fake.join_as(hanako, other.room_id)
        asked = await send(site, hanako, other.room_id, "m.room.message", {"msgtype": "m.text", "body": "課　一覧"})
        return lambda: site.until(lambda: any(answers(event, asked) for event in other.timeline))

    async def write_on_in_the_sealed_one() -> Wait:
        sealed = next(room for room in site.fake.world.rooms.values() if room.creator == hanako)
        await send(site, hanako, sealed.room_id, "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2"})
        listed = await site.say("!division list")
        return lambda: site.answered(listed)

    return [open_sealed, ask_in_the_other, write_on_in_the_sealed_one]


async def welcoming(site: FakeSite) -> list[Step]:
    """Somebody is admitted, comes in, comes into the chat and is greeted, and taps a number under the greeting."""
    jiro = await site.person("jiro")

    def chat() -> FakeRoom | None:
        ours = (a for a, room_id in site.fake.world.aliases.items() if "-chat-" in a)
        chats = (site.fake.room(address) for address in ours)
        return next((room for room in chats if room.membership(jiro) in ("invite", "join")), None)

    async def come_in() -> Wait:
        await site.fake.join_as(jiro, site.installation.alias("cityhall"))
        site.note()
        return lambda: site.until(lambda: chat() is not None)

    async def come_into_the_chat() -> Wait:
        room = chat()
        assert room is not None
        await site.fake.join_as(jiro, room.room_id)
        site.note()
        return lambda: site.until(lambda: any(event["type"] == "m.reaction" for event in room.timeline))

    async def tap() -> Wait:
        room = chat()
        assert room is not None
        greeting = next(event for event in room.timeline if _is_word_of_the_bot(site, event))["event_id"]
        relation = {"rel_type": "m.annotation", "event_id": greeting, "key": "1️⃣"}
        await send(site, jiro, room.room_id, "m.reaction", {"m.relates_to": relation})
        return lambda: site.until(lambda: any(answers(event, greeting) for event in room.timeline))

    return [saying(site, f"!member admit {jiro}"), come_in, come_into_the_chat, tap, saying(site, "!division list")]


async def drifting(site: FakeSite) -> list[Step]:
    """Somebody renames a room, and brings a stranger into it."""
    hanako, taro = await site.person("hanako"), await site.person("taro")
    alias = site.installation.alias(RENAMED)
    room = site.fake.room(alias)
    named = room.content("m.room.name")

    async def rename() -> Wait:
        await force(site, hanako, alias, "m.room.name", "", {"name": "占拠しました"})
        return lambda: site.until(lambda: room.content("m.room.name") == named and _office_has(site, hanako))

    async def bring() -> Wait:
        await force(site, hanako, alias, "m.room.member", taro, {"membership": "invite"})
        return lambda: site.until(lambda: room.membership(taro) == "leave" and _office_has(site, taro))

    return [rename, bring, saying(site, "!division list")]


def _told(site: FakeSite, room_id: RoomId) -> bool:
    return any(_is_word_of_the_bot(site, event) for event in site.fake.room(room_id).timeline)


def _office_has(site: FakeSite, word: str) -> bool:
    """Whether 事務局室 was told of somebody, not as the answer to a command."""
    office = site.fake.room(site.installation.alias(OFFICE))
    return any(
        _is_word_of_the_bot(site, event)
        and "m.relates_to" not in event["content"]
        and word in str(event["content"].get("body"))
        for event in office.timeline
    )


def _is_word_of_the_bot(site: FakeSite, event: Event) -> bool:
    return (event["sender"], event["type"]) == (site.installation.bot, "m.room.message")
