"""A city hall to test with: what ``init`` writes, a small hall in it, its own Synapse, and all that ``serve`` runs.

Everything is the product's own: the registration that Synapse loads, ``config.yaml``, the listeners, the migrations.
Only the declared hall is small, so that it stands within seconds. ``conftest`` keeps one city for each database.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml
from sqlalchemy import select

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.appservice.tables import inbox_event
from oshiyakusho_matrix.core.ids import RoomId, UserId
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.operations.installation import Order, write_installation
from oshiyakusho_matrix.operations.serving import running
from oshiyakusho_matrix.roster.tables import managed_rooms
from oshiyakusho_matrix.settings import Settings, load_settings
from tests.e2e.waiting import SOON, eventually
from tests.support.homeservers import Authority
from tests.support.mail import SENDER, Mailbox, mail_server
from tests.support.ports import ReservedPort
from tests.support.users import MatrixError, MatrixUser

#: The broadcasts, two groups of divisions, one of circles; three divisions; two circles. Their rooms are as shipped.
CITYHALL = """\
hall:
  slug: cityhall
  name: {ja: 市役所, en: City Hall}
  purpose: {ja: 公務員が学び合うところです。, en: Where public servants learn from one another.}
groups:
  - slug: housou
    kind: broadcasts
    name: {ja: 庁内放送, en: Broadcasts}
    purpose: {ja: お話を聞くところです。, en: Talks to listen to.}
  - slug: kikaku
    name: {ja: 企画・行政運営, en: Planning}
    purpose: {ja: 役所の土台です。, en: The groundwork.}
  - slug: zei
    name: {ja: 税・債権, en: Taxes}
    purpose: {ja: 税の課です。, en: Taxes.}
  - slug: kenjinkai
    name: {ja: 都道府県人会, en: Circles}
    purpose: {ja: ゆかりの地の集まりです。, en: By prefecture.}
"""
KENJINKAI = """\
kind: kenjinkai
group: kenjinkai
purpose: {ja: "{name}です。", en: "The {name}."}
circles:
  - slug: kenjinkai-13
    name: {ja: 東京都人会, en: Tokyo Circle}
  - slug: kenjinkai-27
    name: {ja: 大阪府人会, en: Osaka Circle}
"""
DIVISIONS = {
    "zaisei": ("みんなの財政課", "Everyone's Finance Division", "kikaku"),
    "koho": ("広報課", "Public Relations Division", "kikaku"),
    "shiminzei": ("市民税課", "Residents' Tax Division", "zei"),
}


@dataclass(frozen=True)
class City:
    """A running city hall with its homeserver ``hub``, a federated ``neighbour``, and two of the secretariat.

    The ``secretary`` is the one that ``init`` was told of and reads Japanese; the ``clerk`` chose English. All its mail
    goes to ``mailbox``.
    """

    app: CityHallApp
    settings: Settings
    hub: EmbeddedSynapse
    neighbour: EmbeddedSynapse
    secretary: MatrixUser
    clerk: MatrixUser
    mailbox: Mailbox

    @property
    def site(self) -> str:
        """Where the public pages are."""
        assert self.settings.public_url is not None
        return self.settings.public_url

    @property
    def bot(self) -> UserId:
        """The bot's user id."""
        return self.settings.bot

    @property
    def via(self) -> list[str]:
        """What a link into the hall says for users of other servers."""
        return [self.hub.server_name]

    def alias(self, localpart: str) -> str:
        """Return an alias of the hub, as links carry it."""
        return f"#{localpart}:{self.hub.server_name}"

    async def room(self, localpart: str) -> RoomId:
        """Return the id of a room, by the homeserver's own directory."""
        return RoomId(await self.secretary.resolve(self.alias(localpart)))

    async def gated_rooms(self) -> dict[str, RoomId]:
        """Return every room behind the gate that exists, by its alias's localpart."""
        async with self.app.store.reading() as connection:
            rooms = await managed_rooms(connection)
        return {room.alias_localpart: room.room_id for room in rooms if room.gated and room.room_id is not None}

    async def idle(self) -> None:
        """Wait until what has reached the service is handled, the rooms agree with the records, and all is said."""
        await self.app.inbox.idle()
        counts = await self.app.loop.settle_all(timedelta(seconds=SOON))
        assert counts.busy == 0, f"after {SOON} s {counts.busy} keys still have not settled"
        await self.app.sender.idle()
        assert self.app.mailer is not None
        await self.app.mailer.idle()

    async def handled(self, room_id: str, person: MatrixUser) -> None:
        """Wait until the service has dealt with somebody's membership of a room, as it is now."""
        state = await self.app.homeserver.room_state(RoomId(room_id))
        member = next(e for e in state if (e.type, e.state_key) == ("m.room.member", person.user_id))

        async def look() -> bool | None:
            async with self.app.store.reading() as connection:
                query = select(inbox_event.c.state).where(inbox_event.c.event_id == member.event_id)
                return await connection.scalar(query) == "done" or None

        await eventually(look, person, what="the event handled")
        await self.idle()

    async def admit(self, *people: MatrixUser, secretariat: bool = False) -> None:
        """Admit people by the records, and have each accept the invites that follow."""
        async with self.app.store.transaction() as tx:
            for person in people:
                await self.app.roster.admit(tx, person.user_id, by=self.bot, secretariat=secretariat)
        for person in people:
            await self.accept(person, *(("cityhall", "cityhall-jimukyoku") if secretariat else ("cityhall",)))

    async def accept(self, person: MatrixUser, *localparts: str) -> None:
        """Wait for somebody's invite into each room, join, and wait until the hub knows it too.

        Over federation either may be a moment late: the homeserver says 403 to who is faster.
        """
        for localpart in localparts:
            room_id = await self.room(localpart)
            await person.invited_to(room_id)

            async def joined(room_id: RoomId = room_id) -> bool | None:
                if await self.membership(room_id, person.user_id) == "join":
                    return True
                with suppress_forbidden():
                    await person.join(room_id, via=self.via)
                return None

            await eventually(joined, person, what=f"{person.user_id} in {localpart}")

    async def membership(self, room_id: str, user_id: UserId) -> str | None:
        """Return somebody's membership as the hub has it."""
        content = await self.app.homeserver.state_content(RoomId(room_id), "m.room.member", user_id)
        return None if content is None else str(content["membership"])

    def declare(self, slug: str, *, name: str, group: str = "kikaku", heads: tuple[str, ...] = ()) -> Path:
        """Write a division into the files; nothing is applied."""
        content = {
            "slug": slug,
            "name": {"ja": name, "en": name},
            "purpose": {"ja": f"{name}の集まりです。", "en": name},
            "group": group,
            "heads": list(heads),
        }
        path = self.settings.rooms / "divisions" / f"{slug}.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return path

    def undeclare(self, path: Path) -> None:
        """Take a division out of the files; nothing is applied."""
        path.unlink()


@contextmanager
def suppress_forbidden() -> Iterator[None]:
    """Pass over a refusal that may be too early."""
    try:
        yield
    except MatrixError as error:
        if error.errcode != "M_FORBIDDEN":
            raise


def new_slug(word: str = "ka") -> str:
    """Return a slug that no test has used: slugs are never used again."""
    return f"{word}-{secrets.token_hex(3)}"


def shrink(rooms: Path) -> None:
    """Replace the shipped hall that ``init`` copied by the small one; the shipped kinds stay."""
    (rooms / "cityhall.yaml").write_text(CITYHALL, encoding="utf-8")
    (rooms / "kenjinkai.yaml").write_text(KENJINKAI, encoding="utf-8")
    shutil.rmtree(rooms / "divisions")
    (rooms / "divisions").mkdir()
    for slug, (ja, en, group) in DIVISIONS.items():
        content = {"slug": slug, "name": {"ja": ja, "en": en}, "purpose": {"ja": ja, "en": en}, "group": group}
        (rooms / "divisions" / f"{slug}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


@asynccontextmanager
async def running_city(
    directory: Path, *, authority: Authority, neighbour: EmbeddedSynapse, database_url: str | None
) -> AsyncIterator[City]:
    """``init``, a Synapse with that registration, ``serve``; the hall stands when the context is entered."""
    ports = [ReservedPort() for _ in range(4)]
    client, federation, listen, web_listen = (port.open_to_listeners() for port in ports)
    hub = EmbeddedSynapse(
        directory / "synapse",
        server_name=f"localhost:{federation}",
        port=client,
        federation=authority.listener(federation),
        registrations=[directory / "city" / "registration.yaml"],
    )
    async with AsyncExitStack() as stack:
        for port in ports:
            stack.callback(port.release)
        mailbox = await stack.enter_async_context(mail_server())
        settings = _install(
            directory / "city",
            hub,
            listen=listen,
            web_listen=web_listen,
            database_url=database_url,
            mail_port=mailbox.port,
        )
        stack.push_async_callback(hub.stop)
        await hub.start()
        secretary = await MatrixUser.on(hub, "kanri", display_name="事務局の試験員")
        stack.push_async_callback(secretary.close)
        clerk = await MatrixUser.on(hub, "clerk", display_name="Clerk")
        stack.push_async_callback(clerk.close)
        app = await stack.enter_async_context(running(settings))
        city = City(app, settings, hub, neighbour, secretary, clerk, mailbox)
        await city.idle()
        await city.accept(secretary, "cityhall", "cityhall-jimukyoku")
        await city.admit(clerk, secretariat=True)
        office = await city.room("cityhall-jimukyoku")
        await clerk.answer(office, await clerk.say(office, "!language en"))
        await city.idle()
        yield city


def _install(
    directory: Path, hub: EmbeddedSynapse, *, listen: int, web_listen: int, database_url: str | None, mail_port: int
) -> Settings:
    write_installation(
        Order(
            directory=directory,
            homeserver_url=hub.url,
            server_name=hub.server_name,
            listen=f"127.0.0.1:{listen}",
            secretariat=[hub.user_id("kanri")],
            web_listen=f"127.0.0.1:{web_listen}",
            public_url=f"http://127.0.0.1:{web_listen}",
            mail={"host": "localhost", "port": mail_port, "security": "none", "sender": SENDER.address},
        )
    )
    config = directory / "config.yaml"
    if database_url is not None:
        with config.open("a", encoding="utf-8") as file:
            file.write(f"\ndatabase_url: {database_url}\n")
    config.chmod(0o600)
    shrink(directory / "rooms")
    return load_settings(config)


@asynccontextmanager
async def in_its_own_task(living: AbstractAsyncContextManager[City]) -> AsyncIterator[City]:
    """Keep a city open in one task: pytest enters and leaves a fixture in two, which a task group must not be."""
    stands: asyncio.Future[City] = asyncio.get_running_loop().create_future()
    enough = asyncio.Event()

    async def live() -> None:
        async with living as city:
            stands.set_result(city)
            await enough.wait()

    life = asyncio.create_task(live())
    life.add_done_callback(lambda _: stands.cancel())
    try:
        yield await stands
    finally:
        enough.set()
        await life
