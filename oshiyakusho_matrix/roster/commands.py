"""``!member``: who may come in, for the secretariat; and who is here, for all members."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.homeserver.interface import AccountReader
from oshiyakusho_matrix.roster.accounts import refuse_nobody
from oshiyakusho_matrix.roster.affiliations import affiliations
from oshiyakusho_matrix.roster.directory import find_members
from oshiyakusho_matrix.roster.domain import HallState, Member
from oshiyakusho_matrix.roster.organisations import organisations
from oshiyakusho_matrix.roster.service import Roster, member_key
from oshiyakusho_matrix.roster.tables import find_member
from oshiyakusho_matrix.store.unit_of_work import Transaction

#: Says in a language which offices somebody holds; each capability knows its own.
Offices = Callable[[Transaction, UserId, str], Awaitable[Sequence[Text]]]

_USER = Positional(
    ja="会員", about=say("The Matrix account, as @user:server or as a mention."), example="@hanako:example.jp"
)


class Admit(BaseModel):
    """Arguments of ``!member admit``."""

    user: Annotated[UserId, _USER]
    secretariat: Annotated[bool, Option(ja="事務局", about=say("Also makes them part of the secretariat."))] = False


class Secretary(BaseModel):
    """Arguments of ``!member secretariat``."""

    user: Annotated[UserId, _USER]
    end: Annotated[bool, Option(ja="解任", about=say("Ends their part in the secretariat instead."))] = False


class Person(BaseModel):
    """Arguments of commands about one person."""

    user: Annotated[UserId, _USER]


class Search(BaseModel):
    """Arguments of ``!member find``."""

    words: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
        Rest(
            ja="語",
            about=say("An organisation, with its prefecture if need be, or (a part of) a Matrix account."),
            example="小樽市",
        ),
    ]


def member_commands(
    roster: Roster, *, accounts: AccountReader, server_name: str, offices: Offices
) -> tuple[Command[Any], ...]:
    """Return the commands about members; ``server_name`` is our own homeserver's."""

    async def look_for_account(arguments: Admit) -> None:
        await refuse_nobody(accounts, arguments.user, server_name)

    async def admit(call: Call[Admit]) -> Answer:
        user = call.arguments.user
        await roster.admit(call.tx, user, by=call.asker.user_id, secretariat=call.arguments.secretariat)
        return Answer(say("{user} is a member now.", user=user), after=[member_key(user)], target=user)

    async def secretariat(call: Call[Secretary]) -> Answer:
        user, by = call.arguments.user, call.asker.user_id
        if call.arguments.end:
            await roster.leave_secretariat(call.tx, user, by=by)
            text = say("{user} is of the secretariat no more.", user=user)
        else:
            await roster.join_secretariat(call.tx, user, by=by)
            text = say("{user} is of the secretariat now.", user=user)
        return Answer(text, after=[member_key(user)], target=user)

    async def preview_removal(call: Call[Person]) -> Text:
        member = await find_member(call.tx.connection, call.arguments.user)
        if member is None or not member.current:
            raise Refused(say("{user} is not a member, so there is nobody to remove.", user=call.arguments.user))
        return say(
            "{user} will be taken out of the city hall and of every division, and every role of theirs ends. What they "
            "wrote stays.",
            user=call.arguments.user,
        )

    async def remove(call: Call[Person]) -> Answer:
        user = call.arguments.user
        await roster.remove(call.tx, user, by=call.asker.user_id)
        return Answer(say("{user} is no member any more.", user=user), after=[member_key(user)], target=user)

    async def show(call: Call[Person]) -> Answer:
        user = call.arguments.user
        member = await find_member(call.tx.connection, user)
        if member is None:
            return Answer(say("{user} was never admitted.", user=user), target=user)
        served = (await affiliations(call.tx.connection, [user])).get(user)
        badge = [] if served is None else [served.badge()]
        held = await offices(call.tx, user, call.asker.language)
        return Answer(replace(describe(member), parts=(*badge, *held)), target=user)

    async def find(call: Call[Search]) -> Answer:
        return Answer(await find_members(call.tx.connection, organisations(), call.arguments.words))

    return (
        Command(
            names=("member admit", "会員 承認"),
            summary=say("Lets somebody into the city hall."),
            role=Role.SECRETARIAT,
            arguments=Admit,
            run=admit,
            audited=True,
            look=look_for_account,
        ),
        Command(
            names=("member secretariat", "会員 事務局"),
            summary=say("Makes a member part of the secretariat, or ends that."),
            role=Role.SECRETARIAT,
            arguments=Secretary,
            run=secretariat,
            audited=True,
        ),
        Command(
            names=("member remove", "会員 除名"),
            summary=say("Takes somebody out of the city hall and of every division."),
            role=Role.SECRETARIAT,
            arguments=Person,
            run=remove,
            preview=preview_removal,
            audited=True,
        ),
        Command(
            names=("member show", "会員 詳細"),
            summary=say("Shows what is on record about somebody."),
            role=Role.SECRETARIAT,
            arguments=Person,
            run=show,
            audited=True,
            confidential=True,
        ),
        Command(
            names=("member find", "会員 検索"),
            summary=say("Finds members by organisation or account."),
            role=Role.MEMBER,
            arguments=Search,
            run=find,
        ),
    )


_HALL = {
    HallState.PENDING: say("not invited yet"),
    HallState.INVITED: say("invited, not joined yet"),
    HallState.JOINED: say("inside"),
    HallState.LEFT: say("outside (left, or taken out by a server administrator)"),
}


def describe(member: Member) -> Text:
    """Say what is on record about a member."""
    since = f"{member.changed_at.astimezone(JST):%Y-%m-%d}"
    if not member.current:
        return say(
            "{user} is no member: removed on {since} by {by}.", user=member.user_id, since=since, by=member.changed_by
        )
    text = say(
        "{user} is a member (record as changed on {since} by {by}). In the city hall: {hall}.",
        user=member.user_id,
        since=since,
        by=member.changed_by,
        hall=_HALL[member.hall],
    )
    if not member.secretariat:
        return text
    return say("{member} Secretariat: {office}.", member=text, office=_HALL[member.office])
