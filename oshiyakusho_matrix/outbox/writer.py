"""Writes to the outbox: the one way in which anything is said, in the commit of whatever is its reason.

Implements ``interface.Outbox`` for everybody else. The language is settled here, so what lies in the outbox is what
will be sent, whatever becomes of the catalogue meanwhile.

A message's transaction id follows from what caused it (``Transaction.caused_by``): the event that is answered, the
answer that is owed. After a restore an event may be handled a second time, and then says the same under the same ids.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from oshiyakusho_matrix.core.clock import now as clock_now
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.core.trail import current_reference
from oshiyakusho_matrix.outbox.interface import ReplyTo
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.outbox.tables import SECRETARIAT, outbox_message
from oshiyakusho_matrix.store.lanes import RowState
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction


class DatabaseOutbox:
    """Keeps messages in the database; ``wake`` (of the sender) is called after each commit that holds one."""

    def __init__(self, renderer: Renderer, *, now: Callable[[], datetime] = clock_now) -> None:
        self._renderer = renderer
        self._now = now
        self._wake: Callable[[], None] | None = None

    def wakes(self, wake: Callable[[], None]) -> None:
        """Say whom to wake when there is something to send."""
        self._wake = wake

    async def reply(self, tx: Transaction, to: ReplyTo, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        """See ``Outbox.reply``. An ``m.notice``: answers of a bot call nobody."""
        relation: dict[str, Any] = {"m.in_reply_to": {"event_id": to.event_id}}
        if to.thread_root is not None:
            relation |= {"rel_type": "m.thread", "event_id": to.thread_root, "is_falling_back": True}
        content = self._content(text, to.language, msgtype="m.notice") | {"m.relates_to": relation}
        await self._keep(tx, to.room_id, content | _namespaced(extra))

    async def post(
        self,
        tx: Transaction,
        room_id: str,
        text: Text,
        *,
        language: str = "ja",
        calls: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """See ``Outbox.post``. An ``m.notice`` makes nobody's telephone ring, even with a mention."""
        content = self._content(text, language, msgtype="m.notice" if calls is None else "m.text")
        if calls is not None:
            content["m.mentions"] = {"user_ids": [calls]}
        await self._keep(tx, room_id, content | _namespaced(extra))

    async def tell_secretariat(self, tx: Transaction, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        """See ``Outbox.tell_secretariat``. ``m.text``, so that whoever wants to hear of everything there can."""
        await self._keep(tx, SECRETARIAT, self._content(text, "ja", msgtype="m.text") | _namespaced(extra))

    async def react(self, tx: Transaction, room_id: str, event_id: str, key: str) -> None:
        """See ``Outbox.react``."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        await self._keep(tx, room_id, {"m.relates_to": relation}, event_type="m.reaction")

    async def edit(self, tx: Transaction, room_id: str, event_id: str, text: Text, *, language: str = "ja") -> None:
        """See ``Outbox.edit``. What stands outside is for clients that know no edits."""
        content = self._content(text, language, msgtype="m.notice")
        relation = {"rel_type": "m.replace", "event_id": event_id}
        marked = {"body": f"* {content['body']}", "m.new_content": content, "m.relates_to": relation}
        await self._keep(tx, room_id, content | marked)

    async def redact(self, tx: Transaction, room_id: str, event_id: str) -> None:
        """See ``Outbox.redact``."""
        await self._keep(tx, room_id, {"redacts": event_id}, event_type="m.room.redaction")

    def _content(self, text: Text, language: str, *, msgtype: str) -> dict[str, Any]:
        # m.mentions is always there: without it clients look for names in the text and call the wrong people.
        return {"msgtype": msgtype, **self._renderer.render(text, language).content(), "m.mentions": {}}

    async def _keep(
        self, tx: Transaction, address: str, content: Mapping[str, Any], *, event_type: str = "m.room.message"
    ) -> None:
        present = self._now()
        await tx.connection.execute(
            upsert(tx.connection, outbox_message)
            .values(
                address=address,
                event_type=event_type,
                content=content,
                transaction_id=f"och-{tx.new_name()}",
                state=RowState.PENDING,
                attempts=0,
                failures=0,
                due_at=present,
                created_at=present,
                reference=current_reference(),
            )
            # What is here under this id has been said.
            .on_conflict_do_nothing(index_elements=["transaction_id"])
        )
        if self._wake is not None:
            tx.after_commit(self._wake)


def _namespaced(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    for key in extra or {}:
        if key.startswith("m.") or "." not in key:
            raise ValueError(f"{key} is not a namespaced key of ours")
    return dict(extra or {})
