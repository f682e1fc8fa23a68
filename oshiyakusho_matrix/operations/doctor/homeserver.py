"""The examinations that talk to the homeserver: versions, token, the way back, clock, limits, the bot's power.

``doctor.examine`` runs them in this order. Each reads only; each error of the homeserver becomes a failed examination.
"""

import asyncio
import errno
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import CityHallError, Misconfigured
from oshiyakusho_matrix.core.ids import RoomAlias, RoomId, UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.homeserver.creation import creator_is_listed
from oshiyakusho_matrix.homeserver.interface import (
    DoctorHomeserver,
    Forbidden,
    Operations,
    RoomReader,
    StateEvent,
)
from oshiyakusho_matrix.operations.doctor.findings import Examination, failed, fine, reason_of, warning
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.values import Listen

#: The first version of the specification with the ping of application services; restricted rooms came before.
OLDEST_SPECIFICATION = (1, 7)
#: Beyond this, dates in messages and the order of events confuse people.
CLOCK_TOLERANCE = timedelta(seconds=5)
_PING = "/_matrix/app/v1/ping"


async def check_versions(settings: Settings, operations: Operations) -> Examination:
    """Is the homeserver there, and does it speak a specification that is new enough?"""
    url = settings.homeserver.url
    try:
        versions = await operations.versions()
    except CityHallError as error:
        mend = say("Look whether the homeserver runs and whether homeserver.url ({url}) leads to it.", url=url)
        return failed("homeserver", reason_of(error), mend)
    newest = max((_version(version) for version in versions), default=(0, 0))
    if newest < OLDEST_SPECIFICATION:
        found = say("The homeserver speaks Matrix {version}; v1.7 is needed.", version=f"v{newest[0]}.{newest[1]}")
        return failed("homeserver", found, say("Upgrade the homeserver."))
    found = say("{url} answers and speaks Matrix {version}.", url=url, version=f"v{newest[0]}.{newest[1]}")
    return fine("homeserver", found)


async def check_token(settings: Settings, operations: Operations) -> Examination:
    """Does the homeserver take our as_token for the bot?"""
    mend = say(
        "Compare registration.yaml with the copy that the homeserver loads (app_service_config_files), then restart it."
    )
    try:
        found = await operations.whoami()
    except CityHallError as error:
        return failed("as_token", reason_of(error), mend)
    if found != settings.bot:
        said = say("The as_token is taken for {found}, and should be for {bot}.", found=found, bot=settings.bot)
        return failed("as_token", said, mend)
    return fine("as_token", say("The homeserver takes our as_token for {bot}.", bot=settings.bot))


async def check_way_back(
    settings: Settings, operations: Operations, routes: Sequence[web.AbstractRouteDef]
) -> Examination:
    """Does the homeserver reach us, with the hs_token that we expect? Listens for it if nobody does."""
    url = settings.registration.url or "–"
    try:
        async with _listening(settings.listen, routes):
            took = await operations.ping(settings.registration.id, f"doctor-{secrets.token_hex(8)}")
    except CityHallError as error:
        return failed("way back", reason_of(error), _mend_way_back(error, url, settings))
    return fine("way back", say("The homeserver reaches us at {url} in {took} ms.", url=url, took=took))


def _mend_way_back(error: CityHallError, url: str, settings: Settings) -> Text:
    if isinstance(error, Misconfigured):
        return say("Set listen to an address of this machine.")
    if "M_BAD_STATUS" in str(error):
        return say(
            "Something answers at {url} and refuses: compare hs_token with the homeserver's copy of the registration, "
            "and see that no other program listens there.",
            url=url,
        )
    return say(
        "From the homeserver's machine, {url} (url in the homeserver's copy of the registration) must lead to {listen} "
        "here; look at addresses, containers and firewalls, and restart the homeserver after a change.",
        url=url,
        listen=str(settings.listen),
    )


@asynccontextmanager
async def _listening(listen: Listen, routes: Sequence[web.AbstractRouteDef]) -> AsyncIterator[None]:
    """Answer pings while the service is not running. Transactions get 503: the homeserver keeps them."""

    async def later(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"errcode": "M_UNKNOWN", "error": "doctor is here, not the service"}, status=503)

    application = web.Application()
    application.add_routes([route for route in routes if isinstance(route, web.RouteDef) and route.path == _PING])
    application.router.add_route("*", "/{rest:.*}", later)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host, listen.port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:  # in use: the service itself runs, or whoever the ping will expose
                raise Misconfigured(f"listen: {listen} cannot be opened here ({error.strerror}).") from None
        yield
    finally:
        await runner.cleanup()


async def check_clock(homeserver: DoctorHomeserver) -> Examination:
    """Do our clock and the homeserver's agree, as far as a date to the second can tell?"""
    before = now()
    try:
        theirs = await homeserver.server_time()
    except CityHallError as error:
        return failed("clock", reason_of(error), say("Run doctor again."))
    after = now()
    mend = say("Set both machines' clocks by NTP (systemd-timesyncd or chrony).")
    if theirs is None:
        return warning("clock", say("The homeserver's answers carry no date, so the clocks cannot be compared."), mend)
    # The date is cut to the second, and was taken at some moment between before and after.
    too_fast, too_slow = before - (theirs + timedelta(seconds=1)), theirs - after
    apart = max(too_fast, too_slow, timedelta(0))
    if apart > CLOCK_TOLERANCE:
        found = say("Our clock and the homeserver's are {seconds} seconds apart.", seconds=round(apart.total_seconds()))
        return warning("clock", found, mend)
    return fine("clock", say("Our clock and the homeserver's agree."))


async def check_exemption(homeserver: DoctorHomeserver) -> Examination:
    """Does ``rate_limited: false`` of the registration hold? Otherwise making the rooms takes hours."""
    try:
        limited = await homeserver.is_rate_limited()
    except CityHallError as error:
        return failed("rate limit of the bot", reason_of(error), say("Run doctor again."))
    if limited:
        return failed(
            "rate limit of the bot",
            say("The homeserver holds the bot back with its rate limits."),
            say("Put `rate_limited: false` into the homeserver's copy of the registration and restart it."),
        )
    return fine("rate limit of the bot", say("The homeserver does not hold the bot back."))


async def check_room_versions(homeserver: DoctorHomeserver, wanted: frozenset[str]) -> Examination:
    """Can the homeserver make the rooms that ``kinds.yaml`` asks for?"""
    try:
        missing = wanted - await homeserver.room_versions()
    except CityHallError as error:
        return failed("room versions", reason_of(error), say("Run doctor again."))
    if missing:
        return failed(
            "room versions",
            say("The homeserver cannot make rooms of version {versions}.", versions=", ".join(sorted(missing))),
            say("Upgrade the homeserver, or choose another room_version in kinds.yaml."),
        )
    found = say("The homeserver can make rooms of version {versions}.", versions=", ".join(sorted(wanted)))
    return fine("room versions", found)


async def check_power(reader: RoomReader, bot: UserId, rooms: Sequence[tuple[RoomAlias, RoomId]]) -> list[Examination]:
    """May the bot do its work in every managed room? One examination for each where not, else one for all."""
    weak = [found for found in await asyncio.gather(*(_power_in(reader, bot, *room) for room in rooms)) if found]
    return weak or [fine("power", say("The bot may do its work in every room. Rooms: {count}", count=len(rooms)))]


async def _power_in(reader: RoomReader, bot: UserId, alias: RoomAlias, room_id: RoomId) -> Examination | None:
    name = f"power:{alias}"
    try:
        state = await reader.room_state(room_id)
    except Forbidden:
        mend = say("Let somebody with power in the room invite the bot, then run `rooms apply`.")
        return failed(name, say("The bot is not in {room}.", room=alias), mend)
    except CityHallError as error:
        return failed(name, reason_of(error), say("Run doctor again."))
    has, needs = power_of(bot, state)
    if has >= needs:
        return None
    found = say("In {room} the bot has power {has} and needs {needs}.", room=alias, has=int(has), needs=int(needs))
    mend = say("Let somebody with that power in the room raise the bot's, then run `rooms apply`.")
    return failed(name, found, mend)


def power_of(user: UserId, state: Sequence[StateEvent]) -> tuple[float, float]:
    """Return the power that a user has in a room and the most that any action there needs; creators have infinite."""
    by_type = {event.type: event for event in state if event.state_key == ""}
    create, levels = by_type.get("m.room.create"), by_type.get("m.room.power_levels")
    content = levels.content if levels else {}
    users, special = _mapping(content.get("users")), _mapping(content.get("events"))
    is_creator, reigns = _creator(user, create)
    if is_creator and (reigns or levels is None):
        return float("inf"), 0.0
    has = _level(users.get(user), content.get("users_default"), 0)
    single = [_level(content.get(key), None, 50) for key in ("state_default", "ban", "kick", "redact")]
    events = [_level(level, None, 0) for level in special.values()]
    return has, max(*single, _level(content.get("invite"), None, 0), *events)


def _creator(user: UserId, create: StateEvent | None) -> tuple[bool, bool]:
    """Tell whether a user made a room, and whether that outranks all levels there."""
    if create is None:
        return False, False
    version = str(create.content.get("room_version", "1"))
    # Creators who are not listed stand above all power levels (MSC4289). Of versions unknown to us we do not claim it.
    reigns = version.isascii() and version.isdigit() and not creator_is_listed(version)
    also = create.content.get("additional_creators") if reigns else None
    return user == create.sender or (isinstance(also, (list, tuple)) and user in also), reigns


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _level(value: object, default: object, otherwise: int) -> float:
    """Read a power level; old rooms may hold them as text."""
    for candidate in (value, default):
        if isinstance(candidate, (int, float)):
            return float(candidate)
        if isinstance(candidate, str) and candidate.strip().lstrip("-").isdecimal():
            return float(candidate)
    return float(otherwise)


def _version(text: str) -> tuple[int, int]:
    """Read ``v1.11``; what is none (``r0.6.1``) counts as older than everything."""
    major, _, minor = text.removeprefix("v").partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)
