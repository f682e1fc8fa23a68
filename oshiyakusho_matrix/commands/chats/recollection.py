"""Direct chats, written down anew from the rooms that the bot is in, when the database was lost.

Called by ``operations.rebuild``. A room without a label of ours, that somebody else made, with one other person in it,
is a chat with them: the bot joins no other rooms of other people.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import insert

from oshiyakusho_matrix.commands.chats.listeners import chat_key
from oshiyakusho_matrix.commands.chats.tables import direct_chat
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import reference_of
from oshiyakusho_matrix.reconcile.found_rooms import FoundRoom
from oshiyakusho_matrix.reconcile.interface import Work
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: What the locator of a chat that the bot opened begins with.
CHAT: Final = "chat:"


async def recollect_chats(tx: Transaction, work: Work, found: Sequence[FoundRoom]) -> set[str]:
    """Enter the chats among the rooms found, and leave those where nobody is any more; return their rooms' ids."""
    taken = set[str]()
    for room in found:
        values = _chat(room)
        if values is None:
            continue
        await tx.connection.execute(insert(direct_chat).values(values | {"room_id": room.room_id, "since": now()}))
        if values["state"] == "leaving":
            await work.ask(tx, chat_key(values["reference"]))
        taken.add(room.room_id)
    return taken


def _chat(room: FoundRoom) -> dict[str, Any] | None:
    own = room.key.startswith(CHAT)
    if not own and (room.key or room.by_bot):
        return None
    inside, gone = room.people("join", "invite"), room.people("leave", "ban")
    others = inside or gone
    if len(others) != 1:
        return None
    # The address of a chat that the bot opened ends with its reference: it is found, not made again.
    reference = room.key.rpartition("-")[2].upper() if own else reference_of("chat room", room.room_id)
    state = "leaving" if not inside else "led on" if room.encrypted else "open"
    return {
        "reference": reference,
        "user_id": others[0],
        "direct": True,
        "encrypted": room.encrypted,
        "own": own,
        "state": state,
    }
