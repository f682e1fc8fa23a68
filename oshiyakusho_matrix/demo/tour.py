"""The tour: a stranger, a member and a secretary with real clients, and what each of them sees of the city hall.

Played by ``run`` for ``--tour`` on the demo's own city hall, which it leaves as it found it. Whatever is not as it must
be ends it with ``Permanent``.
"""

from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.ids import EventId, RoomId
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.demo.cast import HANAKO, PASSER_BY, SECRETARY, STRANGER, Passwords
from oshiyakusho_matrix.demo.places import Places, look_around, places_of
from oshiyakusho_matrix.demo.stage import Stage, must
from oshiyakusho_matrix.divisions.domain import Names
from oshiyakusho_matrix.homeserver.person import Event, Person
from oshiyakusho_matrix.roster.tables import find_member

_PATIENCE = timedelta(minutes=5)
#: What is added to a division's name for a while.
_ANNEX = "・別館"


async def play(app: CityHallApp, url: str, passwords: Passwords) -> None:
    """Play all scenes."""
    await _set_the_stage(app)
    async with AsyncExitStack() as stack:
        stranger, member, secretary = [
            await stack.enter_async_context(Person.logged_in(url, player.user_id, passwords[player]))
            for player in (STRANGER, HANAKO, SECRETARY)
        ]
        tour = _Tour(app, await look_around(app), stranger, member, secretary)
        await tour.prepare()
        await tour.at_the_gate()
        await tour.at_the_office()
        await tour.inside()
        await tour.in_the_division()
        await tour.business_of_the_office()
        await tour.farewell()


async def _set_the_stage(app: CityHallApp) -> None:
    """Have the stranger begin outside, though they were admitted; undo what a tour that was cut off has left."""
    async with app.store.transaction() as tx:
        found = await find_member(tx.connection, STRANGER.user_id)
        if found is not None and found.current:
            await app.roster.remove(tx, STRANGER.user_id, by=app.identity.bot)
        division = places_of(await app.hall.picture(tx)).favourite
        own = division.name.removesuffix(_ANNEX)
        if own != division.name:
            await app.hall.edit(tx, division.slug, name=Names(own, ""), purpose=Names("", ""), group=None)
    await app.loop.settle_all(_PATIENCE)


class _Tour:
    """The scenes, in order. One who plays the stranger is a member from the second to the last but one."""

    def __init__(self, app: CityHallApp, places: Places, stranger: Person, member: Person, secretary: Person) -> None:
        self.stage = Stage()
        self._app = app
        self._places = places
        self._division = places.favourite
        self._stranger = stranger
        self._member = member
        self._secretary = secretary

    async def prepare(self) -> None:
        """Bring everybody to where they begin."""
        with suppress(Permanent):  # refused unless a knock of an earlier visit still waits there: then it is taken back
            await self._stranger.leave(self._places.porch.id)
        for place in (self._places.hall, self._division.space, self._division.talk):
            await self._member.join(place.alias)
        for person in (self._stranger, self._member, self._secretary):
            await person.sync()

    async def at_the_gate(self) -> None:
        """The stranger sees a door, and nothing of what is behind it."""
        stage, places, stranger = self.stage, self._places, self._stranger
        stage.scene(say("1. Before the gate"))
        stage.does(STRANGER, say("opens the link to the entrance: {alias}", alias=places.porch.alias))
        shown = await stranger.hierarchy(await stranger.resolve(places.porch.alias))
        seen = {str(room.get("name")) for room in shown}
        must(seen == {places.porch.name}, "a stranger is shown another room than the entrance")
        stage.sees(say("A door: {names}. Not one name of a division.", names="、".join(sorted(seen))))
        for place in (places.hall, self._division.space):
            stage.does(STRANGER, say("tries a link that somebody passed on: {alias}", alias=place.alias))
            await stage.refused(
                stranger.join(place.alias),
                say("Refused: only members of the city hall come in."),
                otherwise="a stranger came in",
            )
        stage.does(STRANGER, say("knocks at the entrance"))
        await stranger.knock(places.porch.alias, "公務員です。中を見学させてください。")
        stage.sees(say("The request is under way; now they wait."))

    async def at_the_office(self) -> None:
        """The secretary hears of the knock and answers it with a command."""
        stage, secretary, office = self.stage, self._secretary, self._places.office
        stage.scene(say("2. The secretariat's room"))
        known = {event["event_id"] for event in secretary.timeline.get(office.id, ())}
        stage.does(SECRETARY, say("reads in {room}:", room=office.name))
        knock = await secretary.event(
            office.id,
            lambda event: event["event_id"] not in known and STRANGER.user_id in _body(event),
            what="the knock in the secretariat's room",
        )
        stage.reads(_body(knock))
        await self._ask(f"！会員　承認 {STRANGER.user_id}")

    async def inside(self) -> None:
        """Who was a stranger comes in, and each link opens in one step."""
        stage, places, newcomer = self.stage, self._places, self._stranger
        stage.scene(say("3. Inside"))
        await newcomer.invited_to(places.hall.id, what="the invitation into the city hall")
        stage.does(STRANGER, say("accepts the invitation and looks around in the lobby"))
        await newcomer.join(places.hall.alias)
        seen = {str(room.get("name")) for room in await newcomer.hierarchy(places.hall.id)}
        groups = [name for name in places.groups if name in seen]
        divisions = [division.name for division in places.divisions if division.name in seen]
        must(len(groups) == len(places.groups), "a member does not see all groups in the lobby")
        must(len(divisions) == len(places.divisions), "a member does not see all divisions in the lobby")
        stage.sees(say("{count} groups: {names}", count=len(groups), names="、".join(groups)))
        few = "、".join(divisions[:6])
        stage.sees(say("{count} divisions and circles behind them: {names} …", count=len(divisions), names=few))
        talk = self._division.talk
        stage.does(STRANGER, say("opens {name} by its link, and then {room}", name=self._division.name, room=talk.name))
        await newcomer.join(self._division.space.alias)
        await newcomer.join(talk.alias)
        stage.sees(say("Both open in one step: whoever is in the city hall needs no other key."))

    async def in_the_division(self) -> None:
        """Members talk; what a member may not do is refused."""
        stage, member, talk = self.stage, self._member, self._division.talk
        stage.scene(say("4. {room}", room=talk.name))
        text = "はじめまして。庁舎の更新費用の見積もり方を教えてください。"
        stage.does(STRANGER, say("writes:"))
        stage.reads(text)
        sent = await self._stranger.say(talk.id, text)
        read = await member.event(talk.id, lambda event: event["event_id"] == sent, what="the newcomer's message")
        stage.does(HANAKO, say("reads:"))
        stage.reads(_body(read))
        stage.does(HANAKO, say("tries to give the room another name"))
        await stage.refused(
            member.rename(talk.id, "はなこの部屋"),
            say("Refused: names change by command of the secretariat alone."),
            otherwise="a member renamed a room",
        )
        stage.does(HANAKO, say("tries to bring somebody in from outside: {name}", name=PASSER_BY.name))
        await stage.refused(
            member.invite(talk.id, PASSER_BY.user_id),
            say("Refused: the way in leads past the secretariat."),
            otherwise="a member let an outsider in",
        )

    async def business_of_the_office(self) -> None:
        """The secretary lists divisions, and gives one another name and its own again."""
        stage, space, slug = self.stage, self._division.space, self._division.slug
        stage.scene(say("5. The secretary at work"))
        listed = await self._ask("!課 一覧")
        must(self._division.name in listed, "the list of divisions lacks one")
        new = self._division.name + _ANNEX
        for name in (new, self._division.name):
            await self._ask(f"!課 変更 {slug} --名前 {name}")
            await self._member.event(space.id, partial(_renames, to=name), what="the division's new name")
            stage.does(HANAKO, say("looks at the list of rooms"))
            stage.sees(say("The division is called {name} now.", name=name))

    async def farewell(self) -> None:
        """Removal is shown first, happens after ✅, and leaves nobody anywhere."""
        stage, places, secretary = self.stage, self._places, self._secretary
        stage.scene(say("6. The way out"))
        asked = await self._send(f"!member remove {STRANGER.user_id}")
        preview = await self._outcome(asked, after=0)
        must(await self._inside() != set(), "somebody was removed before the confirmation")
        stage.does(SECRETARY, say("reacts to the preview with ✅"))
        await secretary.react(places.office.id, EventId(preview["event_id"]), "✅")
        await self._outcome(asked, after=1)
        must(await self._inside() == set(), "somebody who was removed is still in a room")
        stage.does(STRANGER, say("looks at the list of rooms"))
        stage.sees(say("The city hall and its rooms are gone from it."))
        stage.does(STRANGER, say("tries the link to {room} again", room=self._division.talk.name))
        await stage.refused(
            self._stranger.join(self._division.talk.alias),
            say("Refused: only members of the city hall come in."),
            otherwise="somebody who was removed came back",
        )
        stage.scene(say("The end. Everything went as it must."))

    async def _inside(self) -> set[RoomId]:
        return await self._stranger.joined_rooms() & self._places.gated

    async def _ask(self, command: str) -> str:
        """Have the secretary give a command, and return the answer that says what came of it."""
        return _body(await self._outcome(await self._send(command), after=0))

    async def _send(self, command: str) -> EventId:
        self.stage.does(SECRETARY, say("writes:"))
        self.stage.reads(command)
        return await self._secretary.say(self._places.office.id, command)

    async def _outcome(self, asked: EventId, *, after: int) -> Event:
        """Return the last answer once all that was asked for is done; ``after`` of them are known already."""
        secretary, office = self._secretary, self._places.office.id
        await secretary.until(lambda: len(secretary.answers(office, asked)) > after, what="the answer to a command")
        await self._app.loop.settle_all(_PATIENCE)
        await self._app.sender.idle()
        await secretary.sync()
        answer = secretary.answers(office, asked)[-1]
        self.stage.does(SECRETARY, say("reads:"))
        self.stage.reads(_body(answer))
        return answer


def _renames(event: Event, to: str) -> bool:
    return bool(event["type"] == "m.room.name" and event["content"].get("name") == to)


def _body(event: Event) -> str:
    return str(event["content"].get("body", ""))
