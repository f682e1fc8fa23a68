"""``!guest``: for the secretariat, hosts, and the host of the talk."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, StringConstraints

from oshiyakusho_matrix.broadcasts.backstage.service import Guests
from oshiyakusho_matrix.broadcasts.backstage.tables import Guest, guests_of
from oshiyakusho_matrix.broadcasts.domain import State
from oshiyakusho_matrix.broadcasts.service import Programme
from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Positional, Rest
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import say, visible


def _one_line(text: str) -> str:
    return visible(text, limit=60)


_TALK = Positional(ja="放送", about=say("The number of the talk."), example="12")
_WHO = Positional(
    ja="利用者", about=say("The guest's Matrix account, on any homeserver."), example="@hanako:example.org"
)


class OfTalk(BaseModel):
    """Arguments of ``!guest list``."""

    talk: Annotated[int, _TALK]


class OneGuest(BaseModel):
    """Arguments of ``!guest remove``."""

    talk: Annotated[int, _TALK]
    user: Annotated[UserId, _WHO]


class Invited(OneGuest):
    """Arguments of ``!guest invite``."""

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
        AfterValidator(_one_line),
        Rest(ja="名前", about=say("The name that the audience reads."), example="試験花子"),
    ]


def guest_commands(guests: Guests, programme: Programme) -> tuple[Command[Any], ...]:
    """Return the commands about guests."""

    async def invite(call: Call[Invited]) -> Answer:
        a = call.arguments
        one, key = await guests.invite(call.tx, a.talk, Guest(a.user, a.name), by=call.asker)
        if one.state is State.DRAFT:
            text = say("{user} is invited once talk {number} is announced.", user=a.user, number=a.talk)
            return Answer(text, target=str(a.talk))
        text = say("{user} is a guest of talk {number} now.", user=a.user, number=a.talk)
        return Answer(text, after=[key], target=str(a.talk))

    async def remove(call: Call[OneGuest]) -> Answer:
        a = call.arguments
        _, key = await guests.take_back(call.tx, a.talk, a.user, by=call.asker)
        text = say("{user} is no guest of talk {number} any more.", user=a.user, number=a.talk)
        return Answer(text, after=[key], target=str(a.talk))

    async def show_list(call: Call[OfTalk]) -> Answer:
        _, one = await programme.take_up_as_host(call.tx, call.arguments.talk, by=call.asker)
        found = await guests_of(call.tx.connection, one.number)
        if not found:
            return Answer(say("Talk {number} has no guest with a Matrix account.", number=one.number))
        lines = (say("- {name} ({user})", name=each.name, user=each.user_id) for each in found)
        return Answer(say("Guests of talk {number} “{title}”:", *lines, number=one.number, title=one.title))

    return (
        Command(
            ("guest invite", "ゲスト 招待"), say("Invites a guest to the backstage room of a talk."), Role.MEMBER,
            Invited, invite, audited=True,
        ),
        Command(("guest list", "ゲスト 一覧"), say("Lists the guests of a talk."), Role.MEMBER, OfTalk, show_list),
        Command(
            ("guest remove", "ゲスト 取消"), say("Takes a guest out of the backstage room."), Role.MEMBER, OneGuest,
            remove, audited=True,
        ),
    )  # fmt: skip
