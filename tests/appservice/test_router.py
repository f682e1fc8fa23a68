"""The router: every listener of an event looks before any writes, and all writes are one."""

from oshiyakusho_matrix.appservice.border import ClientEvent
from oshiyakusho_matrix.appservice.interface import InboundEvent, Listener, Write
from oshiyakusho_matrix.appservice.router import Router
from oshiyakusho_matrix.core.ids import EventId, RoomId, UserId
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction


def event(kind: str, state_key: str | None = None) -> InboundEvent:
    return InboundEvent("ABCD2345", EventId("$e"), RoomId("!r"), UserId("@hanako:example.jp"), kind, {}, state_key)


def listener(name: str, log: list[str], *, writes: bool = True) -> Listener:
    async def listen(event: InboundEvent) -> Write | None:
        log.append(f"{name} looks")

        async def write(_tx: Transaction) -> None:
            log.append(f"{name} writes")

        return write if writes else None

    return listen


async def test_all_look_then_all_write_in_the_order_of_the_table(store: Store) -> None:
    log: list[str] = []
    router = Router(
        {"m.room.member": [listener("doorman", log), listener("idler", log, writes=False)]},
        every_state=[listener("watch", log)],
    )
    write = await router(event("m.room.member", "@hanako:example.jp"))
    assert log == ["doorman looks", "idler looks", "watch looks"]
    assert write is not None
    async with store.transaction() as tx:
        await write(tx)
    assert log[3:] == ["doorman writes", "watch writes"]


async def test_who_listens_is_decided_by_type_and_by_being_state() -> None:
    log: list[str] = []
    router = Router({"m.room.message": [listener("commands", log)]}, every_state=[listener("watch", log)])
    assert await router(event("m.reaction")) is None
    assert log == []
    await router(event("m.room.message"))
    await router(event("m.room.name", ""))
    assert log == ["commands looks", "watch looks"]


async def test_nothing_to_write_is_none() -> None:
    router = Router({"m.room.message": [listener("idler", [], writes=False)]})
    assert await router(event("m.room.message")) is None


def test_the_border_knows_every_field_that_an_event_needs() -> None:
    assert {"event_id", "room_id", "sender", "type", "state_key", "content", "unsigned"} <= set(
        ClientEvent.model_fields
    )
