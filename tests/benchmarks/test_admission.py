"""Approving 2,300 applications against as many bare invites, and how soon an approved applicant sees the invite.

Both on one Synapse, into the same hall, in turns: rooms grow slower as they fill, so each meets the same room. Mailbox
and account are proven beforehand; what is timed begins with the decision, as ``!application approve`` makes it.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.registration.composition import Policy, Reception, Registration
from oshiyakusho_matrix.registration.tables import application
from oshiyakusho_matrix.roster.tables import room_in_role
from tests.benchmarks.community import Size, write_files
from tests.benchmarks.floor import AT_ONCE, median
from tests.registration.desk import form_of
from tests.support.mail import SENDER
from tests.support.shipped_hall import SERVER, TOKEN, composed, fresh_synapse
from tests.support.users import MatrixUser

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "2300"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
SEEN = int(os.environ.get("BENCH_SEEN", "100"))
SECRETARY = UserId(f"@kanri:{SERVER}")


class Nowhere:
    """A mail server that takes everything at once: mail is not what is measured."""

    sender: Sender = SENDER
    longest = timedelta(seconds=1)

    async def deliver(self, message: EmailMessage, to: str) -> None:
        """Take it."""


async def ready(app: CityHallApp, users: Sequence[UserId]) -> list[str]:
    """File applications of these accounts that wait for a decision; return their references."""
    assert isinstance(app.registration, Registration)
    references = []
    for number, user in enumerate(users):
        form = form_of(f"person{user[1:].partition(':')[0]}")
        # A domain gets so many codes an hour; mail is not what is measured.
        office = replace(form, domain=f"office{users[0][1:].partition('x')[0]}-{number // 200}.example")
        async with app.store.transaction() as tx:
            ticket = await app.registration.desk.file(tx, office, token=f"{user}{number}")
            done = {
                "state": "submitted",
                "account": user,
                "domain": form.domain,
                "mailbox_proven_at": application.c.created_at,
            }
            done |= {"account_proven_at": application.c.created_at, "submitted_at": application.c.created_at}
            changed = application.update().where(application.c.reference == ticket.reference).values(done)
            await tx.connection.execute(changed)
        references.append(ticket.reference)
    await settle(app)
    return references


async def settle(app: CityHallApp) -> None:
    """Wait until nothing is left to do."""
    assert app.mailer is not None
    await app.inbox.idle()
    await app.loop.settle_all(timedelta(minutes=10))
    await app.sender.idle()
    await app.mailer.idle()


async def ours(app: CityHallApp, references: Sequence[str]) -> float:
    """Approve applications; return the seconds until everybody is invited."""
    assert isinstance(app.registration, Registration)
    began = time.perf_counter()
    for reference in references:
        async with app.store.transaction() as tx:
            await app.registration.decisions.approve(tx, reference, by=SECRETARY)
    await app.loop.settle_all(timedelta(minutes=10), kinds=["member"])
    return time.perf_counter() - began


async def bare(url: str, hall: RoomId, users: Sequence[UserId]) -> float:
    """Invite people, eight at once, with nothing asked and nothing kept; return the seconds."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:

        async def invite(user: UserId) -> None:
            path = f"{url}/_matrix/client/v3/rooms/{quote(hall)}/invite"
            async with turns, session.post(path, json={"user_id": user}) as response:
                response.raise_for_status()
                await response.read()

        began = time.perf_counter()
        await asyncio.gather(*(invite(user) for user in users))
        return time.perf_counter() - began


@pytest.mark.bench
async def test_admissions_cost_little_more_than_bare_invites(tmp_path: Path) -> None:
    """Aim of the issue: within 1.1 times the floor; approval to invite: median below a second."""
    reception = Reception(
        sealer=Sealer(new_key()), mail=Nowhere(), policy=Policy(public_url="https://cityhall.example.jp")
    )
    files = write_files(tmp_path / "rooms", Size(0, 10))
    floors, admissions, seen = list[float](), list[float](), list[float]()
    async with (
        fresh_synapse(tmp_path) as (synapse, listen),
        composed(synapse.url, listen, tmp_path, rooms=files, secretariat=[SECRETARY], reception=reception) as app,
        app.working(),
    ):
        await app.open()
        await app.loop.settle_all(timedelta(minutes=5))
        async with app.store.reading() as connection:
            room = await room_in_role(connection, "hall")
        assert room is not None
        assert room.room_id is not None
        each = PEOPLE // ROUNDS
        for number in range(ROUNDS):
            people = [UserId(f"@k{number:02}x{each:04}:{SERVER}") for each in range(2 * each)]
            references = await ready(app, people[:each])
            # The hall grows, and an invite with it: each goes first in every second round.
            if number % 2 == 0:
                floors.append(await bare(synapse.url, room.room_id, people[each:]))
                admissions.append(await ours(app, references))
            else:
                admissions.append(await ours(app, references))
                floors.append(await bare(synapse.url, room.room_id, people[each:]))
            await settle(app)
        for number in range(SEEN):
            person = await MatrixUser.on(synapse, f"seen{number}")
            (reference,) = await ready(app, [person.user_id])
            waiting = asyncio.create_task(person.invited_to(room.room_id))
            await asyncio.sleep(0)
            began = time.perf_counter()
            async with app.store.transaction() as tx:
                assert isinstance(app.registration, Registration)
                await app.registration.decisions.approve(tx, reference, by=SECRETARY)
            await waiting
            seen.append(time.perf_counter() - began)
            await person.close()
    ratios = [a / b for a, b in zip(admissions, floors, strict=True)]
    print(f"\n{PEOPLE} people in {ROUNDS} rounds")
    print(f"floor  {[f'{s:.2f} s' for s in floors]} in all {sum(floors):.1f} s")
    print(f"ours   {[f'{s:.2f} s' for s in admissions]} in all {sum(admissions):.1f} s")
    print(
        f"ratio  {[f'{r:.2f}' for r in ratios]} median {median(ratios):.2f}, in all {sum(admissions) / sum(floors):.2f}"
    )
    ordered = sorted(seen)
    print(f"approval to invite seen: median {median(seen):.3f} s, p99 {ordered[int(len(ordered) * 0.99) - 1]:.3f} s")
