"""How it ended: every room, every record and every message, without what differs from run to run anyway.

Two runs are compared as lists of lines, so that what differs can be read.
"""

import json
import re
from difflib import unified_diff
from typing import Any

from sqlalchemy import inspect

from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.render import Renderer
from tests.faults.sites import Site
from tests.support.databases import opened

#: What is on record, by table. Left out: times, random ids, how often something was asked for.
_RECORDS = {
    "member": "user_id, standing, secretariat, hall, office, changed_by",
    "managed_room": "alias_localpart, owner, key, audience, role, room_id",
    "space": "slug, kind, parent, name_ja, purpose_ja, position, lifecycle, declared",
    "space_kind": "key, content",
    "mandate": "slug, user_id, office, ended_at, granted_by",
    "work": "kind, name, lease, attempts, crashes, parked_at, last_error",
    "follow_up": "id",
    "drift": "alias_localpart, event_type",
    "audit": "actor, command, target, arguments, outcome",
    "outbox_message": "address, sender, event_type, content, state, last_error",
    "direct_chat": "user_id, state",
    "application": "state, organisation, domain, interests, has_account, flags, account, mail, tries, decided_by",
    "application_card": "room_id, purpose",
    "affiliation": "user_id, organisation, organisation_name, prefecture",
    "mail_message": "state, outcome",
    "welcome": "user_id, state, offers",
}
#: Where everything that came in must stand.
_HANDLED = "SELECT event_id, state, failures FROM inbox_event WHERE state != 'done' OR failures != 0"
#: On PostgreSQL: ends every other connection and waits for that, ten seconds at most.
_END_THE_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_PASS = (
    "UPDATE work SET leased_until = '2000-01-01 00:00:00.000000' WHERE lease IS NOT NULL",
    "UPDATE lane_lease SET leased_until = '2000-01-01 00:00:00.000000'",
)
#: Said to whoever has waited for five seconds, which depends on how fast this machine is now.
_WAITING = Renderer().render(say("I have taken this on and am working on it; the outcome follows here."), "ja").body


async def look(site: Site, database_url: str) -> list[str]:
    """Return one line for each fact."""
    seen = await site.rooms()
    names = {room.room_id: room.alias or "a room without an alias" for room in seen}
    lines = [f"bot is in {name}" for name in names.values()]
    for room in seen:
        lines += [
            f"{names[room.room_id]} state {event['type']} {event['state_key']} = {_text(event['content'])}"
            for event in room.state
        ]
        lines += [
            f"{names[room.room_id]} message of {event['sender']}: {event['content'].get('body')}"
            for event in room.messages
        ]
    lines += _records(database_url)
    names |= _references(database_url)
    texts = {_text(event["event_id"]): "EVENT" for room in seen for event in room.messages}
    return sorted(_plain(line, names | texts, site) for line in lines if _WAITING not in line)


def differences(expected: list[str], found: list[str]) -> list[str]:
    """Return what is missing (-) and what is too much (+)."""
    return [
        line for line in unified_diff(expected, found, n=0, lineterm="") if not line.startswith(("---", "+++", "@@"))
    ]


def pass_the_lease(database_url: str) -> None:
    """Let the time go by for which the killed process still held what it was working on."""
    with opened(database_url) as connection:
        if connection.dialect.name == "postgresql":
            # The server may not have noticed yet, and still be doing what it was asked last.
            connection.exec_driver_sql(_END_THE_OTHERS)
        for statement in _PASS if inspect(connection).has_table("work") else ():
            connection.exec_driver_sql(statement)


def _records(database_url: str) -> list[str]:
    with opened(database_url) as connection:
        lines = [f"not handled: {row}" for row in connection.exec_driver_sql(_HANDLED)]
        for table, columns in _RECORDS.items():
            rows = connection.exec_driver_sql(f"SELECT {columns} FROM {table}")  # noqa: S608 - names from above
            lines += [f"{table}: " + " | ".join(map(_cell, row)) for row in rows]
    return lines


def _references(database_url: str) -> dict[str, str]:
    with opened(database_url) as connection:
        return {row[0]: "REFERENCE" for row in connection.exec_driver_sql("SELECT reference FROM application")}


def _cell(value: Any) -> str:
    # SQLite gives JSON as text, PostgreSQL what is in it.
    if isinstance(value, str) and value.startswith(("{", "[")):
        value = json.loads(value)
    return _text(value) if isinstance(value, dict | list) else str(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _plain(line: str, names: dict[str, str], site: Site) -> str:
    for random, name in names.items():
        line = line.replace(random.strip('"'), name)
    # The chat that the bot opens is called by a random reference.
    line = re.sub(r"-chat-[0-9a-z]+", "-chat", line)
    return line.replace(site.installation.bot, "BOT").replace(site.installation.alias_prefix, "")
