"""Edits, redactions and reactions, whether they come after what they are about, before it, or without it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from oshiyakusho_matrix.appservice.inbox import Inbox
from oshiyakusho_matrix.appservice.interface import InboundEvent
from oshiyakusho_matrix.appservice.relations import PATIENCE
from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.appservice.fakes import BOT, Book, RememberingOutbox, deliver, handling, message

HANAKO, TARO = "@hanako:example.jp", "@taro:example.jp"


class Desk:
    """An inbox whose listener notes what it was handed, and a clock that tests move on."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ahead = timedelta()
        self.book = Book()
        self.seen: list[InboundEvent] = []
        self.book.look = self.seen.append
        self.inbox = Inbox(store, self.book, RememberingOutbox(), bot=BOT, now=self.now)
        self.deliveries = 0

    def now(self) -> datetime:
        return now() + self.ahead

    async def hear(self, *events: dict[str, Any]) -> None:
        """Have all of them delivered in one transaction, and handled."""
        self.deliveries += 1
        await deliver(self.inbox, str(self.deliveries), events)
        async with handling(self.inbox):
            await asyncio.wait_for(self.inbox.idle(), 10)
        self.inbox = Inbox(self.store, self.book, RememberingOutbox(), bot=BOT, now=self.now)

    @property
    def handled(self) -> list[str]:
        return self.book.entries

    def words(self, event_id: str) -> object:
        (event,) = (event for event in self.seen if event.event_id == event_id)
        return event.content.get("body")

    async def states(self) -> dict[str, str]:
        async with self.store.reading() as connection:
            rows = await connection.execute(select(inbox_event.c.event_id, inbox_event.c.state))
            return {row.event_id: row.state for row in rows}


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def redaction(event_id: str, of: str, *, sender: str = HANAKO, **more: Any) -> dict[str, Any]:
    return message(event_id) | {"type": "m.room.redaction", "content": {"redacts": of}, "sender": sender} | more


def edit(event_id: str, of: str, body: str, *, sender: str = HANAKO) -> dict[str, Any]:
    new = {"msgtype": "m.text", "body": body}
    relation = {"rel_type": "m.replace", "event_id": of}
    content = {"msgtype": "m.text", "body": f"* {body}", "m.new_content": new, "m.relates_to": relation}
    return message(event_id) | {"content": content, "sender": sender}


def reaction(event_id: str, to: str) -> dict[str, Any]:
    relation = {"rel_type": "m.annotation", "event_id": to, "key": "✅"}
    return message(event_id) | {"type": "m.reaction", "content": {"m.relates_to": relation}}


BESIDE = pytest.mark.parametrize(
    "made",
    [redaction, lambda event_id, of, **more: redaction(event_id, "", content={}, redacts=of, **more)],
    ids=["room version 11 and later", "before"],
)


@BESIDE
async def test_what_its_author_withdrew_while_it_waited_is_not_handled(
    desk: Desk, made: Callable[..., dict[str, Any]]
) -> None:
    await desk.hear(message("$command"), message("$other"), made("$redaction", "$command"))
    assert [event.event_id for event in desk.seen] == ["$other", "$redaction"]
    assert set((await desk.states()).values()) == {"done"}


@pytest.mark.parametrize("first", ["state", "redaction"])
async def test_state_is_looked_at_whoever_redacts_it_for_it_stands(desk: Desk, first: str) -> None:
    joined = message("$join") | {"type": "m.room.member", "state_key": HANAKO, "content": {"membership": "join"}}
    events = [joined, redaction("$redaction", "$join")]
    await desk.hear(*(events if first == "state" else events[::-1]))
    assert "$join" in desk.handled
    (seen,) = (event for event in desk.seen if event.event_id == "$join")
    assert seen.content == {"membership": "join"}


@BESIDE
async def test_a_redaction_that_comes_first_counts_and_holds_nobody_up(
    desk: Desk, made: Callable[..., dict[str, Any]]
) -> None:
    await desk.hear(made("$redaction", "$command"), message("$other"))
    assert desk.handled == ["$redaction", "$other"]
    await desk.hear(message("$command"))
    assert desk.handled == ["$redaction", "$other"]


async def test_what_others_redact_is_handled_all_the_same(desk: Desk) -> None:
    await desk.hear(message("$command"), redaction("$redaction", "$command", sender=TARO))
    assert desk.handled == ["$command", "$redaction"]


async def test_a_redaction_in_another_room_means_nothing(desk: Desk) -> None:
    await desk.hear(message("$command"), redaction("$redaction", "$command", room_id="!b"))
    assert "$command" in desk.handled


@pytest.mark.parametrize("first", ["original", "edit"])
async def test_what_was_edited_before_it_could_be_handled_is_handled_once_in_its_latest_words(
    desk: Desk, first: str
) -> None:
    thread = {"rel_type": "m.thread", "event_id": "$root"}
    original = message("$command", body="!stauts")
    original["content"]["m.relates_to"] = thread
    edits = [edit("$edit1", "$command", "!help"), edit("$edit2", "$command", "!status")]
    events = [original, *edits] if first == "original" else [*edits, original]
    await desk.hear(*events)
    assert desk.words("$command") == "!status"
    (command,) = (event for event in desk.seen if event.event_id == "$command")
    assert command.content["m.relates_to"] == thread, "it stays where it was said"
    # The edits are done with it: later they would say once more what it said.
    assert desk.handled == ["$command"]
    assert set((await desk.states()).values()) == {"done"}


async def test_an_edit_by_somebody_else_changes_nothing(desk: Desk) -> None:
    await desk.hear(message("$command", body="!status"), edit("$edit", "$command", "!help", sender=TARO))
    assert desk.words("$command") == "!status"


async def test_a_reaction_that_comes_first_is_handled_after_its_target_even_if_that_leads_to_nothing(
    desk: Desk,
) -> None:
    await desk.hear(reaction("$yes", "$preview"))
    assert desk.handled == []
    desk.book.silent = True
    await desk.hear(message("$preview"))
    assert [event.event_id for event in desk.seen] == ["$preview", "$yes"]
    assert set((await desk.states()).values()) == {"done"}


async def test_what_waits_for_nothing_known_is_handled_without_it_in_the_end(desk: Desk) -> None:
    await desk.hear(reaction("$yes", "$years-ago"), message("$other"))
    assert desk.handled == ["$other"]
    desk.ahead = PATIENCE - timedelta(seconds=30)
    await desk.hear(message("$later"))
    assert desk.handled == ["$other", "$later"]
    desk.ahead = PATIENCE + timedelta(seconds=1)
    await desk.hear()
    assert desk.handled == ["$other", "$later", "$yes"]


async def test_what_was_withdrawn_before_it_came_is_not_handled_however_late_it_comes(desk: Desk) -> None:
    await desk.hear(redaction("$redaction", "$command"))
    desk.ahead = PATIENCE + timedelta(seconds=1)
    await desk.hear(message("$other"))
    assert desk.handled == ["$redaction", "$other"]
    desk.ahead = 2 * PATIENCE
    await desk.hear(message("$command"))
    assert desk.handled == ["$redaction", "$other"]
    assert set((await desk.states()).values()) == {"done"}


async def test_a_reaction_to_what_was_handled_long_ago_is_not_held(desk: Desk) -> None:
    await desk.hear(message("$preview"))
    await desk.hear(reaction("$yes", "$preview"))
    assert desk.handled == ["$preview", "$yes"]


@pytest.mark.parametrize("relates_to", [[], "$a", {"rel_type": "m.annotation", "event_id": ["$a"]}, {"event_id": 7}])
async def test_relations_that_make_no_sense_are_none(desk: Desk, relates_to: object) -> None:
    event = reaction("$odd", "$a")
    event["content"]["m.relates_to"] = relates_to
    await desk.hear(event)
    assert desk.handled == ["$odd"]


async def test_an_event_is_as_old_as_the_homeserver_says_and_older_by_the_time_it_waited(desk: Desk) -> None:
    fresh = message("$fresh", unsigned={"age": 90_000})
    unsaid = message("$unsaid", unsigned={}, origin_server_ts=int((now() - timedelta(hours=2)).timestamp() * 1000))
    future = message("$future", unsigned={}, origin_server_ts=253_402_300_799_999)
    absurd = message("$absurd", unsigned={"age": 10**18})
    negative = message("$negative", unsigned={"age": -5})
    await deliver(desk.inbox, "early", [fresh, unsaid, future, absurd, negative])
    desk.ahead = timedelta(minutes=30)
    await desk.hear()
    ages = {str(event.event_id): event.age.total_seconds() / 60 for event in desk.seen}
    assert ages["$fresh"] == pytest.approx(31.5, abs=1)
    assert ages["$unsaid"] == pytest.approx(150, abs=1)
    assert ages["$future"] == pytest.approx(30, abs=1)
    assert ages["$negative"] == pytest.approx(30, abs=1)
    assert ages["$absurd"] >= 365 * 24 * 60


async def test_an_edit_of_what_was_handled_knows_what_it_edits_and_is_as_old_as_that(desk: Desk) -> None:
    await desk.hear(message("$typo", origin_server_ts=int(now().timestamp() * 1000)))
    desk.ahead = timedelta(minutes=30)
    await desk.hear(edit("$edit", "$typo", "!status"))
    (seen,) = (event for event in desk.seen if event.event_id == "$edit")
    assert seen.edits == "$typo"
    assert seen.age.total_seconds() / 60 == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    "between",
    [
        [redaction("$redaction", "$typo")],
        [message("$typo2", room="!b"), edit("$edit2", "$typo2", "!help")],
    ],
    ids=["withdrawn", "in another room"],
)
async def test_what_is_no_edit_of_a_message_that_stands_knows_no_original(
    desk: Desk, between: list[dict[str, Any]]
) -> None:
    await desk.hear(message("$typo"))
    await desk.hear(*between, edit("$edit", "$typo", "!status", sender=TARO), edit("$edit3", "$unknown", "!status"))
    if between[0]["event_id"] == "$redaction":
        await desk.hear(edit("$late", "$typo", "!status"))
    assert {event.edits for event in desk.seen} == {None}


async def test_an_edit_of_an_edit_is_none(desk: Desk) -> None:
    await desk.hear(message("$typo"))
    await desk.hear(edit("$edit", "$typo", "!status"))
    await desk.hear(edit("$again", "$edit", "!help"))
    assert [event.edits for event in desk.seen] == [None, "$typo", None]
