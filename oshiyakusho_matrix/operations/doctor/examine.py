"""Examines an installation: what is set, what is stored, what the homeserver says, and how to mend what is wrong.

``installation`` calls ``examine`` with the instruments that it has built; ``cli.py`` prints what comes back. Nothing is
changed. What cannot be looked at because something before it failed is left out.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from oshiyakusho_matrix.core.errors import CityHallError, Misconfigured
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.catalogue import load_declaration
from oshiyakusho_matrix.homeserver.interface import DoctorHomeserver, Forbidden, Operations, SignUp
from oshiyakusho_matrix.operations.doctor import homeserver as matrix
from oshiyakusho_matrix.operations.doctor.findings import Examination, Verdict, failed, fine, reason_of, warning
from oshiyakusho_matrix.operations.doctor.limits import InForce, limits_in_force
from oshiyakusho_matrix.operations.doctor.reception import check_accounts, check_key, check_mail
from oshiyakusho_matrix.operations.doctor.records import check_parked, check_records
from oshiyakusho_matrix.operations.doctor.rooms import check_forgotten
from oshiyakusho_matrix.reconcile.found_rooms import Eyes
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.reading import at
from oshiyakusho_matrix.status.parking import Parked
from oshiyakusho_matrix.status.troubles import Trouble


async def _nothing() -> Sequence[Any]:
    return ()


async def _no_mail() -> None:
    return None


async def _no_accounts() -> SignUp:
    return SignUp.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """What the doctor looks with.

    ``database`` opens it, checks that its revision fits the code and returns the revision, None if it is empty
    (``Misconfigured`` or ``Temporary`` if it does not fit). ``managed_rooms`` lists the rooms that the records know,
    ``office`` is which of them is 事務局室, ``porch`` which is 玄関, where people knock.
    ``routes`` are those of the application service API; only the ping among them is served, and only if the service
    is not running. ``homeserver_config`` is the path of homeserver.yaml, if the operator gave it. ``records`` tells
    which cannot be read, ``parked`` what was set aside, ``missing_keys`` which keys the database needs and are not
    there. ``mail`` talks to the mail server of the settings, and raises ``MailDelayed`` if that is of no use.
    ``accounts`` asks whoever makes accounts, and tells who else can.
    """

    operations: Operations
    reader: Eyes
    homeserver: DoctorHomeserver
    database: Callable[[], Awaitable[str | None]]
    managed_rooms: Callable[[], Awaitable[Sequence[tuple[RoomAlias, RoomId]]]]
    office: Callable[[], Awaitable[RoomId | None]]
    porch: Callable[[], Awaitable[RoomId | None]]
    routes: Sequence[web.AbstractRouteDef]
    homeserver_config: Path | None = None
    records: Callable[[], Awaitable[Sequence[Trouble]]] = _nothing
    parked: Callable[[], Awaitable[Sequence[Parked]]] = _nothing
    missing_keys: Callable[[], Awaitable[Sequence[str]]] = _nothing
    mail: Callable[[], Awaitable[None]] = _no_mail
    accounts: Callable[[], Awaitable[SignUp]] = _no_accounts


async def examine(settings: Settings, instruments: Instruments) -> list[Examination]:
    """Look at everything that can be looked at, from the inside outwards."""
    found = check_settings(settings)
    rooms, wanted = check_rooms(settings)
    database, has_tables = await check_database(instruments.database)
    found += [rooms, database]
    if has_tables:
        found += await check_records(instruments.records)
        found += await check_parked(instruments.parked)
    found.append(await check_key(settings, instruments.missing_keys if has_tables else _nothing))
    found.append(await check_mail(settings, instruments.mail))
    if instruments.homeserver_config is not None:
        found += check_limits(instruments.homeserver_config)
    reachable = await matrix.check_versions(settings, instruments.operations)
    found.append(reachable)
    if reachable.verdict is Verdict.FAILED:
        return found
    found.append(await matrix.check_clock(instruments.homeserver))
    token = await matrix.check_token(settings, instruments.operations)
    found.append(token)
    if token.verdict is Verdict.FAILED:
        return found
    if settings.accounts is not None:
        found.append(await check_accounts(settings.accounts, instruments.accounts))
    found.append(await matrix.check_way_back(settings, instruments.operations, instruments.routes))
    found.append(await matrix.check_exemption(instruments.homeserver))
    if wanted:
        found.append(await matrix.check_room_versions(instruments.homeserver, wanted))
    if database.verdict is not Verdict.FAILED:
        found += await _check_power(settings, instruments, has_tables)
        if has_tables:
            found += await _check_office(settings, instruments)
            found += await _check_entrance(instruments)
    return found


def check_settings(settings: Settings) -> list[Examination]:
    """The settings were read, so they are valid; what remains is who else can read them."""
    return [
        fine("settings", say("{file} is valid.", file=str(settings.config))),
        *(
            warning(
                "settings",
                say("{file} holds secrets, and every account of this machine may read it.", file=str(file)),
                say("Run `chmod o= {file}`.", file=str(file)),
            )
            for file in settings.open_files
        ),
    ]


def check_rooms(settings: Settings) -> tuple[Examination, frozenset[str]]:
    """Is the declared city hall valid? Also returns the room versions that it uses."""
    try:
        declaration = load_declaration(settings.rooms)
    except Misconfigured as error:
        mend = say("Correct the files; `rooms check` lists every mistake with its line.")
        return failed("rooms", reason_of(error), mend), frozenset()
    kinds = declaration.kinds.values()
    wanted = frozenset(rule.room_version for kind in kinds for rule in (kind.space, *kind.rooms))
    return fine("rooms", say("The city hall is declared. Spaces: {count}", count=len(declaration.spaces))), wanted


async def check_database(database: Callable[[], Awaitable[str | None]]) -> tuple[Examination, bool]:
    """Can the database be opened, and does it fit the code? Also returns whether there are tables to read."""
    try:
        revision = await database()
    except CityHallError as error:
        mend = say("Look whether the database runs and whether database_url leads to it; then run `db upgrade`.")
        return failed("database", reason_of(error), mend), False
    if revision is None:
        return fine("database", say("The database is empty; the first start sets it up.")), False
    return fine("database", say("The database is at revision {revision}.", revision=revision)), True


def check_limits(homeserver_config: Path) -> list[Examination]:
    """Which rate limits hold for members, and where will they suffer?"""
    if (why := _why_unreadable(homeserver_config)) is not None:
        mend = say(
            "Give --homeserver-config the path of homeserver.yaml, or of a copy of its rc_ part that this account may "
            "read."
        )
        return [failed("limits", why, mend)]
    try:
        return [_limit(limit) for limit in limits_in_force(homeserver_config)]
    except Misconfigured as error:
        return [failed("limits", reason_of(error), say("Give --homeserver-config the path of homeserver.yaml."))]


def _why_unreadable(file: Path) -> Text | None:
    try:
        file.open("rb").close()
    except FileNotFoundError:
        return say("There is no file {file}.", file=at(file))
    except IsADirectoryError:
        return say("{file} is a directory.", file=at(file))
    except OSError:
        return say("{file} cannot be read by the account that runs this.", file=at(file))
    return None


def _limit(found: InForce) -> Examination:
    limit = found.limit
    name = f"limit:{limit.key}"
    values = {"limit": limit.key, "rate": f"{found.per_second:g}", "burst": f"{found.burst:g}"}
    if not found.hurts:
        return fine(name, say("{limit}: {rate} per second, {burst} at once.", **values))
    minutes = f"{found.seconds / 60:.0f}" if found.seconds != float("inf") else "∞"
    rate, burst = limit.better
    return warning(
        name,
        say(
            "{limit}: {rate} per second, {burst} at once. So {what} takes {minutes} minutes.",
            what=limit.meaning,
            minutes=minutes,
            **values,
        ),
        say(
            "Set {limit} in homeserver.yaml to per_second: {rate}, burst_count: {burst}, and restart the homeserver.",
            limit=limit.key,
            rate=f"{rate:g}",
            burst=burst,
        ),
    )


async def _check_power(settings: Settings, instruments: Instruments, has_tables: bool) -> list[Examination]:
    try:
        rooms = await instruments.managed_rooms() if has_tables else ()
    except CityHallError as error:
        return [failed("power", reason_of(error), say("Run doctor again."))]
    if not rooms:
        mend = say("Run `rooms apply`, or start the service.")
        return [warning("power", say("No room has been made yet."), mend)]
    found = await matrix.check_power(instruments.reader, settings.bot, rooms)
    return [*found, await check_forgotten(instruments.reader, [room_id for _, room_id in rooms])]


async def _check_office(settings: Settings, instruments: Instruments) -> list[Examination]:
    """Is anybody in 事務局室? Without, nobody commands, and nobody reads who knocks."""
    try:
        office = await instruments.office()
        # Until it is made, and where the bot is not inside, ``power`` says so.
        state = await instruments.reader.room_state(office) if office is not None else None
    except Forbidden:
        return []
    except CityHallError as error:
        return [failed("office", reason_of(error), say("Run doctor again."))]
    if state is None:
        return []
    places = {e.state_key: e.content.get("membership") for e in state if e.type == "m.room.member"}
    inside = [user for user, place in places.items() if place == "join" and user != settings.bot]
    if inside:
        return [fine("office", say("People in the secretariat's room: {count}.", count=len(inside)))]
    invited = sorted(user for user, place in places.items() if place == "invite")
    if invited:
        found = say("Nobody is in the secretariat's room yet. Invited: {users}", users=", ".join(invited))
        mend = say("Let one of them accept the invitation in their Matrix client.")
    else:
        found = say(
            "Nobody is in the secretariat's room, and nobody is invited: knocks and reports are read by nobody."
        )
        mend = say(
            "Restart `serve`: it invites those again whom `secretariat` in the settings names, unless they were "
            "removed from the secretariat. If they all were, name another account there first."
        )
    return [warning("office", found, mend)]


async def _check_entrance(instruments: Instruments) -> list[Examination]:
    """Do people knock at a room of its own? In a city hall that an earlier version made they knock at the hall."""
    try:
        if await instruments.office() is None or await instruments.porch() is not None:
            return []
    except CityHallError as error:
        return [failed("entrance", reason_of(error), say("Run doctor again."))]
    return [
        warning(
            "entrance",
            say("People knock at the hall itself: whoever takes the knock back may read who is inside."),
            say(
                "Run `rooms check`: `kinds.yaml` needs a room with join_rule: knock and audience: nobody, and the hall "
                "itself join_rule: invite, as in the files of this version. Then run `rooms apply`, and restart the "
                "service."
            ),
        )
    ]
