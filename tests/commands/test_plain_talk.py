"""What the inbox need not handle: every event that a listener might look at is not among it."""

from typing import Any

import pytest_asyncio
from sqlalchemy import insert

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.commands.plain_talk import PlainTalk
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.store.unit_of_work import Store
from tests.appservice.fakes import BOT, message

PLAIN: list[dict[str, Any]] = [
    message("$talk", body="明日の会議は10時です"),
    message("$fallback", body="> <@taro:example.jp> !help\n\nありがとう"),
    message("$notice", content={"msgtype": "m.notice", "body": "!help"}),
    message("$image", content={"msgtype": "m.image", "body": "!help"}),
    message("$odd", content={"body": 3}),
    message("$thumb", type="m.reaction", content={"m.relates_to": {"rel_type": "m.annotation", "key": "👍"}}),
    message("$sealed", type="m.room.encrypted", content={"ciphertext": "x"}),
]
NOT_PLAIN: list[dict[str, Any]] = [
    message("$command", body="!help"),
    message("$wide", body="！課 一覧"),
    message("$perhaps", body="! help"),
    message("$named", body="市役所: help"),
    message("$mentioned", body=f"{BOT} help"),
    message("$echo", body="preview", sender=BOT),
    message("$edit", content={"msgtype": "m.text", "body": "* a", "m.new_content": {}}),
    message("$edit2", content={"msgtype": "m.text", "body": "* a", "m.relates_to": {"rel_type": "m.replace"}}),
    message("$yes", type="m.reaction", content={"m.relates_to": {"rel_type": "m.annotation", "key": "✅️"}}),
    message("$no", type="m.reaction", content={"m.relates_to": {"rel_type": "m.annotation", "key": "❌"}}),
    message("$redaction", type="m.room.redaction", content={"redacts": "$talk"}),
    message("$member", type="m.room.member", state_key="@a:b", content={"membership": "join"}),
    message("$state", state_key=""),
    message("$unheard-of", type="jp.oshiyakusho.new"),
    *(each | {"event_id": each["event_id"] + "-chat", "room_id": "!chat"} for each in PLAIN),
]


@pytest_asyncio.fixture
async def plain(store: Store) -> set[str]:
    """The ids of those that are found plain."""
    row = {"reference": "R", "room_id": "!chat", "user_id": "@hanako:example.jp", "direct": True, "encrypted": False}
    async with store.transaction() as tx:
        await tx.connection.execute(insert(direct_chat).values(**row, state="left", since=now()))
    events = [ClientEvent.model_validate(each) for each in (*PLAIN, *NOT_PLAIN)]
    async with store.reading() as connection:
        return set(await PlainTalk(bot=BOT, bot_name="市役所")(connection, events))


async def test_talk_among_people_is_plain_and_nothing_else_is(plain: set[str]) -> None:
    assert plain == {each["event_id"] for each in PLAIN}
