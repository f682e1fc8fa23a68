"""The stages and the rooms for news, for those who give talks and announce them: see ``roster.stages``."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.divisions.domain import Kind, Lifecycle, Posting, RoomRule
from oshiyakusho_matrix.divisions.tables import kinds, mandates, space
from oshiyakusho_matrix.roster.domain import ManagedRoom
from oshiyakusho_matrix.roster.stages import House, Stage
from oshiyakusho_matrix.roster.tables import current_among, managed_rooms, room_in_role


async def house(connection: AsyncConnection) -> House:
    """Read where talks can be given and announced now, and who may give them."""
    known = await kinds(connection)
    hall = await room_in_role(connection, "hall")
    spaces = (
        await connection.execute(
            select(space).where(space.c.lifecycle == Lifecycle.ACTIVE).order_by(space.c.position, space.c.slug)
        )
    ).all()
    concerned = [row for row in spaces if row.kind in known and _concerns_talks(known[row.kind])]
    owners = {f"space:{row.slug}" for row in concerned}
    rooms = {(r.owner, r.key): r for r in await managed_rooms(connection, owners=owners)}
    stages: dict[str, Stage] = {}
    news: dict[str, RoomId] = {}
    hosts = set[UserId]()
    for row in concerned:
        owner, kind = f"space:{row.slug}", known[row.kind]
        for rule in kind.rooms:
            made = rooms.get((owner, rule.key))
            if rule.news and made is not None and made.room_id is not None:
                news[row.slug] = made.room_id
            if rule.posting is Posting.SPEAKERS and made is not None:
                stages[rule.stage] = _stage(rule, made, rooms.get((owner, _seats_of(kind, rule.stage))))
        if any(rule.stage for rule in kind.rooms):
            held = await mandates(connection, now(), slug=row.slug)
            hosts |= (await current_among(connection, {each.user_id for each in held})).keys()
    return House(
        hall=hall.owner.removeprefix("space:") if hall is not None else "", stages=stages, news=news, hosts=hosts
    )


def _concerns_talks(kind: Kind) -> bool:
    return any(rule.stage or rule.news for rule in kind.rooms)


def _seats_of(kind: Kind, stage: str) -> str:
    return next((rule.key for rule in kind.rooms if rule.stage == stage and rule.posting is not Posting.SPEAKERS), "")


def _stage(rule: RoomRule, studio: ManagedRoom, seats: ManagedRoom | None) -> Stage:
    return Stage(
        name=rule.stage,
        ja=rule.name.ja,
        en=rule.name.en,
        studio=studio.alias_localpart,
        studio_id=studio.room_id,
        seats_id=seats.room_id if seats is not None else None,
    )
